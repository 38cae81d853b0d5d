import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.protocols import PROTOCOLS, score
from tests.metrics import oracle
from tests.metrics.worlds import PAIRS, points, reordered, world

CARD: dict[str, Any] = {"left_right_pairs": PAIRS, "interocular": (0, 1)}
ORACLES = {
    "sk/interocular": oracle.interocular,
    "sk/side": oracle.side,
    "sk/cumulative": oracle.cumulative,
    "sk/pck6": oracle.pck6,
    "sk/relative": oracle.relative,
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ORACLES)
def test_agrees_with_the_formulas_in_loops(protocol, seed):
    fit, test = world(seed), world(seed + 50, n=25)
    counted = np.ones_like(fit.visible) if PROTOCOLS[protocol].rows == "all" else fit.visible
    predicted = oracle.regress(
        fit.keypoints.tolist(), fit.landmarks.tolist(), counted.tolist(), test.keypoints.tolist()
    )
    expected = ORACLES[protocol](predicted, test.landmarks.tolist(), test.visible.tolist())
    verdict = score(protocol, fit, test, **CARD)
    assert verdict.value == pytest.approx(expected, rel=1e-9)
    assert expected > 0
    np.testing.assert_allclose(verdict.predicted, predicted, atol=1e-10)
    assert verdict.ci_low < verdict.value < verdict.ci_high


@pytest.mark.parametrize("seed", range(3))
def test_human36m_agrees_with_the_swap_loop_in_loops(seed):
    fit, test = world(seed, n=300), world(seed + 50, n=25)
    generator = np.random.default_rng(seed)
    confused = [
        replace(some, landmarks=np.where(flip[:, None, None], some.landmarks[:, [1, 0, 3, 2, 4]], some.landmarks))
        for some in (fit, test)
        for flip in [generator.uniform(size=len(some.ids)) < 0.25]
    ]
    expected = oracle.human36m(
        confused[0].keypoints.tolist(),
        confused[0].landmarks.tolist(),
        confused[1].keypoints.tolist(),
        confused[1].landmarks.tolist(),
        PAIRS,
    )
    verdict = score("sk/human36m", *confused, **CARD)
    assert verdict.value == pytest.approx(expected, rel=1e-9)
    # The loop finds the sides again: nearly as good as with labels that were never confused.
    assert verdict.value < 1.5 * score("sk/human36m", fit, test, **CARD).value
    assert verdict.value < 0.5 * score("sk/relative", *confused, **CARD).value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=10, deadline=None)
@given(n=st.integers(16, 40), k=st.integers(1, 4), landmarks=st.integers(4, 8), seed=st.integers(0, 1000))
def test_an_exactly_linear_world_has_no_error(protocol, n, k, landmarks, seed):
    exact = world(seed, n=n, k=k, landmarks=landmarks, shown=1.0, noise=0.0)
    verdict = score(protocol, exact, exact, **CARD)
    assert verdict.value == pytest.approx(100.0 if protocol == "sk/pck6" else 0.0, abs=1e-7)
    assert not verdict.rank_deficient
    assert verdict.per_image.shape == (n,)
    assert verdict.per_landmark.shape == verdict.rows.shape == (landmarks,)
    assert verdict.predicted.shape == (n, landmarks, 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_of_images_and_keypoints_changes_nothing(protocol):
    fit, test = world(7), world(8, n=30)
    before = score(protocol, fit, test, **CARD)
    generator = np.random.default_rng(0)
    order, columns = generator.permutation(30), generator.permutation(3)
    shuffled = [
        replace(some, keypoints=some.keypoints[:, columns])
        for some in (reordered(fit, generator.permutation(60)), reordered(test, order))
    ]
    after = score(protocol, *shuffled, **CARD)
    for name in ("value", "ci_low", "ci_high", "condition"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-12)
    np.testing.assert_allclose(after.per_image, before.per_image[order], rtol=1e-10, atol=1e-12)


def test_units_on_one_image_by_hand():
    # Keypoints at the centre predict the centre; two landmarks are 3/256 and 6/256 away from it, one is hidden.
    landmarks = np.array([[[0.5 + 3 / 256, 0.5], [0.5, 0.5 - 6 / 256], [0.0, 0.0]]])
    only = points(np.full((1, 2, 2), 0.5), landmarks, np.array([[True, True, False]]))
    assert score("sk/side", only, only).value == pytest.approx(100 * 4.5 / 256)
    assert score("sk/cumulative", only, only).value == pytest.approx(9.0)
    assert score("sk/relative", only, only).value == pytest.approx(2.25)
    # Exactly six pixels is no hit, and this protocol counts the hidden one too.
    assert score("sk/pck6", only, only).value == pytest.approx(100 / 3)
    eyes = np.hypot(3, 6) / 256
    expected = 100 * (9 / 256 + np.sqrt(0.5)) / 3 / eyes
    assert score("sk/interocular", only, only, interocular=(0, 1)).value == pytest.approx(expected)


def test_macro_and_micro_differ_as_defined():
    # One image shows one landmark 0.1 away, another shows three at 0.3: means 0.2 and 0.25.
    landmarks = 0.5 + np.array([[[0.1, 0], [0, 0], [0, 0]], [[0.3, 0], [0, 0.3], [-0.3, 0]]])
    visible = np.array([[True, False, False], [True, True, True]])
    both = points(np.full((2, 1, 2), 0.5), landmarks, visible)
    assert score("sk/side", both, both).value == pytest.approx(20.0)
    micro = replace(PROTOCOLS["sk/side"], aggregate="micro")
    assert score(micro, both, both).value == pytest.approx(25.0)


def test_images_and_landmarks_that_are_never_visible_do_not_count():
    fit, test = world(3), world(4, n=10)
    hidden = test.visible.copy()
    hidden[2] = False
    hidden[:, 4] = False
    hidden[[0, 1, 3, 4, 5, 6, 7, 8, 9], 0] = True
    verdict = score("sk/side", fit, replace(test, visible=hidden))
    assert np.flatnonzero(np.isnan(verdict.per_image)).tolist() == [2]
    assert verdict.value == pytest.approx(np.nanmean(verdict.per_image))
    assert np.isnan(verdict.per_landmark[4])
    assert verdict.summary()["per_landmark"][4] is None


def test_summary_is_the_record_of_a_score():
    from leaderboard.records import ScoreRecord

    verdict = score("sk/side", world(3), world(4))
    record = ScoreRecord(**verdict.summary())
    assert (record.value, record.n_fit, record.n_test) == (verdict.value, 60, 60)
    assert ScoreRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    ("protocol", "spoil", "message"),
    [
        ("sk/sides", {}, "unknown protocol 'sk/sides'"),
        ("sk/human36m", {}, "needs left_right_pairs"),
        ("sk/interocular", {}, "two eye landmarks"),
        ("sk/side", {"ids": ("a",) * 60}, "1 different ids"),
        ("sk/side", {"groups": ("a",) * 59}, "rows of keypoints, landmarks, groups and ids"),
        ("sk/side", {"keypoints": np.full((60, 3, 2), np.nan)}, "test keypoints are not finite in 180 places"),
        ("sk/side", {"keypoints": np.zeros((60, 4, 2))}, "4 keypoints, the regression was fitted on 3"),
        ("sk/side", {"visible": np.zeros((60, 5), dtype=bool)}, "no value with a weight"),
        ("sk/side", {"landmarks": np.zeros((60, 4, 2)), "visible": np.ones((60, 4))}, "5 landmarks to fit, 4 to test"),
    ],
)
def test_bad_input_is_one_clear_line(protocol, spoil, message):
    with pytest.raises(MetricError, match=message) as caught:
        score(protocol, world(1), replace(world(2), **spoil))
    assert "\n" not in str(caught.value)


def test_bad_cards_are_one_clear_line():
    fit = world(1)
    with pytest.raises(MetricError, match="each once"):
        score("sk/human36m", fit, fit, left_right_pairs=((0, 1), (1, 2)))
    with pytest.raises(MetricError, match="two indices below 5"):
        score("sk/interocular", fit, fit, interocular=(0, 5))
    blind = replace(fit, landmarks=np.full((60, 5, 2), 0.3))
    with pytest.raises(MetricError, match=r"test image 00000\.png: both eyes"):
        score("sk/interocular", fit, blind, interocular=(0, 1))


def test_importing_the_protocols_loads_nothing_heavy():
    code = "import sys, metrics.protocols; print([m for m in ('scipy', 'pandas', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
