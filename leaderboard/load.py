"""Reading records of a run directory; reading and writing the committed lists behind the tables of documents."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leaderboard.errors import LeaderboardError
from leaderboard.files import write_atomically
from leaderboard.records import SCHEMA_VERSION, ResultRecord

RESULTS = Path(__file__).parent / "results"
DIGITS = 8  # significant digits in a committed list; tables print five at most
_FOLDERS = re.compile(r"""(?<![\w.:/])~?/(?:[^\s,;()'"\]/]+/)*(?=[^\s/])""")  # the folders of an absolute path


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def load_records(runs_dir: Path, warn: Callable[[str], None] = _to_stderr) -> list[ResultRecord]:
    """Records of ``runs_dir/cells/*/result.json``, sorted by path; ``warn`` gets a line for each unreadable one.

    Raises LeaderboardError if there is no folder ``cells``, and for a record of a newer schema_version.
    """
    cells = runs_dir / "cells"
    if not cells.is_dir():
        raise LeaderboardError(
            f"no folder {cells}; run a suite first (python -m benchmarks run), or read the committed results with "
            "--runs leaderboard/results"
        )
    records = []
    for path in sorted(cells.glob("*/result.json")):
        try:
            records.append(_record(json.loads(path.read_text(encoding="utf-8")), path))
        except (OSError, ValueError) as error:
            warn(f"skipped {path}: not a readable record ({_first_line(error)})")
    return records


def load_results(folder: Path = RESULTS, name: str = "*") -> list[ResultRecord]:
    """Records of the committed lists ``folder/<name>.json`` (default: of all lists), each cell once.

    Raises LeaderboardError for a file that is no list of records, and for a newer schema_version.
    """
    records = {}
    for path in sorted(folder.glob(f"{name}.json")):
        try:
            for entry in json.loads(path.read_text(encoding="utf-8")):
                record = _record(entry, path)
                records[record.cell_id] = record
        except (OSError, TypeError, ValueError) as error:
            raise LeaderboardError(f"{path} is not a list of records ({_first_line(error)}); write it anew") from error
    return list(records.values())


def save_results(records: Iterable[ResultRecord], path: Path) -> None:
    """Write records as a committed list: one per line, sorted by cell id.

    Command lines, tracebacks and the folders of absolute paths are left out, because they describe one machine. To keep
    the lists small, numbers are rounded to ``DIGITS`` significant digits and only the first score, the headline, keeps
    its errors per landmark. The records of the run directory stay complete.
    """
    lines = []
    for record in sorted(records, key=lambda record: record.cell_id):
        plain = record.model_dump(mode="json", exclude={"provenance": {"argv"}, "failure": {"traceback"}})
        if plain["saw_landmarks"] is None:  # a record of an older schema stays as it is
            del plain["saw_landmarks"]
        if plain["failure"]:
            plain["failure"]["traceback"] = ""
        for score in plain["scores"][1:]:
            score["per_landmark"] = []
        short = _shortened(plain)
        lines.append(json.dumps(short, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    write_atomically(path, "[\n" + ",\n".join(lines) + "\n]\n")


def _shortened(plain: Any) -> Any:
    """Plain data with rounded numbers, and absolute paths cut to their names."""
    if isinstance(plain, dict):
        return {name: _shortened(value) for name, value in plain.items()}
    if isinstance(plain, list):
        return [_shortened(value) for value in plain]
    if isinstance(plain, float):
        return float(f"{plain:.{DIGITS}g}")
    return _FOLDERS.sub("", plain) if isinstance(plain, str) else plain


def _record(entry: Any, path: Path) -> ResultRecord:
    version = entry.get("schema_version") if isinstance(entry, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise LeaderboardError(
            f"{path} has schema_version {version}, this code reads up to {SCHEMA_VERSION}; update the benchmark"
        )
    return ResultRecord.model_validate(entry)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'record'}: {first['msg']}"
    return str(error).splitlines()[0]
