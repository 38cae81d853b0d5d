import numpy as np
import pytest

from metrics import left_right
from metrics.errors import MetricError
from metrics.left_right import better_labels, better_side, fit_either_side, mistyped_order, swapped_order
from metrics.regression import Design, Estimator, fit_regression
from tests.metrics.worlds import HUMAN36M_PAIRS, PAIRS, shuffled_sides, world

SWAP = swapped_order(5, PAIRS)
CENTRE = Estimator()


def naive_loop(keypoints, landmarks, order, origin=0.5, drop_outliers=False, fits=50):
    """The published loop word for word, with a fit of its own each time: weights, and how many fits it took."""
    labels, design = landmarks.copy(), (keypoints - origin).reshape(len(keypoints), -1)

    def errors(weights, truth):
        predicted = (design @ weights).reshape(truth.shape) + origin
        return np.linalg.norm(predicted - truth, axis=2).mean(axis=1)

    count = 0
    for _ in range(fits):
        count += 1
        weights = np.linalg.lstsq(design, (labels - origin).reshape(len(labels), -1), rcond=None)[0]
        wants = errors(weights, labels[:, order]) < errors(weights, labels)
        if wants.sum() <= 10:
            break
        labels[wants] = labels[wants][:, order]
    if drop_outliers:
        apart = errors(weights, labels)
        kept = apart <= apart.mean() + 3 * apart.std(ddof=1)
        weights = np.linalg.lstsq(design[kept], (labels[kept] - origin).reshape(kept.sum(), -1), rcond=None)[0]
        return weights, int(kept.sum())
    return weights, count


def test_swapping_twice_is_nothing_and_unpaired_landmarks_stay():
    assert SWAP.tolist() == [1, 0, 3, 2, 4]
    assert SWAP[SWAP].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(MetricError, match="each at most once"):
        swapped_order(5, ((0, 1), (1, 2)))
    with pytest.raises(MetricError, match="indices below 5"):
        swapped_order(5, ((0, 5),))


def test_the_released_list_loses_one_landmark_and_takes_another_twice():
    released, correct = mistyped_order(32), swapped_order(32, HUMAN36M_PAIRS)
    assert {index: int(released[index]) for index in (20, 21, 28, 29, 16, 24)} == {
        20: 28,
        21: 28,
        28: 21,
        29: 29,
        16: 16,
        24: 24,
    }
    assert set(np.flatnonzero(released != correct).tolist()) == {16, 21, 24, 28, 29}
    with pytest.raises(MetricError, match="17 landmarks, the released left/right list is for Human3.6M's 32"):
        mistyped_order(17)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("released", [False, True])
def test_agrees_with_the_published_loop_fit_by_fit(seed, share, released):
    correct = swapped_order(32, HUMAN36M_PAIRS)
    some = shuffled_sides(world(seed, n=1300, k=4, landmarks=32, noise=0.2), correct, share, seed)
    order = mistyped_order(32) if released else correct
    expected, fits = naive_loop(some.keypoints, some.landmarks, order)
    assert fits > 1
    found = fit_either_side(some.keypoints, some.landmarks, order, CENTRE)
    np.testing.assert_allclose(found.weights, expected, atol=1e-10)
    assert found.rows.tolist() == [1300] * 32
    assert (found.rank, found.rank_deficient) == (8, False)


@pytest.fixture
def fits(monkeypatch) -> list[int]:
    """Grows by one with every fit."""
    found: list[int] = []
    solve = Design.solve

    def counted(self, moment):
        found.append(len(found))
        return solve(self, moment)

    monkeypatch.setattr(Design, "solve", counted)
    return found


def test_a_loop_that_finds_no_end_is_cut_short(monkeypatch, fits):
    some = world(1, n=200)
    monkeypatch.setattr(left_right._Labels, "wanting", lambda *_: np.arange(200) < 11)
    fit_either_side(some.keypoints, some.landmarks, SWAP, CENTRE)
    assert len(fits) == left_right.MAX_FITS == 50


def test_images_that_fit_either_way_alike_do_not_ask_for_a_swap(fits):
    # Keypoints at the centre predict the centre, from which both sides are equally far up to rounding.
    order = swapped_order(32, HUMAN36M_PAIRS)
    fit_either_side(np.full((500, 2, 2), 0.5), world(2, n=500, landmarks=32).landmarks, order, CENTRE)
    assert len(fits) == 1


@pytest.mark.parametrize("seed", range(3))
def test_outliers_are_dropped_once_after_the_loop(seed):
    some = shuffled_sides(world(seed, n=400), SWAP, 0.3)
    landmarks = some.landmarks.copy()
    landmarks[::50] += np.random.default_rng(seed).normal(size=landmarks[::50].shape)
    expected, kept = naive_loop(some.keypoints, landmarks, SWAP, origin=0.0, drop_outliers=True)
    assert 380 <= kept < 400
    found = fit_either_side(some.keypoints, landmarks, SWAP, Estimator(origin="corner"), drop_outliers=True)
    np.testing.assert_allclose(found.weights, expected, atol=1e-10)
    assert found.rows.tolist() == [kept] * 5


@pytest.mark.parametrize(("small", "kept"), [(7, 12), (15, 19)])
def test_an_outlier_is_three_sample_deviations_above_the_mean(small, kept):
    # Keypoints at the centre predict it, so that a landmark's distance from it is its error. The limit of the
    # first dozen errors is 1.014 (with deviations of the population 0.981), that of the twenty 0.82.
    errors = np.array([0.1] * small + [0.3] * 4 + [1.0])
    landmarks = 0.5 + errors[:, None, None] * np.array([[1.0, 0.0]] * 5)
    found = fit_either_side(np.full((len(errors), 2, 2), 0.5), landmarks, SWAP, CENTRE, drop_outliers=True)
    assert found.rows.tolist() == [kept] * 5


def test_an_exact_fit_has_no_outliers():
    exact = world(3, n=40, noise=0.0)
    found = fit_either_side(exact.keypoints, exact.landmarks, SWAP, CENTRE, drop_outliers=True)
    np.testing.assert_allclose(found.predict(exact.keypoints), exact.landmarks, atol=1e-12)
    assert found.rows[0] > 30
    still = np.broadcast_to(exact.landmarks[:1], exact.landmarks.shape)
    assert fit_either_side(still[:, :3], still, SWAP, CENTRE, drop_outliers=True).rows.tolist() == [40] * 5


def test_ten_images_that_want_a_swap_are_left_as_they_are():
    clean = world(5, n=300, noise=0.0)
    some = shuffled_sides(clean, SWAP, 0.3)
    few = fit_either_side(some.keypoints[:10], some.landmarks[:10], SWAP, CENTRE)
    plain = fit_regression(some.keypoints[:10], some.landmarks[:10])
    np.testing.assert_allclose(few.weights, plain.weights, atol=1e-12)
    many = fit_either_side(some.keypoints, some.landmarks, SWAP, CENTRE)
    # The side of the majority wins.
    wanted = fit_regression(clean.keypoints, clean.landmarks)
    before = np.abs(fit_regression(some.keypoints, some.landmarks).weights - wanted.weights).max()
    assert np.abs(many.weights - wanted.weights).max() < 0.1 * before


def test_at_test_each_image_takes_its_better_side():
    truth = world(1, n=6).landmarks
    mixed = np.where(np.arange(6)[:, None, None] < 3, truth, truth[:, SWAP])
    assert np.array_equal(better_side(mixed, truth, SWAP), truth)


def released_labels(predicted, landmarks, order):
    """The published loop over the test images, image by image."""
    labels = [list(range(len(order))) for _ in landmarks]

    def error(row, taken):
        return np.mean([np.hypot(*(predicted[row, j] - landmarks[row, taken[j]])) for j in range(len(order))])

    while True:
        swapped = [[taken[place] for place in order] for taken in labels]
        wants = [row for row in range(len(labels)) if error(row, labels[row]) > error(row, swapped[row])]
        if len(wants) <= 10:
            return np.stack([landmarks[row, taken] for row, taken in enumerate(labels)])
        for row in wants:
            labels[row] = swapped[row]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [8, 60])
def test_labels_are_swapped_as_in_the_published_loop(seed, count):
    order = mistyped_order(32)
    truth = world(seed, n=count, landmarks=32).landmarks
    # Two swaps of the mistyped list do not undo each other: some images are best after one of them, some after two.
    times = np.arange(count) % 3
    swapped = [truth, truth[:, order], truth[:, order[order]]]
    predicted = np.select([(times == some)[:, None, None] for some in range(3)], swapped)
    mixed = predicted + np.random.default_rng(seed).normal(0, 0.01, truth.shape)
    before = truth.copy()
    found = better_labels(mixed, truth, order)
    assert np.array_equal(found, released_labels(mixed, truth, order))
    assert np.array_equal(found, truth) == (count == 8)  # at most 10 that want it stay as they are
    assert np.array_equal(truth, before)


def test_the_callers_landmarks_are_not_touched():
    some = shuffled_sides(world(5, n=60), SWAP, 0.3)
    before = some.landmarks.copy()
    fit_either_side(some.keypoints, some.landmarks, SWAP, CENTRE, drop_outliers=True)
    assert np.array_equal(some.landmarks, before)
