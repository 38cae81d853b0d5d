import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.regression import Design, Estimator, fit_regression, tall_qr
from tests.metrics import oracle
from tests.metrics.worlds import world


@settings(max_examples=25)
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
    regression = fit_regression(keypoints, truth, estimator=Estimator(origin))
    assert np.abs(regression.predict(keypoints) - truth).max() < 1e-9
    assert (regression.rank, regression.rank_deficient) == (2 * k, False)
    assert regression.rows.tolist() == [n] * landmarks


@pytest.mark.parametrize("origin", ["centre", "corner"])
@pytest.mark.parametrize("seed", range(4))
def test_visible_rows_agree_with_normal_equations_in_loops(seed, origin):
    fit, test = world(seed), world(seed + 100, n=15)
    regression = fit_regression(fit.keypoints, fit.landmarks, fit.visible, Estimator(origin))
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
    regression = fit_regression(keypoints, fit.landmarks, estimator=Estimator("corner"))
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


def gelsd(design, targets):
    """LAPACK's own: weights, rank, ratio of singular values."""
    cutoff = max(design.shape) * np.finfo(float).eps
    weights, _, rank, singular = scipy.linalg.lstsq(design, targets, cond=cutoff, lapack_driver="gelsd")
    return weights, rank, singular[0] / singular[-1]


@pytest.mark.parametrize("n", [3, 5, 300, 1023, 1024, 5000, 40_000])
@pytest.mark.parametrize("doubled", [False, True])
def test_is_gelsd_however_tall_and_whatever_the_rank(n, doubled):
    generator = np.random.default_rng(n)
    keypoints = generator.uniform(size=(n, 5, 2)) * [1.0, 1e-3]
    if doubled:
        keypoints[:, 4] = keypoints[:, 1]
    landmarks = generator.uniform(size=(n, 3, 2))
    weights, rank, ratio = gelsd((keypoints - 0.5).reshape(n, -1), (landmarks - 0.5).reshape(n, -1))
    found = fit_regression(keypoints, landmarks)
    np.testing.assert_allclose(found.weights, weights, rtol=0, atol=1e-9 * np.abs(weights).max())
    assert (found.rank, found.rank_deficient) == (rank, rank < 10)
    if rank == 10:
        assert found.condition == pytest.approx(ratio, rel=1e-9)


@settings(max_examples=30)
@given(n=st.integers(0, 5000), columns=st.integers(1, 40), seed=st.integers(0, 100))
def test_tall_qr_is_a_qr(n, columns, seed):
    matrix = np.random.default_rng(seed).normal(size=(n, columns))
    basis, triangle = tall_qr(matrix)
    assert basis.shape == (n, min(n, columns))
    np.testing.assert_allclose(basis @ triangle, matrix, atol=1e-12)
    np.testing.assert_allclose(basis.T @ basis, np.eye(min(n, columns)), atol=1e-12)
    np.testing.assert_array_equal(np.tril(triangle, -1), 0)


@pytest.mark.parametrize("seed", range(3))
def test_an_intercept_is_a_column_of_ones(seed):
    fit, test = world(seed), world(seed + 100, n=15)
    found = fit_regression(fit.keypoints, fit.landmarks, fit.visible, Estimator(intercept=True))

    def with_ones(points):
        return np.column_stack([points.reshape(len(points), -1), np.ones(len(points))])

    for landmark in range(5):
        shown = fit.visible[:, landmark]
        weights = gelsd(with_ones(fit.keypoints[shown]), fit.landmarks[shown, landmark])[0]
        expected = with_ones(test.keypoints) @ weights
        np.testing.assert_allclose(found.predict(test.keypoints)[:, landmark], expected, atol=1e-10)


def test_with_an_intercept_keypoints_that_never_move_predict_the_mean_pose():
    fit = world(6)
    still = np.broadcast_to([[0.1, 0.7], [0.3, 0.2]], (60, 2, 2))
    for ridge in (0.0, 1e-3):
        found = fit_regression(still, fit.landmarks, estimator=Estimator(intercept=True, ridge=ridge))
        np.testing.assert_allclose(found.predict(still)[0], fit.landmarks.mean(axis=0), atol=1e-12)
        assert found.rank == 0


@settings(max_examples=25)
@given(n=st.integers(1, 60), ridge=st.sampled_from([1e-4, 1e-3, 0.1]), seed=st.integers(0, 1000))
def test_ridge_as_published(n, ridge, seed):
    fit, test = world(seed, n=n), world(seed + 1, n=5)
    x, y = (points.reshape(n, -1) for points in (fit.keypoints, fit.landmarks))
    centred, targets = x - x.mean(axis=0), y - y.mean(axis=0)
    gram = centred.T @ centred
    # R = Y'X (X'X + l max(X'X) I)^-1; the released code adds 1e-12 to the maximum.
    weights = targets.T @ centred @ np.linalg.inv(gram + ridge * (gram.max() + 1e-12) * np.eye(6))
    expected = (test.keypoints.reshape(5, -1) - x.mean(axis=0)) @ weights.T + y.mean(axis=0)
    found = fit_regression(fit.keypoints, fit.landmarks, estimator=Estimator(intercept=True, ridge=ridge))
    np.testing.assert_allclose(found.predict(test.keypoints).reshape(5, -1), expected, atol=1e-7)


def test_released_solvers_are_the_normal_equations_in_their_precision():
    fit = world(8, n=200)
    x, y = (points.reshape(200, -1) - 0.5 for points in (fit.keypoints, fit.landmarks))
    exact = fit_regression(fit.keypoints, fit.landmarks).weights
    for estimator, inverse in (
        (Estimator(solver="pinv"), np.linalg.pinv),
        (Estimator(solver="inverse"), np.linalg.inv),
    ):
        found = fit_regression(fit.keypoints, fit.landmarks, estimator=estimator).weights
        assert np.array_equal(found, found.astype(np.float32))
        np.testing.assert_allclose(found, (inverse(x.T @ x) @ x.T @ y).astype(np.float32), rtol=1e-6)
    x, y = (points.reshape(200, -1).astype(np.float32) for points in (fit.keypoints, fit.landmarks))
    found = fit_regression(
        fit.keypoints, fit.landmarks, estimator=Estimator(origin="corner", solver="inverse_float32")
    ).weights
    expected = np.linalg.inv(x.T @ x) @ x.T @ y
    assert expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0 < np.abs(found - fit_regression(fit.keypoints, fit.landmarks, estimator=Estimator("corner")).weights).max()
    assert 1e-9 < np.abs(exact - exact.astype(np.float32)).max()


@pytest.mark.parametrize("n", [4, 60])
@pytest.mark.parametrize("ridge", [1.0, 1e-3])
def test_where_the_inverse_does_not_exist_the_released_ridge_is_added(n, ridge):
    keypoints = world(9, n=n).keypoints[:, [0, 1, 1]]
    landmarks = world(9, n=n).landmarks
    estimator = Estimator(origin="corner", solver="inverse_float32", singular_ridge=ridge)
    found = fit_regression(keypoints, landmarks, estimator=estimator)
    x, y = keypoints.reshape(n, -1), landmarks.reshape(n, -1)
    expected = np.linalg.solve(x.T @ x + ridge * np.eye(6), x.T @ y)
    np.testing.assert_allclose(found.weights, expected, atol=0.01 * np.abs(expected).max())
    assert found.rank_deficient


@pytest.mark.parametrize(
    ("solver", "ridge"),
    [("pinv", 0.0), ("inverse", 0.0), ("inverse_float32", 0.0), ("inverse_float32", 1e-3 / 255**2)],
)
@pytest.mark.parametrize("still", [False, True])
def test_without_an_inverse_or_a_ridge_above_rounding_the_solution_is_that_of_least_norm(solver, ridge, still):
    fit = world(9, n=300)
    places = np.array([[0.21, 0.93], [0.64, 0.17], [0.35, 0.78]])
    keypoints = np.broadcast_to(places, (300, 3, 2)) if still else fit.keypoints[:, [0, 1, 1]]
    found = fit_regression(keypoints, fit.landmarks, estimator=Estimator("corner", False, solver, 0.0, ridge))
    expected = fit_regression(keypoints, fit.landmarks, estimator=Estimator("corner"))
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-4)


def test_a_moment_grows_by_its_rows():
    fit = world(10, n=2500)
    for estimator in (Estimator(), Estimator(solver="inverse")):
        design = Design(fit.keypoints, estimator)
        targets = fit.landmarks.reshape(2500, -1)
        parts = [slice(0, 1024), slice(1024, 1025), slice(1025, 2048), slice(2048, 2500)]
        summed = sum(design.moment_of(rows, targets[rows]) for rows in parts)
        np.testing.assert_allclose(summed, design.moment(targets), atol=1e-11)
