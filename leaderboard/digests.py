"""The digest that a record keeps over its own content, so that a value changed by hand is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from leaderboard.records import SCHEMA_VERSION, ResultRecord

if TYPE_CHECKING:
    from pydantic import BaseModel

FIRST_SCHEMA = 5  # records of older versions have no digest


class ChangedError(ValueError):
    """A record is not what was written; the message says why, and follows the name of the record or its file."""


def content_digest(model: BaseModel) -> str:
    """sha256, as 64 hex digits, of the fields that were given to a model, except its field ``digest``.

    Fields that a later version adds with a default are not given by older files, and so leave their digests valid.
    """
    return plain_digest(model.model_dump(mode="json", exclude={"digest"}, exclude_unset=True))


def plain_digest(entry: Mapping[str, Any], finite: bool = False) -> str:
    """The same of a model as its JSON has it. Raises ValueError, if ``finite``, for a number that is not finite."""
    plain = {name: value for name, value in entry.items() if name != "digest"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=not finite)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(record: ResultRecord) -> ResultRecord:
    """The record as its JSON gives it back, in the present schema version and with its digest."""
    current = record.model_copy(update={"schema_version": SCHEMA_VERSION, "digest": None})
    read = ResultRecord.model_validate_json(current.model_dump_json())
    return read.model_copy(update={"digest": content_digest(read)})


def check_digest(record: ResultRecord, found: str | None = None) -> None:
    """Raise ChangedError if a record differs from what was written; a record of an older schema has no digest.

    ``found`` is the digest of its JSON as it stands, which another way of writing the same numbers changes.
    """
    if record.digest is None and record.schema_version < FIRST_SCHEMA:
        return
    if record.digest is None or (record.digest != found and record.digest != content_digest(record)):
        raise ChangedError("has lost its digest" if record.digest is None else "has changed since it was recorded")
