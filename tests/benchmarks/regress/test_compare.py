"""The comparison of single values and keypoints, and the verdict on cells."""

import math

import pytest

from benchmarks.regress.cells import rounded
from benchmarks.regress.compare import Tolerance, compare, judge, share_moved
from benchmarks.regress.references import References

LOOSE = Tolerance(cells="*", reason="a test", meaning="it moved", relative=0.01, absolute=0.5)
TIGHT = Tolerance(cells="*", reason="a test", meaning="it moved", relative=1e-6)
EXACT = Tolerance(cells="*", metrics=("rank",), reason="a test", meaning="it changed")
PLACES = Tolerance(
    cells="*", metrics=("keypoints",), reason="a test", meaning="points moved", absolute=10.0, within=0.1
)


@pytest.mark.parametrize(
    ("now", "moved"), [(100.0, False), (101.5, False), (101.51, True), (98.5, False), (98.49, True), (math.nan, True)]
)
def test_a_number_may_differ_by_the_absolute_and_the_relative_tolerance_together(now, moved):
    found = compare("part/cell", "value", now, 100, LOOSE)
    assert (found is not None) == moved
    if found and not math.isnan(now):
        assert (found.reference, found.now, found.allowed) == ("100", f"{now:.9g}", 1.5)
        assert found.difference == pytest.approx(now - 100)
        assert (found.meaning, found.reason) == ("it moved", "a test")


def test_a_reference_of_zero_has_the_absolute_tolerance_alone():
    assert compare("part/cell", "value", 0.5, 0, LOOSE) is None
    assert compare("part/cell", "value", 1e-300, 0, TIGHT) is not None


@pytest.mark.parametrize(
    ("reference", "now"),
    [("cosine", "linear"), (None, "a.safetensors"), (True, False), (1, True), (8, 8.0), ([1, 2], [1, 3]), (0.1, 0.11)],
)
def test_a_value_without_tolerance_must_be_the_same_and_is_shown_as_it_is(reference, now):
    assert compare("part/cell", "setting", now, now, EXACT) is None
    found = compare("part/cell", "setting", now, reference, EXACT)
    assert found is not None and found.now != found.reference and found.difference is None
    if isinstance(now, str):
        assert found.now == f'"{now}"'


@pytest.mark.parametrize("now", ["1", None, True, [[0.5, 0.5]]])
def test_what_is_no_number_is_never_within_a_tolerance(now):
    assert compare("part/cell", "value", now, 1, LOOSE) is not None
    assert compare("part/cell", "value", 1, now, LOOSE) is not None


def test_keypoints_are_compared_one_by_one():
    rows = [[0.0, 0.0, 0.5, 0.5], [0.2, 0.2, 0.8, 0.8]]
    assert share_moved(rows, rows, 0.0) == 0.0
    one = [[0.0, 0.0, 0.5, 0.5], [0.2, 0.2, 0.74, 0.89]]  # by (0.06, 0.09): further than 0.1, less along each axis
    assert share_moved(rows, one, 0.1) == 25.0
    assert share_moved(rows, one, 0.11) == 0.0
    found = compare("part/cell", "keypoints", one, rows, PLACES)
    assert found is not None
    assert (found.reference, found.now, found.allowed) == ("0", "25", 10.0)


@pytest.mark.parametrize("other", [[[0.5, 0.5]], [[0.5, 0.5], [0.5]], [], 0.5])
def test_keypoints_of_another_number_have_moved(other):
    rows = [[0.5, 0.5], [0.5, 0.5]]
    assert math.isnan(share_moved(rows, other, 1.0))
    assert compare("part/cell", "keypoints", rows, other, PLACES) is not None
    assert compare("part/cell", "keypoints", other, rows, PLACES) is not None


def test_references_keep_far_more_digits_than_any_tolerance_needs():
    assert rounded(math.pi * 1e5) == 314159.265
    assert (rounded(2.0), type(rounded(2.0))) == (2, int)


def known(**cells):
    return References(cells={f"part/{name}": metrics for name, metrics in cells.items()})


def verdict(grid, references, tolerances=(EXACT, PLACES, TIGHT)):
    cells = {f"part/{name}": case for name, case in grid.items()}
    return judge(cells, references, tolerances, "part", list(dict.fromkeys([*cells, *references.cells])))


def told(findings):
    return [(found.cell, found.metric) for found in findings]


def test_all_is_well_where_every_value_has_its_reference():
    found = verdict({"a": lambda: {"value": 1.0, "rank": 2}}, known(a={"value": 1, "rank": 2}))
    assert (found.findings, found.failed, found.values) == ([], [], 2)


def test_the_first_tolerance_that_matches_counts():
    grid, references = {"a": lambda: {"value": 1.0, "rank": 2.000001}}, known(a={"value": 1.0000005, "rank": 2})
    assert told(verdict(grid, references).findings) == [("part/a", "rank")]
    assert told(verdict(grid, references, (LOOSE, EXACT)).findings) == []


def test_a_value_without_reference_is_found_and_so_is_a_reference_without_a_value():
    grid = {"a": lambda: {"value": 1.0}, "new": lambda: {"value": 1.0}}
    found = verdict(grid, known(a={"gone": 1.0}, lost={"value": 1.0}))
    assert told(found.findings) == [
        ("part/a", "value"),
        ("part/a", "gone"),
        ("part/new", "the whole cell"),
        ("part/lost", "the whole cell"),
    ]
    assert len({finding.meaning for finding in found.findings}) == 2


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (dict, "gave no values"),
        (lambda: {"value": math.nan}, "not JSON compliant"),
        (lambda: {"keypoints": [[0.5, math.inf]]}, "not JSON compliant"),
        (lambda: {"rank": 2, "other": 3}, "other: no tolerance"),
    ],
)
def test_a_cell_that_gives_no_values_has_failed_and_the_others_go_on(cell, said):
    named = (EXACT, PLACES, TIGHT.model_copy(update={"metrics": ("value",)}))
    found = verdict({"bad": cell, "good": lambda: {"value": 3.0}}, known(good={"value": 2.0}), named)
    assert told(found.failed) == [("part/bad", "the whole cell")]
    assert said in found.failed[0].meaning
    assert told(found.findings) == [("part/good", "value")]
