import numpy as np
import pytest

from metrics.errors import MetricError
from metrics.statistics import Ratio, bootstrap_intervals
from tests.metrics.worlds import bootstrap_interval


def names(groups):
    return [str(group) for group in groups]


def test_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(10.0, 2.0, size=2000)
    low, high = bootstrap_interval(values, names(range(2000)), resamples=4000)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for trial in range(300):
        values = np.random.default_rng(trial).exponential(size=60)
        low, high = bootstrap_interval(values, names(range(60)), resamples=400, seed=trial)
        hits += low <= 1.0 <= high
    assert 0.87 <= hits / 300 <= 0.98


def test_copies_of_an_image_in_one_group_do_not_narrow_the_interval():
    values = np.random.default_rng(1).normal(size=40)
    alone = bootstrap_interval(values, names(range(40)))
    copied = bootstrap_interval(np.repeat(values, 9), names(np.repeat(range(40), 9)))
    assert copied == pytest.approx(alone, rel=1e-12)
    pretended = bootstrap_interval(np.repeat(values, 9), names(range(360)))
    assert pretended[1] - pretended[0] < 0.5 * (alone[1] - alone[0])


def test_weights_act_like_copies_and_weightless_values_like_nothing():
    generator = np.random.default_rng(2)
    values, counts = generator.normal(size=30), generator.integers(1, 5, size=30)
    copies = bootstrap_interval(np.repeat(values, counts), names(np.repeat(range(30), counts)))
    assert bootstrap_interval(values, names(range(30)), counts.astype(float)) == pytest.approx(copies, rel=1e-12)
    # A weightless NaN under a name that sorts last leaves the draws as they were.
    spoiled = bootstrap_interval(
        np.append(values, np.nan), [*names(range(30)), "zz"], np.append(counts, 0).astype(float)
    )
    assert spoiled == pytest.approx(copies, rel=1e-12)


def test_same_seed_same_interval_and_chunks_do_not_matter(monkeypatch):
    values = np.random.default_rng(3).normal(size=50)
    first = bootstrap_interval(values, names(range(50)), seed=5)
    assert bootstrap_interval(values, names(range(50)), seed=5) == first
    assert bootstrap_interval(values, names(range(50)), seed=6) != first
    monkeypatch.setattr("metrics.statistics._CHUNK", 1000)
    assert bootstrap_interval(values, names(range(50)), seed=5) == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ([2.0], ["a"]),
        ([1.0, 3.0], ["a", "a"]),
        ([0.1] * 7, names(range(7))),
        ([0.0] * 7, names(range(7))),
        ([1.0, 3.0, 2.0, 2.0], ["a", "a", "b", "b"]),
    ],
    ids=["one image", "one group", "equal values", "zeros", "groups of equal means"],
)
def test_what_cannot_vary_has_no_interval(values, groups):
    assert bootstrap_interval(np.array(values), groups) is None


def test_nothing_at_all_is_an_error():
    with pytest.raises(MetricError, match="none of 1 values has a weight"):
        bootstrap_interval(np.array([1.0]), ["a"], np.array([0.0]))


def drawn_one_by_one(ratio, groups, resamples, seed):
    """Every resample on its own: draw as many groups as there are, take their images, compute the number."""
    places = [np.flatnonzero(np.asarray(groups) == name) for name in sorted(set(groups))]
    places = [images for images in places if ratio.denominators[images].any()]
    generator, found = np.random.default_rng(seed), []
    for _ in range(resamples):
        images = np.concatenate([places[group] for group in generator.integers(len(places), size=len(places))])
        above, below = ratio.numerators[images].sum(axis=0), ratio.denominators[images].sum(axis=0)
        found.append(sum(above[below > 0] / below[below > 0]) * len(below) / (below > 0).sum())
    return np.quantile(found, [0.025, 0.975])


@pytest.mark.parametrize("seed", range(3))
def test_several_numbers_are_each_what_they_would_be_alone(seed):
    generator = np.random.default_rng(seed)
    groups = [f"video {number}" for number in generator.integers(12, size=40)]
    counts = generator.integers(1, 5, size=(40, 1)).astype(float)
    shown = (generator.uniform(size=(40, 6)) < 0.3).astype(float)
    some = (np.array([name != groups[0] for name in groups], dtype=float))[:, None]
    ratios = [
        Ratio(generator.uniform(size=(40, 1)), np.ones((40, 1))),
        Ratio(counts * generator.uniform(size=(40, 1)), counts),
        Ratio(shown * generator.uniform(size=(40, 6)), shown),
        Ratio(some * generator.uniform(size=(40, 1)), some),
    ]
    together = bootstrap_intervals(ratios, groups, resamples=200, seed=seed)
    for ratio, interval in zip(ratios, together, strict=True):
        assert interval == pytest.approx(drawn_one_by_one(ratio, groups, 200, seed), rel=1e-12)
        assert interval == pytest.approx(bootstrap_intervals([ratio], groups, 200, seed)[0], rel=1e-12)
        assert interval is not None
        assert interval[0] < ratio.value() < interval[1]


def test_a_number_is_the_sum_of_its_columns_ratios():
    assert Ratio(np.array([[1.0, 4.0], [2.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 0.0]])).value() == 1.5 + 4.0
    # A column that weighs nowhere adds nothing.
    assert Ratio(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])).value() == 1.5
