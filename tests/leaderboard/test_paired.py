"""Paired differences of methods on the same images."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.errors import LeaderboardError
from leaderboard.paired import ImageErrors, best_and_ties, difference, holm

DATA_SETS = 800  # simulated for each coverage


def errors(*seeds, groups=None, weights=None):
    """Errors of one method, one array for each seed."""
    count = len(seeds[0])
    return ImageErrors(
        tuple(map(str, range(count))),
        tuple(map(str, range(count) if groups is None else groups)),
        np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64),
        {seed: np.asarray(each, dtype=np.float64) for seed, each in enumerate(seeds)},
    )


def ends(found):
    """The ends of an interval, which must be there."""
    assert found.low is not None and found.high is not None
    return found.low, found.high


def width(found):
    """The width of an interval."""
    low, high = ends(found)
    return high - low


def pair(generator, groups, size, seeds, apart=0.0, by_group=0.5, by_seed=0.0):
    """Two methods with errors that share images, with effects of groups, seeds and images on their difference."""
    members = np.repeat(np.arange(groups), generator.integers(1, size + 1, groups))
    count = len(members)
    weights = generator.integers(1, 16, count)
    shared = generator.gamma(4, 1.2, count) + 5
    moved = shared + apart + generator.normal(0, by_group, groups)[members]
    one = [moved + generator.normal(0, by_seed) + generator.normal(0, 0.5, count) for _ in range(seeds)]
    other = [shared + generator.normal(0, 0.5, count) for _ in range(seeds)]
    return (errors(*each, groups=members, weights=weights) for each in (one, other))


def scipys_interval(numerators, denominators, resamples, seed):
    """SciPy's percentile interval of a ratio of totals, at the expanded level, from the same draws of rows."""
    count = len(numerators)
    reach = scipy.stats.t(count - 1).ppf(0.975) * np.sqrt(count / (count - 1))
    return tuple(
        scipy.stats.bootstrap(
            (numerators, denominators),
            lambda over, under, axis: over.sum(axis=axis) / under.sum(axis=axis),
            paired=True,
            n_resamples=resamples,
            batch=1000,
            confidence_level=2 * scipy.stats.norm.cdf(reach) - 1,
            method="percentile",
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_scipys_bootstrap_at_the_expanded_level_where_images_are_independent(seed):
    one, other = np.random.default_rng(3).gamma(4, 1, (2, 80))
    names = [f"{image:02}" for image in range(80)]  # sorted, so that both draw the same images
    found = difference(errors(one, groups=names), errors(other, groups=names), resamples=15_000, seed=seed)
    assert found.value == pytest.approx((one - other).mean(), rel=1e-12)
    assert ends(found) == pytest.approx(scipys_interval(one - other, np.ones(80), 15_000, seed), rel=1e-9)
    assert found.p == pytest.approx(scipy.stats.ttest_rel(one, other).pvalue, rel=1e-9)


def test_it_is_scipys_bootstrap_of_the_totals_of_groups():
    one, other = pair(np.random.default_rng(4), groups=25, size=6, seeds=1)
    names = [f"{int(group):02}" for group in one.groups]
    one, other = (replace(each, groups=tuple(names)) for each in (one, other))
    found = difference(one, other, resamples=5000)
    apart = (one.by_seed[0] - other.by_seed[0]) * one.weights
    members = np.unique(names, return_inverse=True)[1]
    over, under = (np.bincount(members, each) for each in (apart, one.weights))
    assert ends(found) == pytest.approx(scipys_interval(over, under, 5000, 0), rel=1e-9)


def test_it_resamples_whole_groups_and_computes_both_pooled_values_again():
    generator = np.random.default_rng(5)
    one, other = pair(generator, groups=15, size=6, seeds=1)
    found = difference(one, other, resamples=20_000)
    members, weights = np.asarray(one.groups), one.weights
    names = np.unique(members)

    def pooled(rows, method):
        return np.average(method.by_seed[0][rows], weights=weights[rows])

    rows_of = {name: np.flatnonzero(members == name) for name in names}
    drawn = []
    for _ in range(20_000):
        rows = np.concatenate([rows_of[name] for name in generator.choice(names, len(names))])
        drawn.append(pooled(rows, one) - pooled(rows, other))
    reach = scipy.stats.t(14).ppf(0.975) * np.sqrt(15 / 14)
    low, high = np.quantile(drawn, [scipy.stats.norm.cdf(-reach), scipy.stats.norm.cdf(reach)])
    everything = np.arange(len(members))
    assert found.value == pytest.approx(pooled(everything, one) - pooled(everything, other), rel=1e-9)
    assert ends(found) == pytest.approx((low, high), abs=0.03 * (high - low))
    assert (found.images, found.groups, found.seeds) == (len(members), 15, 1)


@pytest.mark.parametrize(
    ("groups", "size", "seeds", "by_seed"), [(60, 1, 1, 0.0), (30, 5, 1, 0.0), (30, 3, 3, 0.2), (12, 4, 5, 0.4)]
)
def test_an_interval_of_95_percent_covers_the_difference_in_93_to_97_percent(groups, size, seeds, by_seed):
    generator = np.random.default_rng(77)
    hits = 0
    for _ in range(DATA_SETS):
        one, other = pair(generator, groups, size, seeds, apart=0.3, by_seed=by_seed)
        low, high = ends(difference(one, other, resamples=300))
        hits += low <= 0.3 <= high
    assert 0.93 <= hits / DATA_SETS <= 0.97


def test_a_planted_difference_is_found_and_identical_methods_tie():
    generator = np.random.default_rng(11)
    one, other = pair(generator, groups=50, size=3, seeds=3)
    alone = difference(one, other)
    planted = replace(one, by_seed={seed: each - alone.value + 1 for seed, each in one.by_seed.items()})
    assert difference(planted, other).value == pytest.approx(1)
    assert best_and_ties([planted, other], [6, 5], higher_is_better=False) == [1]
    assert best_and_ties([planted, other], [6, 5], higher_is_better=True) == [0]
    found = difference(one, one)
    assert (found.value, found.low, found.high, found.p) == (0, None, None, None)
    assert best_and_ties([one, one, planted], [5, 5, 6], higher_is_better=False)[:2] == [0, 1]


@pytest.mark.parametrize(
    ("groups", "images"), [(["a"], 1), (["a", "a", "a"], 3), (["a", "b", "b"], 3)], ids=["image", "group", "equal"]
)
def test_without_anything_that_varies_there_is_no_interval(groups, images):
    one, other = errors(np.arange(images) + 1.0, groups=groups), errors(np.arange(images) + 0.5, groups=groups)
    found = difference(one, other)
    assert (found.value, found.low, found.high, found.p, found.images) == (0.5, None, None, None, images)
    assert best_and_ties([one, other], [1.5, 1], higher_is_better=False) == [1]


def test_images_that_cannot_be_measured_count_as_they_do_in_the_value():
    nan = float("nan")
    one, other = [1.0, nan, 3.0, 2.0], [0.5, nan, 1.0, 2.5]
    counted = difference(errors(one), errors(other))
    assert counted.value == pytest.approx((0.5 + 0 + 2 - 0.5) / 4) and counted.images == 4
    left_out = difference(errors(one, weights=[1, 0, 1, 1]), errors(other, weights=[1, 0, 1, 1]))
    assert left_out.value == pytest.approx((0.5 + 2 - 0.5) / 3) and left_out.images == 3
    with pytest.raises(LeaderboardError, match="no test image is measured"):
        difference(errors([nan], weights=[0]), errors([nan], weights=[0]))


@pytest.mark.parametrize(
    "change", [{"ids": ("x", "1", "2")}, {"groups": ("a", "a", "b")}, {"weights": np.array([2, 1, 1])}]
)
def test_different_test_images_are_refused(change):
    one = errors([1.0, 2.0, 3.0])
    with pytest.raises(LeaderboardError, match="different images"):
        difference(one, replace(one, **change))


def test_seeds_widen_the_interval_from_three_on_and_pair_by_number():
    base = np.random.default_rng(0).gamma(4, 1, 40)
    noise = np.random.default_rng(1).normal(0, 0.05, 40)
    shifts = (0.0, 0.8, -0.8)
    widths = []
    for count in (1, 2, 3):
        one = errors(*(base + noise + shift for shift in shifts[:count]))
        found = difference(one, errors(*[base] * count))
        widths.append(width(found))
    assert widths[0] == pytest.approx(widths[1]) and widths[2] > 20 * widths[1]
    together = difference(*(errors(*(each + shift for shift in shifts)) for each in (base + noise, base)))
    assert width(together) == pytest.approx(widths[0])
    moved = errors(*(base + shift for shift in shifts))
    unpaired = replace(moved, by_seed={seed + 1: each for seed, each in moved.by_seed.items()})
    apart = difference(errors(*(base + noise + shift for shift in shifts)), unpaired)
    assert width(apart) > 20 * widths[0]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_the_step_down_definition(values):
    adjusted = holm(values)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
            if values[index] * (len(values) - place) >= level:
                break
            rejected.add(index)
        assert {index for index, value in enumerate(adjusted) if value < level} == rejected


def test_the_family_wise_rate_of_ties_is_held():
    generator, wrong = np.random.default_rng(2), 0
    for _ in range(200):
        shared = generator.gamma(4, 1, 40)
        methods = [errors(shared + generator.normal(0, 0.5, 40)) for _ in range(3)]
        fixed = errors(shared)
        found = best_and_ties([fixed, *methods], [0, 1, 1, 1], higher_is_better=False)
        wrong += found != [0, 1, 2, 3]
    assert wrong / 200 <= 0.09
