"""The comparison of single numbers and keypoints, and the verdict on cells."""

import math

import pytest

from benchmarks.regress.judge import judge
from benchmarks.regress.measures import Measure, Tolerance, compare, rounded, share_moved
from benchmarks.regress.references import References

LOOSE = Tolerance(reason="a test", meaning="it moved", relative=0.01, absolute=0.5)
TIGHT = Tolerance(reason="a test", meaning="it moved", relative=1e-6)
PLACES = Tolerance(reason="a test", meaning="points moved", absolute=10.0, within=0.1)


def number(value, metric="value", tolerance=TIGHT):
    return Measure(metric, value, tolerance)


@pytest.mark.parametrize(
    ("now", "moved"), [(100.0, False), (101.5, False), (101.51, True), (98.5, False), (98.49, True), (math.nan, True)]
)
def test_a_number_may_differ_by_the_absolute_and_the_relative_tolerance_together(now, moved):
    found = compare("part/cell", number(now, tolerance=LOOSE), 100.0)
    assert (found is not None) == moved
    if found and not math.isnan(now):
        assert (found.reference, found.now, found.allowed) == (100.0, now, 1.5)
        assert found.difference == pytest.approx(now - 100)
        assert (found.meaning, found.reason) == ("it moved", "a test")


def test_a_reference_of_zero_has_the_absolute_tolerance_alone():
    assert compare("part/cell", number(0.5, tolerance=LOOSE), 0.0) is None
    assert compare("part/cell", number(1e-300), 0.0) is not None


def test_keypoints_are_compared_one_by_one():
    rows = ((0.0, 0.0, 0.5, 0.5), (0.2, 0.2, 0.8, 0.8))
    assert share_moved(rows, rows, 0.0) == 0.0
    one = ((0.0, 0.0, 0.5, 0.5), (0.2, 0.2, 0.74, 0.89))  # by (0.06, 0.09): further than 0.1, less along each axis
    assert share_moved(rows, one, 0.1) == 25.0
    assert share_moved(rows, one, 0.11) == 0.0
    found = compare("part/cell", Measure("keypoints", one, PLACES), rows)
    assert found is not None
    assert (found.reference, found.now, found.allowed) == (0.0, 25.0, 10.0)


@pytest.mark.parametrize("other", [((0.5, 0.5),), ((0.5, 0.5), (0.5,)), (), 0.5])
def test_other_keypoints_than_those_of_the_reference_have_moved(other):
    rows = ((0.5, 0.5), (0.5, 0.5))
    assert math.isnan(share_moved(rows, other, 1.0))
    assert compare("part/cell", Measure("keypoints", rows, PLACES), other) is not None
    assert compare("part/cell", number(0.5), rows) is not None


def test_what_references_keep_is_far_finer_than_any_tolerance():
    assert rounded(math.pi * 1e5) == 314159.265
    assert rounded(((1 / 3, 2.0),)) == ((0.333333333, 2.0),)


def known(**cells):
    return References(cells={f"part/{name}": metrics for name, metrics in cells.items()})


def verdict(grid, references):
    cells = {f"part/{name}": case for name, case in grid.items()}
    return judge(cells, references, "part", list(dict.fromkeys([*cells, *references.cells])))


def told(findings):
    return [(found.cell, found.metric) for found in findings]


def test_all_is_well_where_every_number_has_its_reference():
    found = verdict({"a": lambda: [number(1.0), number(2.0, "rank")]}, known(a={"value": 1.0, "rank": 2.0}))
    assert (found.findings, found.failed, found.numbers) == ([], [], 2)


def test_a_cell_or_number_without_reference_is_found_and_so_is_a_reference_without_one():
    grid = {"a": lambda: [number(1.0)], "new": lambda: [number(1.0)]}
    found = verdict(grid, known(a={"gone": 1.0}, lost={"value": 1.0}))
    assert told(found.findings) == [
        ("part/a", "value"),
        ("part/a", "gone"),
        ("part/new", "all of it"),
        ("part/lost", "all of it"),
    ]
    assert len({finding.meaning for finding in found.findings}) == 2


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (list, "at least one number"),
        (lambda: [number(1.0), number(2.0)], "each name once"),
        (lambda: [number(math.nan)], "value is not finite"),
        (lambda: [Measure("keypoints", ((0.5, math.inf),), PLACES)], "keypoints is not finite"),
    ],
)
def test_a_cell_that_gives_no_numbers_has_failed_and_the_others_go_on(case, said):
    found = verdict({"bad": case, "good": lambda: [number(3.0)]}, known(bad={"value": 1.0}, good={"value": 2.0}))
    assert told(found.failed) == [("part/bad", "all of it")]
    assert said in found.failed[0].meaning
    assert told(found.findings) == [("part/good", "value")]
