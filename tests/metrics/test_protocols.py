import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.left_right import swapped_order
from metrics.protocols import PROTOCOLS, Protocol
from metrics.scoring import score, score_all
from tests.metrics.worlds import HUMAN36M_PAIRS, PAIRS, measured_directly, points, reordered, shuffled_sides, world

CARD: dict[str, Any] = {"left_right_pairs": PAIRS, "interocular": (0, 1)}
HUMAN36M: dict[str, Any] = {"left_right_pairs": HUMAN36M_PAIRS, "interocular": (0, 1)}
REGRESSED = [name for name, protocol in PROTOCOLS.items() if protocol.regresses]
EITHER_SIDE = [name for name, protocol in PROTOCOLS.items() if protocol.either_side]
WITHOUT_RIDGE = [name for name in REGRESSED if not PROTOCOLS[name].ridge and not PROTOCOLS[name].grid]
ANNOTATED = [name for name in REGRESSED if name not in EITHER_SIDE]
OF_FIVE = [name for name in ANNOTATED if PROTOCOLS[name].is_for(5)]


def number_of(protocol: str) -> int:
    """A number of landmarks that the protocol is for: 32 for most."""
    return PROTOCOLS[protocol].num_landmarks or 32


@pytest.mark.parametrize("shown", [(0.7, 0.7), (0.7, 1.0), (1.0, 0.7), (1.0, 1.0)])
def test_all_at_once_is_each_alone(shown):
    fit, test = world(1, shown=shown[0]), world(51, n=25, shown=shown[1])
    together = score_all(OF_FIVE, fit, test, **CARD)
    assert [found.protocol for found in together] == OF_FIVE
    for found in together:
        alone = score(found.protocol, fit, test, **CARD)
        for name in [field.name for field in fields(found)]:
            one, other = getattr(found, name), getattr(alone, name)
            if isinstance(one, float):
                assert one == pytest.approx(other, rel=1e-12)
            else:
                np.testing.assert_array_equal(one, other)


def test_regressions_that_differ_in_anything_are_not_shared():
    order = swapped_order(32, HUMAN36M_PAIRS)
    confused = [shuffled_sides(world(seed, landmarks=32), order, 0.3, seed) for seed in (1, 51)]
    fit, test = (replace(some, keypoints=some.keypoints[:, [0, 1, 1]]) for some in confused)
    fit.landmarks[3] += np.random.default_rng(0).normal(size=(32, 2))  # an outlier
    plain = replace(PROTOCOLS["strict/side"], rows="all")
    changes: list[dict[str, Any]] = [
        *({}, {"rows": "visible"}, {"rows": "positive"}, {"frame": "box"}, {"grid": 4}, {"landmarks": (0, 1, 6)}),
        *({"direction": "backward"}, {"origin": "corner"}, {"intercept": True}, {"ridge": 0.1}),
        *({"solver": "inverse_float32", "singular_ridge": ridge} for ridge in (1.0, 2.0)),
        *({"sides": "either"}, {"sides": "either_mistyped"}, {"sides": "either", "drop_outliers": True}),
        *({"sides": "either_mistyped", "test_swap": "landmarks"}, {"labelled": 30}, {"labelled": 31}),
    ]
    several = [replace(plain, id=str(number), **change) for number, change in enumerate(changes)]
    values = [found.value for found in score_all(several, fit, test, **HUMAN36M)]
    assert values == pytest.approx([score(one, fit, test, **HUMAN36M).value for one in several], rel=1e-12)
    assert len({round(value, 9) for value in values}) == len(several)


def test_a_bias_takes_up_a_shift():
    fit, test = world(1, shown=1.0), world(51, shown=1.0)
    moved = replace(fit, landmarks=fit.landmarks + 0.2), replace(test, landmarks=test.landmarks + 0.2)
    before = score("strict/interocular_bias", fit, test, **CARD)
    without, with_bias = score_all(["strict/interocular", "strict/interocular_bias"], *moved, **CARD)
    assert with_bias.value == pytest.approx(before.value, rel=1e-9)
    assert with_bias.value < 0.2 * without.value


@pytest.mark.parametrize(
    "protocol", [name for name in REGRESSED if not PROTOCOLS[name].ridge and not PROTOCOLS[name].grid]
)
@settings(max_examples=10)
@given(n=st.integers(16, 40), k=st.integers(1, 4), seed=st.integers(0, 1000))
def test_an_exactly_linear_world_has_no_error(protocol, n, k, seed):
    exact = world(seed, n=n, k=k, landmarks=32, shown=1.0, noise=0.0)
    if PROTOCOLS[protocol].origin == "corner":
        exact = replace(exact, keypoints=exact.keypoints - 0.5, landmarks=exact.landmarks - 0.5)
    if PROTOCOLS[protocol].frame == "box":  # a map without a bias is one in the boxes' frames where these are all alike
        exact = replace(exact, boxes=np.tile([0.25, 0.25, 0.5, 0.5], (n, 1)))
    found = score(protocol, exact, exact, **HUMAN36M)
    rough = 1e-2 if "_released/" in protocol else 1e-7
    assert found.value == pytest.approx(100.0 if "pck6" in protocol or protocol == "sides/near" else 0.0, abs=rough)
    assert found.per_image.shape == (n,)
    assert found.per_landmark.shape == found.rows.shape == (32,)
    assert found.predicted.shape == (n, 32, 2)


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if not name.startswith("parts/")])
def test_the_value_is_the_weighted_mean_of_the_errors_per_image(protocol):
    seen = measured_directly(world(3, n=320, k=4, landmarks=number_of(protocol), shown=0.7, noise=0.05))
    found = score(protocol, seen, seen, **HUMAN36M)
    mean = (np.nan_to_num(found.per_image) * found.weights).sum() / found.weights.sum()
    assert mean == pytest.approx(found.value, rel=1e-9)


def test_backward_scores_are_of_keypoints():
    found = score("sanchez/backward", world(1), world(51, n=25), **CARD)
    assert found.per_landmark.shape == found.rows.shape == (3,)
    assert found.predicted.shape == (25, 3, 2)
    assert found.rows.tolist() == [60] * 3


@pytest.mark.parametrize("protocol", REGRESSED)
def test_the_order_of_images_and_keypoints_changes_nothing(protocol):
    fit, test = world(7, n=400, landmarks=number_of(protocol)), world(8, n=30, landmarks=number_of(protocol))
    before = score(protocol, fit, test, **HUMAN36M)
    generator = np.random.default_rng(0)
    order, columns = generator.permutation(30), generator.permutation(3)
    shuffled = [
        replace(some, keypoints=some.keypoints[:, columns])
        for some in (reordered(fit, generator.permutation(400)), reordered(test, order))
    ]
    after = score(protocol, *shuffled, **HUMAN36M)
    loose = 1e-4 if "_released/" in protocol else 1e-10
    for name in ("value", "ci_low", "ci_high", "condition"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=loose)
    np.testing.assert_allclose(after.per_image, before.per_image[order], rtol=10 * loose, atol=10 * loose)


def test_units_on_one_image_by_hand():
    # Keypoints at the centre predict the centre; two landmarks are 3/256 and 6/256 away from it, one is hidden.
    landmarks = np.array([[[0.5 + 3 / 256, 0.5], [0.5, 0.5 - 6 / 256], [0.0, 0.0]]])
    only = points(
        np.full((1, 2, 2), 0.5), landmarks, np.array([[True, True, False]]), boxes=np.array([[0.25, 0.0, 0.5, 1.0]])
    )
    assert score("sk/side", only, only).value == pytest.approx(100 * 4.5 / 256)
    # Half as wide as the image is the box, and its centre is the image's.
    assert score("strict/box", only, only).value == pytest.approx(100 * (6 + 6) / 2 / 256)
    assert score("sk/cumulative", only, only).value == pytest.approx(9.0)
    assert score("sk/relative", only, only).value == pytest.approx(2.25)
    # Exactly six pixels is no hit, and this protocol counts the hidden one too.
    assert score("sk/pck6", only, only).value == pytest.approx(100 / 3)
    assert score("strict/pck6", only, only).value == pytest.approx(100 / 2)
    eyes = np.hypot(3, 6) / 256
    expected = 100 * (9 / 256 + np.sqrt(0.5)) / 3 / eyes
    assert score("sk/interocular", only, only, interocular=(0, 1)).value == pytest.approx(expected)


def test_macro_and_micro_and_each_landmark_alone_differ_as_defined():
    # One image shows one landmark 0.1 away, another shows three at 0.3: means 0.2 and 0.25.
    landmarks = 0.5 + np.array([[[0.1, 0], [0, 0], [0, 0]], [[0.3, 0], [0, 0.3], [-0.3, 0]]])
    visible = np.array([[True, False, False], [True, True, True]])
    both = points(np.full((2, 1, 2), 0.5), landmarks, visible)
    assert score("strict/side", both, both).value == pytest.approx(20.0)
    assert score("strict/side_micro", both, both).value == pytest.approx(25.0)
    each = replace(PROTOCOLS["siarohin/cumulative"], intercept=False)
    found = score(each, both, both)
    # The first landmark's mean is 0.2 of the side, the others' 0.3.
    assert found.value == pytest.approx(256 * (0.2 + 0.3 + 0.3))
    assert found.per_landmark == pytest.approx(256 * np.array([0.2, 0.3, 0.3]))
    assert found.per_image.mean() == pytest.approx(found.value)


def test_landmarks_on_the_border_count_where_the_protocol_says_so():
    fit, test = world(1), world(51)
    test.landmarks[:, 1, 0] = 0.0
    with_border, without = score_all(["strict/cumulative", "sk/cumulative"], fit, test)
    hidden = test.visible.copy()
    hidden[:, 1] = False
    hidden &= (test.landmarks > 0).all(axis=2)
    seen = fit.visible & (fit.landmarks > 0).all(axis=2)
    expected = score("strict/cumulative", replace(fit, visible=seen), replace(test, visible=hidden))
    assert without.value == pytest.approx(expected.value, rel=1e-12)
    assert without.value < with_border.value
    assert np.isnan(without.per_landmark[1])


def test_images_and_landmarks_that_are_never_visible_do_not_count():
    fit, test = world(3), world(4, n=10)
    hidden = test.visible.copy()
    hidden[2] = False
    hidden[:, 4] = False
    hidden[[0, 1, 3, 4, 5, 6, 7, 8, 9], 0] = True
    some = replace(test, visible=hidden, landmarks=np.where(hidden[..., None], test.landmarks, np.nan))
    found, box, summed = score_all(["sk/side", "strict/box", "siarohin/cumulative"], fit, some)
    assert np.flatnonzero(np.isnan(found.per_image)).tolist() == [2]
    assert found.value == pytest.approx(np.nanmean(found.per_image))
    assert np.isnan(found.per_landmark[4])
    assert found.summary()["per_landmark"][4] is None
    assert None not in (box.ci_low, summed.ci_high) and np.isfinite([box.value, summed.value]).all()
    assert summed.value == pytest.approx(np.nansum(summed.per_landmark))


def test_predictions_in_a_box_are_told_in_the_image():
    fit, test = world(1, noise=0.0, shown=1.0), world(51, noise=0.0, shown=1.0)
    same = [replace(some, boxes=np.tile([0.1, 0.2, 0.6, 0.7], (60, 1))) for some in (fit, test)]
    found = score("scops/box", *same)
    np.testing.assert_allclose(found.predicted, test.landmarks, atol=1e-9)


def test_needs_are_what_a_protocol_cannot_do_without():
    needs = {name: set(protocol.needs) for name, protocol in PROTOCOLS.items()}
    assert {name for name, found in needs.items() if "boxes" in found} == {
        "strict/box",
        "scops/box",
        "label_free/in_box",
    }
    assert {name for name, found in needs.items() if "left_right_pairs" in found} == {
        name for name in [*EITHER_SIDE, *PROTOCOLS] if name.startswith("sides/") or PROTOCOLS[name].sides == "either"
    }
    faces = {name for name in PROTOCOLS if "interocular" in name or "sanchez" in name}
    assert {name for name, found in needs.items() if "interocular" in found} == faces
    assert {protocol.family for protocol in PROTOCOLS.values()} == {
        "sk",
        "sk_released",
        "strict",
        "autolink",
        "autolink_released",
        "scops",
        "sanchez",
        "siarohin",
        "sides",
        "parts",
        "label_free",
    }
    for name, protocol in PROTOCOLS.items():
        stated = {key: value for key, value in HUMAN36M.items() if key in protocol.needs}
        both = [measured_directly(world(seed, landmarks=number_of(name))) for seed in (1, 51)]
        given = {"boxes": "boxes", "masks": "on_object", "model": "warped"}
        lacking: dict[str, Any] = {key: None for need, key in given.items() if need not in protocol.needs}
        some = [replace(some, **lacking) for some in both]
        assert np.isfinite(score(name, *some, **stated).value)


def test_ids_and_records_are_frozen_and_complete():
    assert len(PROTOCOLS) == 50
    assert EITHER_SIDE == [name for name in PROTOCOLS if "human36m" in name]
    for name, protocol in PROTOCOLS.items():
        assert protocol.id == name
        assert protocol.summary and protocol.source and protocol.unit
        assert protocol.higher_is_better == (
            protocol.unit in ("PCK@6px %", "NMI %", "ARI %")
            or name.endswith(("/near", "/closest_pair", "/on_object", "/in_box"))
        )
        with pytest.raises(AttributeError):
            protocol.scale = 2.0  # type: ignore[misc]
    assert {name: protocol.version for name, protocol in PROTOCOLS.items() if protocol.version > 1} == {
        "sk/cumulative": 2,
        "sk/relative": 2,
        "autolink_released/human36m": 2,
        "strict/interocular": 2,
        "strict/interocular_bias": 2,
        "sanchez/forward": 2,
        "sanchez/backward": 2,
        "sanchez/backward_mallis": 2,
    }
    # What is named otherwise is otherwise.
    told_apart = {replace(protocol, id="", summary="", source="", version=1) for protocol in PROTOCOLS.values()}
    alike = [{"sk/side", "strict/side"}, {"sk/human36m", "strict/human36m"}]
    assert len(told_apart) == len(PROTOCOLS) - len(alike)


def test_summary_is_the_record_of_a_score():
    from leaderboard.records import ScoreRecord

    for found in score_all(["sk/side", "sanchez/forward"], world(3), world(4), **CARD):
        record = ScoreRecord(**found.summary())
        assert (record.value, record.n_fit, record.n_test) == (found.value, 60, 60)
        assert record.curve == found.curve
        assert ScoreRecord.model_validate_json(record.model_dump_json()) == record


def test_a_protocol_of_ones_own_is_scored_like_the_others():
    mine = Protocol(id="mine/sum", summary="s", source="s", scale=1.0, unit="sides", over_landmarks="sum")
    fit, test = world(1), world(51)
    found = score(mine, fit, test)
    assert found.value == pytest.approx(score("strict/cumulative", fit, test).value / 256, rel=1e-12)


def test_importing_the_protocols_loads_nothing_heavy():
    code = "import sys, metrics.scoring; print([m for m in ('scipy', 'pandas', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
