import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.regression import fit_regression
from tests.metrics import oracle
from tests.metrics.worlds import world


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(12, 40),
    k=st.integers(1, 4),
    landmarks=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    origin=st.sampled_from(["centre", "corner"]),
)
def test_an_exactly_linear_world_is_recovered(n, k, landmarks, seed, origin):
    generator = np.random.default_rng(seed)
    about = {"centre": 0.5, "corner": 0.0}[origin]
    mixing = generator.normal(size=(2 * k, 2 * landmarks))
    keypoints = generator.uniform(size=(n, k, 2))
    truth = ((keypoints - about).reshape(n, -1) @ mixing).reshape(n, landmarks, 2) + about
    regression = fit_regression(keypoints, truth, origin=origin)
    assert np.abs(regression.predict(keypoints) - truth).max() < 1e-9
    assert (regression.rank, regression.rank_deficient) == (2 * k, False)
    assert regression.rows.tolist() == [n] * landmarks


@pytest.mark.parametrize("origin", ["centre", "corner"])
@pytest.mark.parametrize("seed", range(4))
def test_visible_rows_agree_with_normal_equations_in_loops(seed, origin):
    fit, test = world(seed), world(seed + 100, n=15)
    regression = fit_regression(fit.keypoints, fit.landmarks, fit.visible, origin=origin)
    expected = oracle.regress(
        fit.keypoints.tolist(),
        fit.landmarks.tolist(),
        fit.visible.tolist(),
        test.keypoints.tolist(),
        {"centre": 0.5, "corner": 0.0}[origin],
    )
    np.testing.assert_allclose(regression.predict(test.keypoints), expected, rtol=0, atol=1e-10)
    assert regression.rows.tolist() == [sum(column) for column in zip(*fit.visible.tolist(), strict=True)]


def test_hidden_landmarks_may_hold_anything():
    fit = world(0)
    spoiled = np.where(fit.visible[..., None], fit.landmarks, np.nan)
    clean = fit_regression(fit.keypoints, fit.landmarks, fit.visible)
    assert np.array_equal(fit_regression(fit.keypoints, spoiled, fit.visible).weights, clean.weights)


def test_a_duplicated_keypoint_shares_its_weight_evenly_and_is_flagged():
    # Least norm splits a weight w on two equal columns into w/2 and w/2, and leaves predictions unchanged.
    fit = world(1, k=3)
    doubled = fit.keypoints[:, [0, 1, 2, 2]]
    single = fit_regression(fit.keypoints, fit.landmarks)
    double = fit_regression(doubled, fit.landmarks)
    assert (double.rank, double.rank_deficient, double.condition) == (6, True, None)
    assert not single.rank_deficient
    np.testing.assert_allclose(double.weights[4:6], single.weights[4:6] / 2, atol=1e-12)
    np.testing.assert_allclose(double.weights[6:8], single.weights[4:6] / 2, atol=1e-12)
    np.testing.assert_allclose(double.predict(doubled), single.predict(fit.keypoints), atol=1e-12)


def test_keypoints_that_never_move_predict_the_mean_pose_or_at_the_origin_the_centre():
    fit = world(2)
    constant = np.broadcast_to([[0.2, 0.9], [0.6, 0.1]], (60, 2, 2))
    regression = fit_regression(constant, fit.landmarks, fit.visible)
    mean_pose = np.nanmean(np.where(fit.visible[..., None], fit.landmarks, np.nan), axis=0)
    np.testing.assert_allclose(regression.predict(constant)[0], mean_pose, atol=1e-12)
    assert (regression.rank, regression.rank_deficient) == (1, True)
    centre = np.full((60, 2, 2), 0.5)
    regression = fit_regression(centre, fit.landmarks, fit.visible)
    assert (regression.predict(centre) == 0.5).all()
    assert regression.rank == 0


@pytest.mark.filterwarnings("error")
def test_singular_values_too_far_apart_to_divide_are_flagged_in_silence():
    fit = world(2, k=2)
    keypoints = fit.keypoints * np.array([1.0, 1e-309])[:, None]
    regression = fit_regression(keypoints, fit.landmarks, origin="corner")
    assert (regression.rank, regression.condition, regression.rank_deficient) == (2, None, True)


def test_fewer_rows_than_columns_is_flagged_and_a_landmark_never_seen_goes_to_the_origin():
    fit = world(3, n=20)
    visible = fit.visible.copy()
    visible[:, 1] = False
    visible[3:, 2] = False
    visible[:3, 2] = True
    regression = fit_regression(fit.keypoints, fit.landmarks, visible)
    assert (regression.rank, regression.rank_deficient) == (0, True)
    assert regression.rows[1:3].tolist() == [0, 3]
    assert (regression.predict(fit.keypoints)[:, 1] == 0.5).all()
    # Three rows and six unknowns: every equation is met exactly.
    np.testing.assert_allclose(regression.predict(fit.keypoints)[:3, 2], fit.landmarks[:3, 2], atol=1e-12)


def test_condition_is_the_ratio_of_the_axes_of_the_keypoints():
    # Four keypoints on the axes of an ellipse: singular values are sqrt(2) a and sqrt(2) b.
    keypoints = 0.5 + np.array([[0.4, 0], [-0.4, 0], [0, 0.1], [0, -0.1]])[:, None]
    regression = fit_regression(keypoints, keypoints)
    assert regression.condition == pytest.approx(4.0, rel=1e-12)
    # A second landmark, seen by a pair of points on each axis of a longer ellipse, has the worse design.
    keypoints = np.concatenate([keypoints, 0.5 + np.array([[0.5, 0], [0, 0.05]])[:, None]])
    visible = np.array([[True, False]] * 4 + [[False, True]] * 2)
    regression = fit_regression(keypoints, np.repeat(keypoints, 2, axis=1), visible)
    assert regression.condition == pytest.approx(10.0, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k, y, v: (k[:, :, 0], y, v), "keypoints have shape"),
        (lambda k, y, v: (k[:0], y[:0], v[:0]), "at least one row"),
        (lambda k, y, v: (k[:5], y, v), "5 rows of keypoints"),
        (lambda k, y, v: (k, y, v[:, :2]), "visible"),
        (lambda k, y, v: (np.where(k > 0.9, np.nan, k), y, v), "keypoints are not finite in"),
        (lambda k, y, v: (k, np.where(y > 0.5, np.inf, y), v), "landmarks are not finite in"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    fit = world(4)
    with pytest.raises(MetricError, match=message) as caught:
        fit_regression(*change(fit.keypoints, fit.landmarks, fit.visible))
    assert "\n" not in str(caught.value)


def test_another_number_of_keypoints_is_refused():
    fit = world(5)
    with pytest.raises(MetricError, match="2 keypoints, the regression was fitted on 3"):
        fit_regression(fit.keypoints, fit.landmarks).predict(fit.keypoints[:, :2])
