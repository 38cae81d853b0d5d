"""An Atom feed of the numbers that changed between one publication of the site and the next in the same folder.

The site keeps its numbers, and the changes so far, in ``numbers.json``; the feed is made from that file alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from benchmarks.publish.results import Results
from benchmarks.publish.site import Site
from benchmarks.tasks import SUITES
from leaderboard.ranking import DECIMALS
from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import known
from metrics.protocols import value_text

NUMBERS = "numbers.json"
FEED = "feed.xml"
MOST = 30  # changes that are kept
LISTED = 200  # numbers that a change names

Numbers = Mapping[str, str]  # 'method, task, profile, protocol' and the value as tables print it, with its unit


def write_feed(site: Site, results: Results, earlier: Path, now: datetime | None = None) -> None:
    """Write the feed and the file of numbers; ``earlier`` is the folder of the site before.

    An entry is added if a number is new, gone or another one, at the time ``now`` (default: the present). Without an
    earlier site the feed has one entry, which gives the number of values.
    """
    numbers = dict(_numbers(results))
    before, changes = _read(earlier / NUMBERS)
    if before is None or before != numbers:
        time = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        changes = [_change(before, numbers, time), *changes][:MOST]
    content = {"numbers": numbers, "changes": changes}
    (site.folder / NUMBERS).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    entries = [{**each, "id": f"urn:uuid:{uuid5(NAMESPACE_URL, json.dumps(each))}"} for each in changes]
    feed = f"urn:uuid:{uuid5(NAMESPACE_URL, 'keypoint-benchmarks')}"
    site.render(FEED, FEED, "Changed numbers", feed=feed, entries=entries)


def _numbers(results: Results) -> Iterator[tuple[str, str]]:
    """The headline value of each measured row."""
    for suite in (suite for suite in SUITES.values() if suite.kind == "plain"):
        for profile in ("mini", "paper"):
            for row in results.rows(suite.tasks, profile):
                if row.kind in MEASURED and row.status == "done":
                    value = value_text(row.protocol, known(row.value), DECIMALS)
                    yield f"{shown(row)}, {row.task}, {profile} profile, {row.protocol}", f"{value} {row.unit}"


def _read(path: Path) -> tuple[Numbers | None, list[dict[str, Any]]]:
    """The numbers and changes of an earlier site; None and none without such a file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        numbers = {str(name): str(value) for name, value in found["numbers"].items()}
        changes = [
            {"time": str(each["time"]), "title": str(each["title"]), "lines": [str(line) for line in each["lines"]]}
            for each in found["changes"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, []
    return numbers, changes


def _change(before: Numbers | None, after: Numbers, time: str) -> dict[str, Any]:
    """What differs, as a title and one line for each number."""
    if before is None:
        return {"time": time, "title": f"{len(after):,} numbers", "lines": []}
    other = [(name, value) for name, value in after.items() if before.get(name, value) != value]
    lines = [f"{name}: {value}, before {before[name]}" for name, value in other]
    counts = [f"{len(lines)} changed"]
    for word, here, there in (("new", after, before), ("gone", before, after)):
        own = [f"{name}: {value}, {word}" for name, value in here.items() if name not in there]
        counts += [f"{len(own)} {word}"] * bool(own)
        lines += own
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return {"time": time, "title": f"Numbers: {', '.join(counts)}", "lines": [*lines[:LISTED], *more]}
