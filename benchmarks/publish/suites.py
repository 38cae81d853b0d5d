"""The pages of suites and of the experiments, which are suites shown as plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from markupsafe import Markup

from benchmarks.publish.charts.curves import Curve, curves
from benchmarks.publish.equivariance import PROTOCOL, equivariance_plot
from benchmarks.publish.results import Results
from benchmarks.publish.seconds import SecondsPlot, seconds_plot
from benchmarks.publish.site import Site
from benchmarks.publish.tables import (
    ResultsTable,
    difference_table,
    measured_table,
    overall_table,
    pairs_table,
    reported_table,
)
from benchmarks.tasks import SUITES, TASKS, Profile
from leaderboard.overall import overall_rows
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import PairRow, Row, known
from leaderboard.suites import Suite
from metrics.protocols import PROTOCOLS

ABOUT: Mapping[Profile, str] = {
    "mini": "The mini profile runs on the synthetic world: drawn faces, birds and people. It tests the code and shows "
    "which parts of a method matter; it does not say how good a method is on photographs.",
    "paper": "The paper profile runs on the datasets that papers use.",
}
PROFILES: tuple[Profile, ...] = get_args(Profile)


@dataclass(frozen=True)
class View:
    """A table under one choice of protocol."""

    name: str
    caption: str
    table: ResultsTable


@dataclass(frozen=True)
class Section:
    """The tables of one profile; ``name`` is unique on its page."""

    name: str
    title: str
    about: str
    views: tuple[View, ...]
    differences: ResultsTable | None = None
    overall: ResultsTable | None = None
    seconds: SecondsPlot | None = None
    equivariance: SecondsPlot | None = None


def write_suite(site: Site, suite: Suite, results: Results) -> None:
    """Write the page of a suite: its measured tables under every family of protocols, and the published rows."""
    sections = [section for profile in PROFILES if (section := _section(suite, results, profile)).views]
    site.render(
        f"suites/{suite.name}.html",
        "suite.html",
        suite.name,
        suite=suite,
        sections=sections,
        reported=reported_table(results.rows(suite.tasks, "paper", kind=suite.kind)),
    )


def leader_of(suite: Suite, results: Results) -> str:
    """The two best methods over all tasks of a suite, with their skills, in words; '' if none can be ranked."""
    for profile in reversed(PROFILES):
        found = overall_rows(results.rows(suite.tasks, profile), suite.tasks) if suite.kind == "plain" else []
        if best := [row for row in found if row.skill is not None][:2]:
            skills = (f"{row.label}, skill {row.skill:.1f}{f' ±{row.half:.1f}' if row.half else ''} %" for row in best)
            return f"first ({profile} profile): {'; then '.join(skills)}"
    return ""


def _section(suite: Suite, results: Results, profile: Profile) -> Section:
    families = families_of(results.records, suite.tasks, profile)
    views = []
    for family in (None, *families):
        table = measured_table(results.rows(suite.tasks, profile, family, suite.kind))
        if table:
            caption = f"{suite.name}, {profile} profile, {family or 'headline protocol of each task'}"
            views.append(View(family or "headline", caption, table))
    several = suite.kind == "plain" and len(suite.tasks) > 1
    headline = results.rows(suite.tasks, profile)
    rows = headline if several else []
    moved = results.rows(suite.tasks, profile, PROTOCOL) if several else []
    heading = f"{suite.name}, {profile} profile: skill against"
    return Section(
        name=f"{suite.name}-{profile}",
        title=f"Measured here, {profile} profile",
        about=ABOUT[profile],
        views=tuple(views),
        differences=difference_table(headline) if suite.kind == "plain" else None,
        overall=overall_table(rows, suite.tasks),
        seconds=seconds_plot(rows, suite.tasks, f"{heading} seconds a fit"),
        equivariance=equivariance_plot([*rows, *moved], suite.tasks, f"{heading} error of equivariance"),
    )


def families_of(records: Sequence[ResultRecord], tasks: Sequence[str], profile: str) -> list[str]:
    """The families of the protocols that records of these tasks have, in the order of the catalogue."""
    scores = (score for each in records if each.task in tasks and each.profile == profile for score in each.scores)
    there = {score.protocol.split("/")[0] for score in scores}
    return [family for family in dict.fromkeys(name.split("/")[0] for name in PROTOCOLS) if family in there]


OVER = "Lower is better. Upright lines are 95 % intervals, dashed curves the floors (baselines that learn nothing)."
LOSSES = (
    "Geometric means over the pairs of tasks, in percent of the error of the mean pose, so that datasets with "
    "different units can be put together. Dashed lines are the floors (baselines that learn nothing)."
)


@dataclass(frozen=True)
class _Named:
    name: str
    caption: str
    table: ResultsTable


@dataclass(frozen=True)
class Experiment:
    """A plot with its tables; ``reading`` says how to read it, ``suite`` names a page with all numbers, or is ''."""

    title: str
    text: str
    reading: str = ""
    plot: Markup = Markup("")  # noqa: RUF009 - never changed
    tables: tuple[_Named, ...] = ()
    suite: str = ""


def write_experiments(site: Site, results: Results) -> None:
    """Write the page of experiments: results on fewer images, aligned against wild, and ablations."""
    found = [
        each for suite in SUITES.values() for profile in PROFILES for each in _experiments(suite, results, profile)
    ]
    site.render("experiments.html", "experiments.html", "Experiments", experiments=found)


def _experiments(suite: Suite, results: Results, profile: Profile) -> Iterator[Experiment]:
    title = f"{suite.name}, {profile} profile"
    if suite.kind == "pairs":
        if not (pairs := results.pairs(suite.tasks, profile)):
            return
        named = _Named(f"{suite.name}-{profile}", title, pairs_table(pairs))
        yield Experiment(title, suite.summary, LOSSES, _losses(title, pairs), (named,))
        return
    plain = [row for row in results.rows(suite.tasks, profile, kind=suite.kind) if row.kind in MEASURED]
    several = len({row.task for row in plain}) > 2
    if suite.kind == "ablation" and (table := measured_table(plain)):
        named = _Named(f"{suite.name}-{profile}", title, table)
        yield Experiment(title, suite.summary, tables=(named,), suite=suite.name)
    elif several and len({TASKS[task].fit_images for task in suite.tasks}) > 1:
        over = _over(title, plain, "fit_images", "images learned on (logarithmic)")
        yield Experiment(title, suite.summary, OVER, over, suite=suite.name)
    elif several and len({TASKS[task].num_keypoints for task in suite.tasks}) == len(suite.tasks):
        over = _over(title, plain, "num_keypoints", "keypoints K")
        yield Experiment(title, suite.summary, OVER, over, suite=suite.name)


def _over(title: str, rows: Sequence[Row], field: str, name: str) -> Markup:
    """The headline error of each method against a number that differs between the tasks."""
    found = []
    done = [row for row in rows if row.status == "done"]
    largest = max((row.n_fit or 0 for row in done), default=0)
    for label in dict.fromkeys(row.label for row in done):
        own = []
        for row in (each for each in done if each.label == label):
            place = getattr(TASKS[row.task], field)
            own.append((float(largest if place is None else place), row))
        own.sort(key=lambda each: each[0])
        points = [(place, known(row.value)) for place, row in own]
        ends = [None if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high) for _, row in own]
        found.append(Curve(label, points, ends, dashed=own[0][1].is_floor))
    unit = done[0].unit if done else ""
    log_y = all(value > 0 for curve in found for _, value in curve.points)
    y_title = f"error ({unit}{', logarithmic' * log_y})"
    return curves(title, name, y_title, found, log_x=field == "fit_images", log_y=log_y)


def _losses(title: str, rows: Sequence[PairRow]) -> Markup:
    """Error on aligned and on wild images, in percent of the mean pose's, one line a method."""
    whole = [row for row in rows if row.aligned_task == "all" and row.aligned and row.wild]
    found = [
        Curve(row.label, [(0.0, row.aligned.value), (1.0, row.wild.value)], dashed=row.is_floor)
        for row in whole
        if row.aligned and row.wild
    ]
    return curves(title, "", "% of the mean pose's error", found, names={0.0: "aligned", 1.0: "in the wild"})
