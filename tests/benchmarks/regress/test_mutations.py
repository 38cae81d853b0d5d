"""The gate against planted mistakes: each must be seen, and seen where it is."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.regress.bench import opened
from benchmarks.regress.cells import Fit, _fit, _floor, setting_cases
from benchmarks.regress.judge import judge
from benchmarks.regress.measures import Measure, compare, rounded
from benchmarks.regress.protocols import protocol_cases
from benchmarks.regress.references import References
from benchmarks.regress.tolerances import KEYPOINTS, LATER_LOSS
from metrics.errors import absolute_differences, distances, interocular_distances, totals_over_visible
from metrics.protocols import PROTOCOLS
from metrics.regression import ORIGINS

CLOSE = {cell: case for cell, case in protocol_cases().items() if cell.startswith("protocols/close/")}
IDS = [cell.removeprefix("protocols/close/") for cell in CLOSE]


def references(measured):
    values = {cell: {m.metric: rounded(m.value) for m in measures} for cell, measures in measured.items()}
    return References(cells=values)


@pytest.fixture(scope="module")
def sound():
    """References of every protocol in one world, measured before anything is planted."""
    return references({cell: case() for cell, case in CLOSE.items()})


def moved(sound, ids=IDS):
    """The protocols whose value is not as its reference has it."""
    found = judge(CLOSE, sound, "protocols", [f"protocols/close/{id}" for id in ids])
    assert not found.failed
    return {each.cell.removeprefix("protocols/close/") for each in found.findings if each.metric == "value"}


def test_nothing_planted_nothing_found(sound):
    assert IDS == list(PROTOCOLS)
    assert moved(sound) == set()


@pytest.mark.parametrize("id", IDS)
def test_one_percent_in_one_metric_is_found_there_and_nowhere_else(sound, monkeypatch, id):
    others = [other for other in IDS if other != id][:3]
    monkeypatch.setitem(PROTOCOLS, id, replace(PROTOCOLS[id], scale=1.01 * PROTOCOLS[id].scale))
    assert moved(sound, [id, *others]) == {id}


@pytest.mark.parametrize(
    ("function", "touched"),
    [
        (distances, lambda protocol: protocol.error == "l2"),
        (absolute_differences, lambda protocol: protocol.error == "l1"),
        (interocular_distances, lambda protocol: protocol.normaliser == "interocular"),
    ],
)
def test_one_percent_in_an_error_is_found_in_every_protocol_that_has_it(sound, monkeypatch, function, touched):
    monkeypatch.setattr(f"metrics.scoring.{function.__name__}", lambda *arguments: 1.01 * function(*arguments))
    expected = {id for id, protocol in PROTOCOLS.items() if touched(protocol)}
    assert expected
    assert moved(sound) == expected


@pytest.mark.parametrize("origin", ORIGINS)
def test_another_origin_is_found_in_every_regression_about_it(sound, monkeypatch, origin):
    monkeypatch.setitem(ORIGINS, origin, ORIGINS[origin] + 0.01)
    expected = {id for id, protocol in PROTOCOLS.items() if protocol.origin == origin and not protocol.intercept}
    assert len(expected) > 5
    assert moved(sound) == expected


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"origin": "corner"}, "sk/side"),
        ({"intercept": True}, "strict/relative"),
        ({"aggregate": "macro"}, "strict/side_micro"),
        ({"rows": "visible"}, "sk/cumulative"),
        ({"rows": "visible"}, "sk/interocular"),
        ({"ridge": 1.01e-3}, "sanchez/forward"),
        ({"grid": 255}, "scops/interocular"),
        ({"threshold": 6.06}, "strict/pck6"),
        ({"over_landmarks": "mean"}, "strict/cumulative"),
        ({"error": "l2"}, "siarohin/cumulative"),
        ({"sides": "annotated"}, "autolink/human36m"),
        ({"drop_outliers": False}, "autolink/human36m"),
        ({"sides": "either"}, "sk_released/human36m"),
        ({"frame": "image"}, "scops/box"),
    ],
    ids=str,
)
def test_another_rule_is_found(monkeypatch, change, touched):
    cases = {cell: case for cell, case in protocol_cases().items() if cell.endswith(touched)}
    before = references({cell: case() for cell, case in cases.items()})
    if "sides" in change:
        change = {"drop_outliers": False, **change}
    monkeypatch.setitem(PROTOCOLS, touched, replace(PROTOCOLS[touched], **change))
    found = judge(cases, before, "protocols", list(cases))
    assert "value" in {each.metric for each in found.findings}


def test_another_version_is_found(sound, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "sk/side", replace(PROTOCOLS["sk/side"], version=2))
    found = judge(CLOSE, sound, "protocols", ["protocols/close/sk/side"])
    assert [each.metric for each in found.findings] == ["version"]


def test_other_draws_of_the_bootstrap_are_found_in_the_intervals(sound, monkeypatch):
    from metrics.statistics import bootstrap_intervals

    def another_seed(ratios, groups, resamples, seed):
        return bootstrap_intervals(ratios, groups, resamples, seed + 1)

    monkeypatch.setattr("metrics.scoring.bootstrap_intervals", another_seed)
    found = judge(CLOSE, sound, "protocols", ["protocols/close/sk/side"])
    assert {each.metric for each in found.findings} == {"interval low", "interval high"}


def test_a_floor_that_changed_is_found_under_every_protocol(monkeypatch):
    from benchmarks.tasks import TASKS
    from methods.floors import Grid

    def measured():
        with opened() as bench:
            return _floor(bench, "grid", "cub_001")

    before, original = references({"floors/grid": measured()}), Grid.points
    assert not judge({"floors/grid": measured}, before, "floors", ["floors/grid"]).findings
    monkeypatch.setattr(Grid, "points", lambda self, id: original(self, id) * (1.01 if id.endswith("7") else 1.0))
    found = judge({"floors/grid": measured}, before, "floors", ["floors/grid"])
    assert {each.metric for each in found.findings} == set(TASKS["cub_001"].protocols)


def test_an_image_without_visible_landmarks_that_counts_is_found(monkeypatch):
    from metrics import scoring

    cases = {cell: case for cell, case in protocol_cases().items() if cell.endswith("/strict/side")}
    before = references({cell: case() for cell, case in cases.items()})

    def counted(values, visible):
        totals, counts = totals_over_visible(values, visible)
        return totals, np.maximum(counts, 1)

    monkeypatch.setattr(scoring, "totals_over_visible", counted)
    found = judge(cases, before, "protocols", list(cases)).findings
    assert {each.cell for each in found if each.metric == "value"} == {
        "protocols/moving/strict/side",
        "protocols/still/strict/side",
    }


@pytest.mark.parametrize(
    ("setting", "value"), [("learning_rate", 3.03e-3), ("schedule", "constant"), ("recolour", False)]
)
def test_a_setting_that_changed_is_found_and_no_other(monkeypatch, setting, value):
    from methods.autolink.config import MINI

    cases = {cell: case for cell, case in setting_cases().items() if cell == "settings/autolink"}
    before = references({cell: case() for cell, case in cases.items()})
    assert not judge(cases, before, "settings", list(cases)).findings
    monkeypatch.setitem(MINI, setting, value)
    assert [each.metric for each in judge(cases, before, "settings", list(cases)).findings] == [setting]


def short_fit():
    """Two steps of Stable Keypoints."""
    settings = {"steps": 2, "batch_size": 2, "selection_images": 1, "dtype": "float64"}
    with opened() as bench:
        return _fit(bench, Fit("short", "stable_keypoints", ("cub_001",), settings, 2, LATER_LOSS), "cub_001")


@pytest.mark.parametrize("axis", [0, 1])
def test_half_a_pixel_along_one_axis_is_found(axis):
    from datasets.mini_world.canvas import SIZE

    def rows(shift):
        points = 0.1 + 0.7 * np.random.default_rng(0).random((6, 4, 2))
        points[..., axis] += shift
        return tuple(map(tuple, points.reshape(6, -1).tolist()))

    assert compare("fits/cell", Measure("keypoints", rows(0.5 / SIZE), KEYPOINTS), rows(0)) is not None
    assert compare("fits/cell", Measure("keypoints", rows(1 / 1600), KEYPOINTS), rows(0)) is None


@pytest.fixture(scope="module")
def fitted():
    """Its references, measured before anything is planted."""
    return references({"fits/short": short_fit()})


@pytest.mark.parametrize("setting", ["sharpening_weight", "equivariance_weight", "learning_rate"])
def test_one_percent_in_a_loss_weight_or_the_learning_rate_is_found_at_its_step(fitted, monkeypatch, setting):
    from methods.stable_keypoints.config import MINI

    monkeypatch.setitem(MINI, setting, 1.01 * MINI[setting])
    found = judge({"fits/short": short_fit}, fitted, "fits", ["fits/short"])
    assert not found.failed
    first = {each.metric for each in found.findings if each.metric.startswith("step 1")}
    assert first == (set() if setting == "learning_rate" else {"step 1: loss"})
    assert "step 2: loss" in {each.metric for each in found.findings}


PLANTED = """
import sys
from dataclasses import replace
from metrics.protocols import PROTOCOLS
PROTOCOLS["sk/side"] = replace(PROTOCOLS["sk/side"], scale=101.0)
sys.argv[1:] = ["regress", "--only", "protocols/close/sk*"]
from benchmarks.cli import main
main()
"""


def call(repository, *arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=repository, capture_output=True, text=True, check=False, timeout=600
    )


def test_the_command_itself_passes_as_committed_and_fails_with_something_planted(repository):
    sound = call(repository, "-m", "benchmarks", "regress", "--only", "protocols/close/sk*")
    assert (sound.returncode, sound.stderr) == (0, "")
    planted = call(repository, "-c", PLANTED)
    assert planted.returncode == 1
    rows = [line.split() for line in planted.stdout.splitlines() if line.strip().startswith("protocols/")]
    assert {(row[0], *row[1:-4]) for row in rows} == {
        ("protocols/close/sk/side", "value"),
        ("protocols/close/sk/side", "interval", "low"),
        ("protocols/close/sk/side", "interval", "high"),
    }
