"""The site, README, LaTeX, HTML, csv and json hold the same numbers of the committed results."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from pathlib import Path

import pytest

from benchmarks.publish.command import publish_site
from benchmarks.tables.command import board_text
from benchmarks.tables.sections import Board
from benchmarks.tasks import SUITES
from leaderboard.load import RESULTS
from leaderboard.tables import Format

# By label and task: value and half width as printed, whether it is bold, and whether a dagger marks rank deficiency.
Numbers = dict[tuple[str, str], tuple[str, str, bool, bool]]
FOLDED = str.maketrans("", "", "\\ ")
PLAIN = [suite for suite in SUITES.values() if suite.kind == "plain" and (RESULTS / f"{suite.name}.mini.json").exists()]


def text(suite: str, format: Format) -> str:
    return board_text(Board([suite], [], None, "mini", None, format), RESULTS)


def label(cell: str) -> str:
    """A label without the signs that only one format has."""
    return unescape(re.sub(r"<[^>]*>|\$.*?\$|[¶◊ᵘᶜʳᵈˢᵃ]|\s+", "", cell)).translate(FOLDED)


def numbers(header: list[str], lines: list[list[str]], bold: str) -> Numbers:
    """The numbers of a grid of cells, with tasks across; ``bold`` is a pattern of the start of a bold cell."""
    found = {}
    for line in lines:
        for name, cell in zip(header[1:], line[1:], strict=False):
            task = label(name).partition("(")[0]
            plain = re.sub(r"<[^>]*>", "", cell)
            if value := re.search(r"\d+(\.\d+)?", plain):
                half = re.search(r"(?:±|\\pm\$)(\d+\.\d+)", plain)
                dagger = "†" in plain or r"\dagger" in plain
                found[label(line[0]), task] = (
                    value[0],
                    half[1] if half else "",
                    bool(re.match(bold, cell.strip())),
                    dagger,
                )
    return {key: value for key, value in found.items() if key[1] in {task for suite in PLAIN for task in suite.tasks}}


def of_markdown(table: str) -> Numbers:
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines() if line.startswith("|")]
    return numbers(lines[0], lines[2:], r"\*\*")


def of_latex(table: str) -> Numbers:
    lines = [re.split(r"(?<!\\)&", line) for line in table.splitlines() if line.endswith(r"\\") and " & " in line]
    return numbers(lines[0], lines[1:], r"\\textbf")


def of_html(table: str) -> Numbers:
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in table.split("<tr")[1:]]
    lines = [
        [re.sub(r"<a class=.more.*?</a>|<svg.*?</svg>", "", cell, flags=re.DOTALL) for cell in line] for line in lines
    ]
    return numbers(lines[0], lines[1:], "<strong>")


def half_width(row: dict) -> str:
    """Half the width of the interval; '?' if the interval was cut at 0, which the printed half width is not."""
    if row["ci_low"] in (None, ""):
        return ""
    low, high = float(row["ci_low"]), float(row["ci_high"])
    return f"{(high - low) / 2:.2f}" if low else "?"


def agree(found: Numbers, expected: Numbers) -> bool:
    """Whether all numbers are those expected."""
    return all(
        value == expected[key][0] and expected[key][1] in (half, "?") and marks == list(expected[key][2:])
        for key, (value, half, *marks) in found.items()
    )


def of_rows(rows: list[dict]) -> Numbers:
    return {
        (label(row["label"]), row["task"]): (
            f"{float(row['value']):.2f}",
            half_width(row),
            str(row["best"]) == "True",
            str(row["rank_deficient"]) == "True",
        )
        for row in rows
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "site"
    publish_site(folder, None, None, show_images=False)
    return folder


@pytest.mark.parametrize("suite", PLAIN, ids=lambda suite: suite.name)
def test_all_formats_hold_the_same_numbers(suite, site):
    expected = of_rows(json.loads(text(suite.name, "json")))
    assert len(expected) >= 3 * len(suite.tasks)
    assert all(any(bold for (_, task), (*_, bold, _) in expected.items() if task == each) for each in suite.tasks)
    regressed = suite.name != "parts"  # whose headline has no regression, and no interval where all keypoints are one
    assert any(dagger for *_, dagger in expected.values()) == regressed
    assert all(half for _, half, *_ in expected.values()) == regressed
    page = (site / "suites" / f"{suite.name}.html").read_text()
    table = page[page.index(f'id="{suite.name}-mini-0"') :]
    found = {
        "csv": of_rows(list(csv.DictReader(io.StringIO(text(suite.name, "csv"))))),
        "md": of_markdown(text(suite.name, "md")),
        "latex": of_latex(text(suite.name, "latex")),
        "html": of_html(text(suite.name, "html")),
        "site": of_html(table[: table.index("</table>")]),
    }
    halves = {key: half for key, (_, half, *_) in found["md"].items()}
    for name, each in found.items():
        assert each.keys() == expected.keys() and agree(each, expected), name
        assert name == "csv" or {key: half for key, (_, half, *_) in each.items()} == halves, name


def test_the_documents_hold_the_same_numbers():
    root = Path(__file__).resolve().parents[3]
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    blocks = [
        (name.partition(":")[0], block)
        for page in pages
        for name, block in re.findall(
            r"<!-- leaderboard:mini:(\S+) -->(.*?)<!-- /leaderboard -->", page.read_text(), re.S
        )
    ]
    compared = 0
    for suite in PLAIN:
        expected = of_rows(json.loads(text(suite.name, "json")))
        for _, block in (each for each in blocks if each[0] == suite.name):
            found = of_markdown(block)
            assert found and agree(found, expected)
            compared += len(found)
    assert compared > 50
