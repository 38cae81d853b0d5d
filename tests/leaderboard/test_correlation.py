"""Rank correlations of measures without landmarks with the error, against scipy.stats.spearmanr."""

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from leaderboard import readme
from leaderboard.correlation import AGREEMENT, cells_of, correlations
from leaderboard.correlation_tables import NONE_YET, read_agreements, render
from leaderboard.errors import LeaderboardError
from tests.leaderboard.synthetic import record, save_results, score_of, suites

EQUIVARIANCE, CLOSEST = "label_free/equivariance", "label_free/closest_pair"
RISING = {"protocol": CLOSEST, "higher_is_better": True}


def cell(method, task, error, measure, score: Any = None, **changes):
    """A done cell with an error and one measure of its keypoints."""
    fields: dict[str, Any] = {"protocol": EQUIVARIANCE} | (score or {})
    own = score_of(measure, **fields)
    return record(method, task, error, **changes, scores=(score_of(error), own))


def cells(tasks, seed=0, methods=6, **score):
    """Random errors and measures, and records that have them."""
    numbers = np.random.default_rng(seed).uniform(1, 9, size=(2, len(tasks), methods))
    found = [
        cell(f"m{method}", task, float(numbers[0, row, method]), float(numbers[1, row, method]), score)
        for row, task in enumerate(tasks)
        for method in range(methods)
    ]
    return numbers, found


def mean_spearman(errors, measures):
    """The mean over tasks (rows) of scipy's correlation across methods (columns)."""
    return np.mean([spearmanr(error, measure).statistic for error, measure in zip(errors, measures, strict=True)])


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 3), st.integers(3, 4))
def test_the_correlation_and_its_p_are_those_of_all_exchanges_by_scipy(seed, tasks, methods):
    numbers, records = cells([f"t{number}" for number in range(tasks)], seed, methods)
    (found,) = correlations(records, "mini")
    assert found.within == pytest.approx(mean_spearman(*numbers), abs=1e-12)
    exchanged = [abs(mean_spearman(numbers[0], numbers[1][:, list(order)])) for order in permutations(range(methods))]
    assert found.p == pytest.approx(np.mean(np.array(exchanged) >= abs(found.within) - 1e-9), abs=1e-12)
    assert (found.measure, found.tasks, found.methods) == (EQUIVARIANCE, tasks, methods)


def test_a_measure_that_says_nothing_seldom_has_a_small_p():
    """Methods are alike on all tasks by the error, and by the measure, but neither has to do with the other."""
    random = np.random.default_rng(5)
    small = 0
    for _ in range(200):
        error, measure = 20 + 3 * random.normal(size=(2, 1, 6)) + random.normal(size=(2, 4, 6))
        records = [cell(f"m{m}", f"t{t}", float(error[t, m]), float(measure[t, m])) for t in range(4) for m in range(6)]
        small += correlations(records, "mini")[0].p < 0.05
    assert small <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_many_methods_are_exchanged_at_random_and_p_is_adjusted_for_the_number_of_measures():
    several = [
        record(f"m{m}", "t", 1.0, scores=(score_of(10.0 + m), *(score_of(float(m), protocol=name) for name in own)))
        for own in ((EQUIVARIANCE, CLOSEST),)
        for m in range(9)
    ]
    equivariance, closest = correlations(several, "mini")
    assert equivariance.within == closest.within == pytest.approx(1)
    assert 2 / 5001 <= equivariance.p == closest.p < 0.01


def test_of_methods_on_other_tasks_those_with_the_most_results_count():
    numbers, records = cells(["a", "b", "c"], seed=3)
    few = [each for each in records if (each.task, each.method) != ("b", "m0")]
    (found,) = correlations(few, "mini")  # 3 tasks x 5 methods, and not 2 x 6
    assert (found.tasks, found.methods) == (3, 5)
    assert found.within == pytest.approx(mean_spearman(*numbers[:, :, 1:]), abs=1e-12)
    (apart,) = correlations([each for each in records if (each.task == "a") == (each.method in "m0 m1 m2")], "mini")
    assert (apart.tasks, apart.methods) == (2, 3) and apart.p >= 2 / 6


def test_each_profile_has_its_own_headline():
    _, records = cells(["a"], seed=2)
    (expected,) = correlations(records, "mini")
    turned = record("m0", "a", 1.0, profile="paper", scores=tuple(reversed(records[0].scores)))
    assert correlations([*records, turned], "mini") == [expected]


def test_one_means_that_the_better_method_has_the_smaller_error():
    falling = [cell(f"m{number}", "a", 10 + number, 2.0 + number) for number in range(4)]
    assert correlations(falling, "mini")[0].within == pytest.approx(1)
    rising = [cell(f"m{number}", "a", 10 + number, 9.0 - number, RISING) for number in range(4)]
    (found,) = correlations(rising, "mini")
    assert (found.measure, found.within) == (CLOSEST, pytest.approx(1))
    assert found.p == pytest.approx(2 / 24)  # of the 24 exchanges, the true one and the reverse
    percent: dict[str, Any] = {"protocol": "sk/pck6", "higher_is_better": True}
    scores = [(score_of(90 - n, **percent), score_of(2.0 + n, protocol=EQUIVARIANCE)) for n in range(4)]
    shares = [record(f"m{number}", "a", 1.0, scores=own) for number, own in enumerate(scores)]
    assert correlations(shares, "mini")[0].within == pytest.approx(1)


def test_baselines_supervised_methods_and_tasks_with_few_methods_do_not_count():
    _, records = cells(["a", "b"], seed=1)
    (expected,) = correlations(records, "mini")
    others = [
        cell("grid", "a", 99.0, 0.0),
        cell("supervised", "a", 0.1, 50.0, saw_landmarks=True),
        cell("m0", "c", 1.0, 2.0),
        cell("m1", "c", 2.0, 1.0),
        *(cell(f"m{number}", "d", 1.0 + number, 5.0) for number in range(5)),  # equal measures
        cell("m9", "b", 0.5, 0.5, n_images_limit=10),
    ]
    assert correlations([*records, *others], "mini") == [expected]
    assert correlations([record("m1", "a", 2.0)], "mini") == []


def test_seeds_are_averaged_and_their_agreement_is_a_measure():
    records = [
        cell(f"m{number}", "a", 5.0 + number + off, 3.0 - number, seed=seed)
        for number in range(3)
        for seed, off in ((0, 0.4), (1, -0.4))
    ]
    distances = {cells_of(records[2 * number : 2 * number + 2]): 1.0 + number for number in range(3)}
    distances[cells_of([record("other", "a", 1.0)])] = 0.0
    equivariance, agreement = correlations(records, "mini", distances)
    assert equivariance.within == pytest.approx(-1)
    assert (agreement.measure, agreement.within, agreement.methods) == (AGREEMENT, pytest.approx(1), 3)


def test_all_formats_have_the_numbers():
    found = correlations(cells(["a", "b", "c"], seed=4)[1], "mini")
    assert json.loads(render(found, "json"))[0]["within"] == found[0].within
    header, line = render(found, "csv").splitlines()
    assert header == "measure,tasks,methods,within,p" and line.startswith(f"{EQUIVARIANCE},3,6,")
    for format in ("table", "md"):
        text = render(found, format)
        assert EQUIVARIANCE in text and f"{found[0].within:.2f}" in text and f"{found[0].p:.3f}" in text
    assert "For no measure can it be told" in render(found, "md")
    sure = [cell(f"m{n}", task, 10.0 + n, 2.0 + n) for n in range(5) for task in "abc"]
    assert f"order methods as the error does (p < 0.05): {EQUIVARIANCE}." in render(correlations(sure, "mini"), "md")
    wrong = [cell(f"m{n}", task, 10.0 + n, 9.0 - n) for n in range(5) for task in "abc"]
    assert f"the other way round (p < 0.05): {EQUIVARIANCE}." in render(correlations(wrong, "mini"), "md")


def test_a_page_has_the_table_or_says_that_there_is_none(tmp_path):
    page, results = tmp_path / "page.md", tmp_path / "results"
    page.write_text("<!-- correlation:mini -->\n<!-- /correlation -->\n")
    save_results([record("m1", "a", 2.0)], results / "wild.mini.json")
    assert readme.check(page, {}, results) == ["mini"]
    readme.update([page], {}, results)
    assert NONE_YET in page.read_text() and readme.check(page, {}, results) == []
    records = cells(["a", "b"])[1]
    save_results(records, results / "wild.mini.json")
    assert readme.check(page, suites(wild=("a", "b")), results) == ["mini"]
    readme.update([page], {}, results)
    assert f"`{EQUIVARIANCE}`" in page.read_text()
    (results / "agreement").mkdir()
    rows = [{"cells": sorted(cells_of([each])), "distance": 1.0 + n} for n, each in enumerate(records[:3])]
    (results / "agreement" / "mini.json").write_text(json.dumps(rows))
    readme.update([page], {}, results)
    assert f"`{AGREEMENT}`" in page.read_text()


def test_a_broken_list_of_agreements_is_one_line(tmp_path):
    (tmp_path / "mini.json").write_text('[{"task": "a"}]')
    with pytest.raises(LeaderboardError, match=r"mini.json is no list of agreements .*agreement --format json"):
        read_agreements(tmp_path / "mini.json")
    assert read_agreements(tmp_path / "absent.json") == {}
