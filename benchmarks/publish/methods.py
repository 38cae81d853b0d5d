"""The page of a method: card and settings, its results, what they cost, and crops around each keypoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.describe.method import method_card
from benchmarks.publish.pictures import crop
from benchmarks.publish.results import Results
from benchmarks.publish.site import Site
from benchmarks.publish.suites import PROFILES
from benchmarks.publish.tasks import Gallery
from benchmarks.registry import METHODS, method_class
from benchmarks.run.examples import Examples
from benchmarks.tasks import SUITES
from leaderboard.columns import EXTRAS, TEXT_HEADINGS
from leaderboard.comparisons import BEST, against
from leaderboard.literature import systems
from leaderboard.markdown import MISSING, against_text
from leaderboard.ranking import DECIMALS
from leaderboard.rows import Row, known
from leaderboard.text import printable
from metrics.protocols import value_text

STRIPS = 4  # tasks with strips on a page
COLUMNS = (
    "fit_seconds",
    "image_ms",
    "hardware",
    "peak_memory_mb",
    "parameters",
    "frozen_parameters",
    "frozen_data",
    "labels",
)

Text = tuple[str, float | str | None, str]  # what is shown, what it is sorted by, and the link or ''


@dataclass(frozen=True)
class Entry:
    """What the overview says of a method; ``kind`` is '', 'supervised' or 'floor (baseline)'."""

    id: str
    name: str
    summary: str
    kind: str


def write_method(site: Site, method: str, results: Results, gallery: Gallery) -> Entry:
    """Write the page of a method that has results."""
    own = [record for record in results.records if record.method == method]
    known_here = method in METHODS.entries
    card = method_class(method).card if known_here else None
    there = {record.task for record in own}
    tasks = dict.fromkeys(task for suite in SUITES.values() for task in suite.tasks if task in there)
    tasks |= dict.fromkeys(record.task for record in own)
    name, summary = (card.name, card.summary) if card else (own[0].method_label, "")
    rows = [row for profile in PROFILES for row in against(results.rows([*tasks], profile), BEST)]
    found = [row for row in rows if row.method == method]
    site.render(
        f"methods/{method}.html",
        "method.html",
        name,
        name=name,
        summary=summary,
        paper=_paper(method),
        sections=[_results(found), _cost(found)],
        strips=_strips(method, results.examples, gallery),
        description=printable(method_card(method)) if known_here else "",
    )
    kind = "floor (baseline)" if own[0].is_floor else "supervised" if own[0].supervised else ""
    return Entry(method, name, summary, kind)


def _paper(method: str) -> tuple[str, str] | None:
    """The title and the address of a method's paper, if a card of the literature has them."""
    cards = (card for card in systems().values() if card.trained_here == method)
    return next(((card.summary, card.paper) for card in cards if card.paper.startswith("https://")), None)


def _results(found: Sequence[Row]) -> dict[str, Any]:
    done = [row for row in found if row.status == "done" and row.kind != "reported"]
    lines = []
    for row in done:
        interval = MISSING if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.2f} to {row.ci_high:.2f}"
        lines.append(
            [
                (row.task, row.task, f"../tasks/{row.task}.html"),
                (row.profile, row.profile, ""),
                (row.label, row.label, ""),
                (f"{value_text(row.protocol, known(row.value), DECIMALS)} {row.unit}", row.value, ""),
                (interval, row.ci_low, ""),
                (_from_best(row), row.against, ""),
                (str(row.seeds), row.seeds, ""),
            ]
        )
    headings = ("task", "profile", "as", "value", "95 % interval", "difference from the best", "seeds")
    return {
        "title": "Results",
        "caption": "The headline of every task",
        "headings": headings,
        "texts": ("task", "profile", "as", "difference from the best"),
        "lines": lines,
    }


def _from_best(row: Row) -> str:
    """The paired difference from the best method of the task, with its name."""
    return MISSING if row.against is None else f"{against_text(row)} from {row.against_method}"


def _cost(found: Sequence[Row]) -> dict[str, Any]:
    """What the rows cost, and what the method was trained with: the columns that tables have if they are asked for."""
    done = [row for row in found if row.status == "done" and row.kind == "trained"]
    shown = {name: EXTRAS[name] for name in COLUMNS}
    lines = []
    for row in done:
        line: list[Text] = [(row.task, row.task, f"../tasks/{row.task}.html"), (row.profile, row.profile, "")]
        line += [(row.label, row.label, "")]
        for name, extra in shown.items():
            text = extra.cell([row]) or MISSING
            line.append((text, text if extra.is_text else getattr(row, name), ""))
        lines.append(line)
    headings = ("task", "profile", "as", *(extra.heading for extra in shown.values()))
    return {
        "title": "Cost and training data",
        "caption": "Means over the seeds",
        "headings": headings,
        "texts": ("task", "profile", "as", *TEXT_HEADINGS),
        "lines": lines,
    }


def _strips(method: str, examples: Sequence[Examples], gallery: Gallery) -> list[dict[str, Any]]:
    """Crops around each keypoint, on one task a dataset."""
    found: list[dict[str, Any]] = []
    datasets: set[str] = set()
    for example in examples:
        shown = next((each for each in example.methods if each.method == method), None)
        if shown is None or len(found) == STRIPS or example.dataset in datasets:
            continue
        datasets.add(example.dataset)
        _, photos = gallery.open(example.dataset)
        places = [example.ids.index(name) for name in example.strip]
        rows = [
            [crop(photos.address(example.ids[place]), shown.keypoints[place][number], number) for place in places]
            for number in range(len(shown.keypoints[0]))
        ]
        found.append({"task": example.task, "label": shown.label, "seed": shown.seed, "rows": rows})
    return found
