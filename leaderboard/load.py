"""Reading records of a run directory; reading and writing the committed lists behind the tables of documents."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from leaderboard.digests import ChangedError, check_digest, content_digest, plain_digest, sealed
from leaderboard.errors import LeaderboardError
from leaderboard.origins import origin_of
from leaderboard.records import SCHEMA_VERSION, ResultRecord
from leaderboard.text import fault, printable

RESULTS = Path(__file__).parent / "results"
RECORD = "result.json"  # in the folder of a cell
CURE = "run it again with the command that made it, or remove the cell's folder"
LABEL = 1000  # characters of a name in a record: labels hold settings, such as names of files
NESTING = 50  # lists and objects within each other in a record
LARGEST = 1 << 25  # bytes of a file of records
DIGITS = 8  # significant digits in a committed list; tables print five at most
_FREE = ("method_config", "method_identity", "by_dataset", "provenance", "variant")  # fields that may hold any values
_FOLDERS = re.compile(r"""(?<![\w.:/])~?/(?:[^\s,;()'"\]/]+/)*(?=[^\s/])""")  # the folders of an absolute path


def to_stderr(line: str) -> None:
    """Print a line on stderr."""
    print(line, file=sys.stderr)


def load_records(
    runs_dir: Path,
    warn: Callable[[str], None] = to_stderr,
    remembered: Callable[[str], ResultRecord | None] = lambda cell: None,
) -> list[ResultRecord]:
    """Records of ``runs_dir/cells/*/result.json``, sorted by path; ``warn`` gets a line for each one left out.

    A record is left out if it is unreadable, was changed after it was written, or belongs to another cell than its
    folder. ``remembered`` gives the record of a cell that need not be read again, by the folder's name. Raises
    LeaderboardError if there is no folder ``cells``, and for a record of a newer schema_version.
    """
    cells = runs_dir / "cells"
    if not cells.is_dir():
        raise LeaderboardError(
            f"no folder {cells}; run a suite first (python -m benchmarks run), or read the committed results with "
            "--runs leaderboard/results"
        )
    records = []
    for name in sorted(os.listdir(cells)):  # noqa: PTH208 - ten thousand paths take long to sort
        if (record := remembered(name)) is not None:
            records.append(record)
            continue
        path = cells / name / RECORD
        if not path.exists():
            continue
        try:
            records.append(read_record(path))
        except ChangedError as error:
            warn(printable(f"left out {path.parent}: {path.name} {error}; {CURE}"))
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            warn(printable(f"skipped {path}: not a readable record ({reason(error)})"))
    return records


def read_record(path: Path) -> ResultRecord:
    """Read the record of a cell, ``cells/<cell id>/result.json``.

    Raises ChangedError if it was changed after it was written or belongs to another cell, OSError, ValueError,
    RecursionError or MemoryError if it cannot be read, and LeaderboardError for a newer schema_version.
    """
    record = _record(_parsed(_text(path)), path)
    if record.digest is not None and record.cell_id != path.parent.name:
        raise ChangedError(f"is the record of another cell, {record.cell_id}")
    return record


def load_results(
    folder: Path = RESULTS, name: str = "*", texts: Mapping[Path, str] | None = None, repeated: bool = False
) -> list[ResultRecord]:
    """Records of the committed lists ``folder/<name>.json`` (default: of all lists), each cell once.

    With ``repeated``, a cell that two lists have from different commits comes with both of its records, for
    ``leaderboard.origins.each_once``.
    ``texts`` holds the content of lists that are about to be written; it is read instead of these files. Raises
    LeaderboardError for a file that is no list of records, a record that was changed after it was written, and a newer
    schema_version.
    """
    records: dict[tuple[str, ...], ResultRecord] = {}
    texts = texts or {}
    paths = {*folder.glob(f"{name}.json"), *(path for path in texts if path.match(f"{name}.json"))}
    for path in sorted(paths):
        try:
            for entry in json.loads(texts[path] if path in texts else _text(path)):
                record = _record(entry, path)
                records[(record.cell_id, origin_of(record)) if repeated else (record.cell_id,)] = record
        except ChangedError as error:
            text = f"{path}: the record of {entry['cell_id']} {error}; restore the file, such as with git checkout"
            raise LeaderboardError(printable(text)) from error
        except (OSError, TypeError, ValueError, RecursionError, MemoryError) as error:
            raise LeaderboardError(f"{path} is not a list of records ({reason(error)}); write it anew") from error
    return list(records.values())


def list_text(records: Iterable[ResultRecord]) -> str:
    """The text of a committed list: one record per line, sorted by cell id.

    Command lines, tracebacks and the folders of absolute paths are left out, because they describe one machine. To keep
    the lists small, numbers are rounded to ``DIGITS`` significant digits, only the first score, the headline, keeps its
    errors per landmark, and the digests of files are left out. A record with a digest gets that of its shorter form.
    The records of the run directory stay complete.
    """
    found = sorted(records, key=lambda record: record.cell_id)
    lines = [
        json.dumps(_committed(record), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        for record in found
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def as_committed(record: ResultRecord) -> ResultRecord:
    """The record that a committed list gives back, with a digest."""
    return ResultRecord.model_validate(_committed(sealed(record)))


def _committed(record: ResultRecord) -> Any:
    left_out: Any = {"provenance": {"argv"}, "failure": {"traceback"}, "digests": True, "digest": True}
    plain = record.model_dump(mode="json", exclude=left_out)
    if plain["saw_landmarks"] is None:  # a record of an older schema stays as it is
        del plain["saw_landmarks"]
    if plain["failure"]:
        plain["failure"]["traceback"] = ""
    for score in plain["scores"][1:]:
        score["per_landmark"] = []
    plain = _shortened(plain)
    if record.digest is not None:
        plain["digest"] = content_digest(ResultRecord.model_validate(plain))
    return plain


def _shortened(plain: Any) -> Any:
    """Plain data with rounded numbers, and absolute paths cut to their names."""
    if isinstance(plain, dict):
        return {name: _shortened(value) for name, value in plain.items()}
    if isinstance(plain, list):
        return [_shortened(value) for value in plain]
    if isinstance(plain, float):
        return float(f"{plain:.{DIGITS}g}")
    return _FOLDERS.sub("", plain) if isinstance(plain, str) else plain


def _text(path: Path) -> str:
    """The text of a file of records. Raises ValueError if it is too large to be one."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has {path.stat().st_size:,} bytes, expected at most {LARGEST:,}")
    return content.decode("utf-8")


def _parsed(text: str) -> Any:
    """The value of a JSON text, from the faster of two parsers; the messages of the other one are clearer."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def _record(entry: Any, path: Path) -> ResultRecord:
    version = entry.get("schema_version") if isinstance(entry, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise LeaderboardError(
            f"{path} has schema_version {version}, this code reads up to {SCHEMA_VERSION}; update the benchmark"
        )
    try:
        record = ResultRecord.model_validate(entry)
        for name in _FREE:
            _check_values(entry.get(name))
        digest = plain_digest(entry, finite=True)
    except ValueError:
        _check_values(entry)  # the clearer reason, if it is one of these
        raise
    for name, text in _names(record):
        if text and (wrong := fault(text, LABEL)):
            raise ValueError(f"{name} {wrong}")
    check_digest(record, digest)
    return record


def _names(record: ResultRecord) -> list[tuple[str, str]]:
    """The texts of a record that stand in tables, each with the name of its field."""
    fields = ("cell_id", "method", "method_label", "method_version", "supervision", "task", "dataset", "fit_dataset")
    found = [(name, getattr(record, name)) for name in fields] + [("suites", suite) for suite in record.suites]
    found += [("variant.name", record.variant.name)] if record.variant else []
    return found + [
        (f"scores.{name}", getattr(score, name)) for score in record.scores for name in ("protocol", "unit")
    ]


def _check_values(value: Any, depth: int = 0) -> None:
    """Raise ValueError for a number that is not finite, and for lists and objects that are nested too deeply."""
    if depth > NESTING:
        raise ValueError(f"lists and objects are nested more than {NESTING} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the number {value}, expected a finite one")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_values(each, depth + 1)


def reason(error: BaseException) -> str:
    """Why a record cannot be read, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'record'}: {first['msg']}"
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
