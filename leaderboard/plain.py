"""Tables as csv and json, for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any


def to_csv(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> str:
    """The rows under a heading, with the fields in this order; None becomes empty, a list its entries with spaces."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def to_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a list of objects. Raises ValueError for a number that JSON does not have, such as infinity."""
    return json.dumps(list(rows), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value
