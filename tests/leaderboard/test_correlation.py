"""Rank correlations of measures without landmarks with the error, against scipy.stats.spearmanr."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from leaderboard import readme
from leaderboard.correlation import AGREEMENT, correlations, spearman
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


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=9))
def test_spearman_is_that_of_scipy(pairs):
    first, second = map(list, zip(*pairs, strict=True))
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    else:
        assert np.isnan(spearman(first, second))


def test_within_tasks_it_is_the_mean_of_the_correlations_and_overall_that_of_the_ranks():
    numbers, records = cells(["a", "b", "c"], seed=4)
    (found,) = correlations(records, "mini")
    each = [spearmanr(error, measure).statistic for error, measure in zip(*numbers, strict=True)]
    assert found.within == pytest.approx(np.mean(each), abs=1e-12)
    ranks = [np.concatenate([rankdata(row) for row in side]) for side in numbers]
    assert found.overall == pytest.approx(np.corrcoef(ranks[0], ranks[1])[0, 1], abs=1e-12)
    assert (found.measure, found.tasks, found.points) == (EQUIVARIANCE, 3, 18)
    assert found.within_interval and found.overall_interval
    low, high = found.within_interval
    assert min(each) <= low <= found.within <= high <= max(each)
    assert found.overall_interval[0] <= found.overall <= found.overall_interval[1]


def test_one_means_that_the_better_method_has_the_smaller_error():
    falling = [cell(f"m{number}", "a", 10 + number, 2.0 + number) for number in range(4)]
    assert correlations(falling, "mini")[0].within == pytest.approx(1)
    rising = [cell(f"m{number}", "a", 10 + number, 9.0 - number, RISING) for number in range(4)]
    (found,) = correlations(rising, "mini")
    assert (found.measure, found.within) == (CLOSEST, pytest.approx(1))
    assert found.within_interval is found.overall_interval is None
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
    distances = {("a", f"M{number}"): 1.0 + number for number in range(3)} | {("a", "Other"): 0.0}
    equivariance, agreement = correlations(records, "mini", distances)
    assert equivariance.within == pytest.approx(-1)
    assert (agreement.measure, agreement.within, agreement.points) == (AGREEMENT, pytest.approx(1), 3)


def test_all_formats_have_the_numbers():
    found = correlations(cells(["a", "b", "c"], seed=4)[1], "mini")
    assert json.loads(render(found, "json"))[0]["within"] == found[0].within
    header, line = render(found, "csv").splitlines()
    assert header.startswith("measure,tasks,points,within") and line.startswith(f"{EQUIVARIANCE},3,18,")
    for format in ("table", "md"):
        text = render(found, format)
        assert EQUIVARIANCE in text and f"{found[0].within:.2f} (" in text
    assert "no interval within tasks lies above 0" in render(found, "md")
    sure = [cell(f"m{n}", task, 10.0 + n, 2.0 + n) for n in range(4) for task in "abc"]
    assert f"more often than chance: {EQUIVARIANCE}." in render(correlations(sure, "mini"), "md")


def test_a_page_has_the_table_or_says_that_there_is_none(tmp_path):
    page, results = tmp_path / "page.md", tmp_path / "results"
    page.write_text("<!-- correlation:mini -->\n<!-- /correlation -->\n")
    save_results([record("m1", "a", 2.0)], results / "wild.mini.json")
    assert readme.check(page, {}, results) == ["mini"]
    readme.update([page], {}, results)
    assert NONE_YET in page.read_text() and readme.check(page, {}, results) == []
    save_results(cells(["a", "b"])[1], results / "wild.mini.json")
    assert readme.check(page, suites(wild=("a", "b")), results) == ["mini"]
    readme.update([page], {}, results)
    assert f"`{EQUIVARIANCE}`" in page.read_text()
    (results / "agreement").mkdir()
    rows = [{"task": "a", "label": f"M{number}", "distance": 1.0 + number} for number in range(3)]
    (results / "agreement" / "mini.json").write_text(json.dumps(rows))
    readme.update([page], {}, results)
    assert f"`{AGREEMENT}`" in page.read_text()


def test_a_broken_list_of_agreements_is_one_line(tmp_path):
    (tmp_path / "mini.json").write_text('[{"task": "a"}]')
    with pytest.raises(LeaderboardError, match=r"mini.json is no list of agreements .*agreement --format json"):
        read_agreements(tmp_path / "mini.json")
    assert read_agreements(tmp_path / "absent.json") == {}
