"""Plots of the site: what is drawn where, from made-up records."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.publish.charts.axes import HEIGHT, LEFT, RIGHT, WIDTH, Scale, across, log_ticks, ticks
from benchmarks.publish.charts.scatter import Dot, front, scatter
from benchmarks.publish.equivariance import equivariance_plot
from benchmarks.publish.results import Results
from benchmarks.publish.seconds import seconds_plot
from benchmarks.publish.site import Site
from benchmarks.publish.suites import write_experiments, write_suite
from benchmarks.tasks import SUITES
from leaderboard.tables import rows
from tests.leaderboard.synthetic import record, score_of

TASKS = ("celeba_wild_k4", "cub_001")
SCORE = {"protocol": "sk/interocular", "unit": "% IOD"}
numbers = st.floats(-1e3, 1e3)
places = st.floats(0.01, 1e5)


def measured(method, error, fit, tasks=TASKS, seeds=(0,), machine="EPYC", **changes):
    where = {"device": "cpu", "cpu": machine, "threads": 1}
    return [
        record(method, task, error, seed, seconds={"fit": fit, "predict": 1.0}, provenance=where, **changes)
        for task in tasks
        for seed in seeds
    ]


def plot(*records):
    return seconds_plot(rows([each for group in records for each in group], TASKS, "mini"), TASKS, "skill")


def drawn(found):
    """The dots by name: skill and seconds as a screen reader gets them."""
    (label,) = re.findall(r'aria-label="([^"]*)"', found.picture)
    text = unescape(label).partition(": ")[2]
    parts = (each.rpartition(": ") for each in text.split("; "))
    return {name: tuple(map(float, values.split(" at "))) for name, _, values in parts}


GRID = measured("grid", 20.0, 0.0)


def test_a_dot_has_the_share_of_the_mean_poses_error_that_is_removed_and_the_mean_seconds():
    slow = measured("alpha", 5.0, 10.0, TASKS[:1]) + measured("alpha", 15.0, 30.0, TASKS[1:])
    found = plot(GRID, slow, measured("beta", 10.0, 2.0))
    assert drawn(found) == {"Alpha": (50.0, 20.0), "Beta": (50.0, 2.0)}
    assert any("less than 0.1 s: Grid." in note for note in found.notes)


def test_what_cannot_be_drawn_is_named_with_the_reason():
    resumed = measured("gamma", 8.0, 3.0)
    resumed = [each.model_copy(update={"provenance": {**each.provenance, "fit_resumed": True}}) for each in resumed]
    found = plot(
        GRID, measured("alpha", 5.0, 10.0), measured("beta", 9.0, 4.0), measured("delta", 3.0, 1.0, TASKS[:1]), resumed
    )
    assert drawn(found).keys() == {"Alpha", "Beta"}
    assert "Not drawn, because no seconds of a whole fit are known: Gamma." in found.notes
    assert "Not drawn, because a task is missing: Delta." in found.notes
    assert plot(GRID, measured("alpha", 5.0, 10.0)) is None
    assert plot(measured("alpha", 5.0, 10.0), measured("beta", 9.0, 4.0)) is None


def test_the_hardware_is_told_and_that_it_differs():
    one, other = measured("alpha", 5.0, 10.0), measured("beta", 9.0, 4.0, machine="Xeon")
    same = plot(GRID, one, measured("beta", 9.0, 4.0))
    assert "All seconds were measured on cpu EPYC (1 thread)." in same.notes
    (note,) = [each for each in plot(GRID, one, other).notes if "hardware" in each]
    assert "different hardware" in note and "cpu EPYC (1 thread): Alpha; cpu Xeon (1 thread): Beta." in note
    unknown = [each.model_copy(update={"provenance": {}}) for each in other]
    assert any("hardware that was not recorded: Beta" in each for each in plot(GRID, one, unknown).notes)


def test_floors_and_supervised_methods_are_hollow_and_intervals_need_three_seeds():
    supervised = measured("super", 1.0, 1.0, supervision="supervised", saw_landmarks=True)
    found = plot(GRID, measured("alpha", 5.0, 10.0), measured("beta", 9.0, 4.0), supervised)
    assert found.picture.count("dot hollow") == 1 and found.picture.count('class="dot ') == 3
    assert '<line class="series' not in found.picture
    three = [record("alpha", task, 5.0 + seed, seed, seconds={"fit": 9.0}) for task in TASKS for seed in range(3)]
    found = plot(GRID, three, measured("beta", 9.0, 4.0))
    assert found.picture.count('<line class="series') == 1


@given(st.lists(st.builds(Dot, st.just("name"), places, numbers, ranked=st.booleans()), min_size=1, max_size=12))
def test_nothing_beats_a_dot_on_the_front_and_something_beats_every_other(dots):
    def beats(one, other):
        return one.x <= other.x and one.y >= other.y and (one.x, one.y) != (other.x, other.y)

    ranked = [dot for dot in dots if dot.ranked]
    best = {(dot.x, dot.y) for dot in ranked if not any(beats(other, dot) for other in ranked)}
    found = front(dots)
    assert {(dot.x, dot.y) for dot in found} == best and len(found) == len(best)
    assert [dot.x for dot in found] == sorted(dot.x for dot in found)


@given(st.lists(st.builds(Dot, st.sampled_from(["a", "a <b> & c"]), places, numbers, st.floats(0, 50)), max_size=9))
def test_every_dot_lies_between_the_axes_and_names_are_text(dots):
    text = scatter("title", "seconds", "skill", dots)
    assert text.count("<circle") == len(dots) and "<b>" not in text
    for name, low, high in (("cx", LEFT, WIDTH - RIGHT), ("cy", 0, HEIGHT)):
        assert all(low <= float(each) <= high for each in re.findall(rf'{name}="([^"]+)"', text))


@given(places, st.floats(1.5, 1e5))
def test_logarithmic_ticks_are_few_and_inside(low, factor):
    found = log_ticks(low, low * factor)
    assert len(found) <= 8 and all(low <= each <= low * factor for each in found) and found == sorted(found)
    assert found


def test_equal_factors_are_equally_far_apart_on_a_logarithmic_axis():
    one, two, three = (across(Scale(1.0, 100.0, log=True), value) for value in (1.0, 10.0, 100.0))
    assert two - one == pytest.approx(three - two) and (one, three) == (LEFT, WIDTH - RIGHT)


@given(st.floats(-500, -0.1), st.floats(0.1, 500))
def test_an_axis_with_negative_numbers_has_a_line_at_zero(low, high):
    found = ticks(high, low)
    assert 0 in found and all(low - 1e-9 <= each <= high + 1e-9 for each in found) and 3 <= len(found) <= 11


def test_the_experiments_draw_the_error_over_the_number_of_keypoints(tmp_path):
    suite = SUITES["num_keypoints"]
    records = [
        record(method, task, error / (1 + place), score=SCORE, seconds={"fit": fit + place})
        for method, error, fit in (("alpha", 30.0, 20.0), ("beta", 50.0, 5.0), ("grid", 90.0, 0.0))
        for place, task in enumerate(suite.tasks)
    ]
    records += [record("gamma", suite.tasks[0], 40.0, score=SCORE)]
    site = Site(tmp_path, (suite.name,), "")
    write_experiments(site, Results(records, None, ()))
    write_suite(site, suite, Results(records, None, ()))
    page = (tmp_path / "experiments.html").read_text()
    section = page[page.index("num_keypoints, mini profile") :]
    assert "keypoints K" in section and "error (% IOD, logarithmic)" in section
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", section)
    below = re.findall(r'<text[^>]*text-anchor="middle">(\d+)</text>', section)
    assert below == ["4", "8", "10", "16", "30"]
    assert {"Alpha", "Beta", "Grid", "Gamma"} <= set(texts)
    assert "skill against seconds a fit" in (tmp_path / "suites" / "num_keypoints.html").read_text()


def test_skill_stands_against_the_mean_error_of_equivariance():
    def both(method, error, moved, tasks=TASKS):
        own = score_of(error), score_of(moved, protocol="label_free/equivariance")
        return [record(method, task, error, scores=own) for task in tasks]

    records = [*both("grid", 20.0, 12.0), *both("alpha", 5.0, 2.0), *both("beta", 10.0, 0.0)]
    records += [*both("gamma", 1.0, 1.0, TASKS[:1]), *(record("delta", task, 4.0) for task in TASKS)]
    table = [row for name in (None, "label_free/equivariance") for row in rows(records, TASKS, "mini", name)]
    found = equivariance_plot(table, TASKS, "skill")
    assert drawn(found) == {"Alpha": (75, 2), "Beta": (50, 0.01), "Grid": (0, 12)}
    assert found and found.picture.count("dot hollow") == 1
    assert equivariance_plot(rows(records, TASKS, "mini"), TASKS, "skill") is None
