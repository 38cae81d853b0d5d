import numpy as np
import pytest

from metrics.errors import MetricError
from metrics.statistics import bootstrap_interval


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
    assert bootstrap_interval(values, names(range(50)), seed=5) == first


def test_one_group_has_no_width_and_nothing_at_all_is_an_error():
    low, high = bootstrap_interval(np.array([1.0, 3.0]), ["a", "a"])
    assert low == high == 2.0
    with pytest.raises(MetricError, match="no value with a weight"):
        bootstrap_interval(np.array([1.0]), ["a"], np.array([0.0]))
    with pytest.raises(MetricError, match="2 values, 1 groups"):
        bootstrap_interval(np.array([1.0, 2.0]), ["a"])
