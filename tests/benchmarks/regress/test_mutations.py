"""The gate against planted mistakes, one of each kind: each must be seen, and seen where it is."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.regress.cells import Fit, measure_fit, measure_floor, opened, setting_cells
from benchmarks.regress.command import TOLERANCES, RegressOptions, regress_command
from benchmarks.regress.compare import Tolerance, compare, judge
from benchmarks.regress.protocols import protocol_cells
from benchmarks.regress.references import References, read_json
from metrics.errors import interocular_distances, totals_over_visible
from metrics.protocols import PROTOCOLS
from metrics.regression import ORIGINS

RULES = read_json(TOLERANCES, list[Tolerance])
CLOSE = {cell: measure for cell, measure in protocol_cells().items() if cell.startswith("protocols/close/")}
IDS = [cell.removeprefix("protocols/close/") for cell in CLOSE]


def measured(cells):
    return References(cells={cell: measure() for cell, measure in cells.items()})


def found(cells, references):
    """What a gate over these cells finds; none of them fails."""
    verdict = judge(cells, references, RULES, "part", list(cells))
    assert not verdict.failed
    return verdict.findings


@pytest.fixture(scope="module")
def sound():
    """References of every protocol in one world, measured before anything is planted."""
    return measured(CLOSE)


def moved(sound):
    """The protocols whose value is not as its reference has it."""
    return {each.cell.removeprefix("protocols/close/") for each in found(CLOSE, sound) if each.metric == "value"}


def test_nothing_planted_nothing_found(sound):
    assert IDS == list(PROTOCOLS)
    assert found(CLOSE, sound) == []


def test_one_percent_in_one_metric_is_found_there_and_nowhere_else(sound, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "sk/side", replace(PROTOCOLS["sk/side"], scale=1.01 * PROTOCOLS["sk/side"].scale))
    assert moved(sound) == {"sk/side"}


def test_one_percent_in_a_normaliser_is_found_in_every_protocol_that_has_it(sound, monkeypatch):
    monkeypatch.setattr("metrics.measure.interocular_distances", lambda *given: 1.01 * interocular_distances(*given))
    assert moved(sound) == {id for id, protocol in PROTOCOLS.items() if protocol.normaliser == "interocular"}


def test_another_origin_is_found_in_every_regression_about_it(sound, monkeypatch):
    monkeypatch.setitem(ORIGINS, "centre", ORIGINS["centre"] + 0.01)
    regressed = {id: protocol for id, protocol in PROTOCOLS.items() if protocol.regresses}
    expected = {id for id, protocol in regressed.items() if protocol.origin == "centre" and not protocol.intercept}
    assert len(expected) > 5
    assert moved(sound) == expected


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"intercept": True}, "strict/relative"),
        ({"rows": "visible"}, "sk/cumulative"),
        ({"ridge": 1.01e-4}, "sanchez/forward"),
        ({"threshold": 6.06}, "strict/pck6"),
        ({"sides": "annotated", "drop_outliers": False}, "autolink/human36m"),
    ],
    ids=str,
)
def test_another_rule_is_found(monkeypatch, change, touched):
    cells = {cell: measure for cell, measure in protocol_cells().items() if cell.endswith(touched)}
    before = measured(cells)
    monkeypatch.setitem(PROTOCOLS, touched, replace(PROTOCOLS[touched], **change))
    assert "value" in {each.metric for each in found(cells, before)}


def test_another_version_is_found(sound, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "sk/side", replace(PROTOCOLS["sk/side"], version=2))
    assert [(each.cell, each.metric) for each in found(CLOSE, sound)] == [("protocols/close/sk/side", "version")]


def test_other_draws_of_the_bootstrap_are_found_in_the_intervals(sound, monkeypatch):
    from metrics.statistics import bootstrap_intervals

    def another_seed(ratios, groups, resamples, seed):
        return bootstrap_intervals(ratios, groups, resamples, seed + 1)

    monkeypatch.setattr("metrics.scoring.bootstrap_intervals", another_seed)
    cell = "protocols/close/sk/side"
    assert {each.metric for each in found({cell: CLOSE[cell]}, sound)} == {"interval low", "interval high"}


def test_an_image_without_visible_landmarks_that_counts_is_found(monkeypatch):
    cells = {cell: measure for cell, measure in protocol_cells().items() if cell.endswith("/strict/side")}
    before = measured(cells)

    def counted(values, visible):
        totals, counts = totals_over_visible(values, visible)
        return totals, np.maximum(counts, 1)

    monkeypatch.setattr("metrics.measure.totals_over_visible", counted)
    assert {each.cell for each in found(cells, before) if each.metric == "value"} == {
        "protocols/moving/strict/side",
        "protocols/still/strict/side",
    }


@pytest.mark.parametrize(
    ("setting", "value", "shown"),
    [("learning_rate", 3.03e-3, ("0.003", "0.00303")), ("schedule", "constant", ('"cosine"', '"constant"'))],
)
def test_a_setting_that_changed_is_found_and_no_other(monkeypatch, setting, value, shown):
    from methods.autolink.config import MINI

    cells = {cell: measure for cell, measure in setting_cells().items() if cell == "settings/autolink"}
    before = measured(cells)
    assert not found(cells, before)
    monkeypatch.setitem(MINI, setting, value)
    assert [(each.metric, each.reference, each.now) for each in found(cells, before)] == [(setting, *shown)]


@pytest.mark.parametrize("axis", [0, 1])
def test_half_a_pixel_along_one_axis_is_found(axis):
    from datasets.mini_world.canvas import SIZE

    def rows(shift):
        points = 0.1 + 0.7 * np.random.default_rng(0).random((6, 4, 2))
        points[..., axis] += shift
        return points.reshape(6, -1).tolist()

    (rule,) = (rule for rule in RULES if rule.holds_for("fits/cell", "keypoints") and rule.within)
    assert compare("fits/cell", "keypoints", rows(0.5 / SIZE), rows(0), rule) is not None
    assert compare("fits/cell", "keypoints", rows(1 / 1600), rows(0), rule) is None


def test_a_floor_that_changed_is_found_under_every_protocol_that_is_no_count(monkeypatch):
    from benchmarks.tasks import TASKS
    from methods.floors import Grid

    def measure():
        with opened() as bench:
            return measure_floor(bench, "grid", "cub_001")

    cells = {"floors/grid/cub_001": measure}
    before, original = measured(cells), Grid.points
    monkeypatch.setattr(Grid, "points", lambda self, id: original(self, id) * (1.01 if id.endswith("7") else 1.0))
    changed = {each.metric for each in found(cells, before)}
    counts = {name for name in TASKS["cub_001"].protocols if name.startswith(("parts/", "label_free/"))}
    counts -= {"label_free/equivariance", "label_free/closest_pair"}
    assert changed - counts == set(TASKS["cub_001"].protocols) - counts


def short_fit():
    """Two steps of Stable Keypoints."""
    settings = {"steps": 2, "batch_size": 2, "selection_images": 1, "dtype": "float64"}
    with opened() as bench:
        return measure_fit(bench, Fit("short", "stable_keypoints", ("cub_001",), settings, 2), "cub_001")


FIT = {"fits/stable_keypoints/short": short_fit}


@pytest.fixture(scope="module")
def fitted():
    """Its references, measured before anything is planted."""
    return measured(FIT)


@pytest.mark.parametrize(("setting", "first"), [("sharpening_weight", {"step 1: loss"}), ("learning_rate", set[str]())])
def test_one_percent_in_a_loss_weight_or_the_learning_rate_is_found_at_its_step(fitted, monkeypatch, setting, first):
    from methods.stable_keypoints.config import MINI

    monkeypatch.setitem(MINI, setting, 1.01 * MINI[setting])
    metrics = {each.metric for each in found(FIT, fitted)}
    assert {metric for metric in metrics if metric.startswith("step 1")} == first
    assert "step 2: loss" in metrics


def test_the_command_passes_as_committed_and_fails_with_something_planted(repository, monkeypatch, capsys):
    options = RegressOptions(repository / "leaderboard" / "reference", only=("protocols/close/sk*",))
    assert regress_command(options) == 0
    capsys.readouterr()
    monkeypatch.setitem(PROTOCOLS, "sk/side", replace(PROTOCOLS["sk/side"], scale=101.0))
    assert regress_command(options) == 1
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("protocols/")]
    assert {(row[0], *row[1:-4]) for row in rows} == {
        ("protocols/close/sk/side", "value"),
        ("protocols/close/sk/side", "interval", "low"),
        ("protocols/close/sk/side", "interval", "high"),
    }
