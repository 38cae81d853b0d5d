"""Comparisons of methods of a run, and ties in its tables."""

import csv
import io
import json

import numpy as np
import pytest

from leaderboard import committed_errors as committed
from leaderboard import comparisons, readme
from leaderboard.committed_errors import committed_errors, errors_text
from leaderboard.errors import LeaderboardError
from leaderboard.image_errors import CellErrors
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record, suites

N = 60
SHARED = np.random.default_rng(0).gamma(4, 1.0, N)
NOISE = np.random.default_rng(1).normal(0, 0.3, (4, N))
METHODS = {"stable_keypoints": 0.0, "dift_kmeans": 0.01, "autolink": 2.0, "imm": 2.5}
TASKS = ("cub_001", "cub_002")


def errors_of(found, protocol):
    """Errors of a record: shared by all methods, plus the method's own and some noise."""
    if found.method not in METHODS:
        return None
    place = list(METHODS).index(found.method)
    noise = NOISE[place] - NOISE[place].mean()
    ids = tuple(f"{found.task}/{index}" for index in range(N))
    return CellErrors(ids, ids, np.ones(N), SHARED + noise + METHODS[found.method])


@pytest.fixture
def records():
    return [record(method, task, float(SHARED.mean() + apart)) for method, apart in METHODS.items() for task in TASKS]


def table(records, errors=errors_of):
    return rows(records, TASKS, "mini", errors=errors)


def bold(text):
    """Methods with a bold value in the first column."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [line[0] for line in lines if line[1].startswith("**")]


def test_the_best_and_all_that_cannot_be_told_from_it_are_bold_together(records):
    alone, tied = render(table(records, None)), render(table(records))
    assert bold(alone) == ["Stable_Keypoints"] and "Best measured value in bold." in alone
    assert bold(tied) == ["Dift_Kmeans", "Stable_Keypoints"] and "Holm" in tied
    without = alone.replace("**", "").partition("\n\n")[0].split()
    assert sorted(without) == sorted(tied.replace("**", "").partition("\n\n")[0].split())


def test_rows_without_errors_tie_with_none(records):
    found = table(records, lambda each, protocol: None if each.method == "dift_kmeans" else errors_of(each, protocol))
    assert bold(render(found)) == ["Stable_Keypoints"]
    elsewhere = lambda each, protocol: errors_of(each, protocol)._replace(ids=(each.method,) * N)  # noqa: E731
    assert bold(render(table(records, elsewhere))) == ["Stable_Keypoints"]


def test_a_nearly_singular_regression_ties_with_none(records):
    def with_condition(method, condition=2e6):
        changed = [
            each.model_copy(
                update={"scores": tuple(s.model_copy(update={"condition": condition}) for s in each.scores)}
            )
            if each.method == method
            else each
            for each in records
        ]
        return bold(render(table(changed)))

    assert with_condition("dift_kmeans") == ["Stable_Keypoints"]
    assert with_condition("dift_kmeans", 9e5) == ["Dift_Kmeans", "Stable_Keypoints"]
    assert with_condition("stable_keypoints") == ["Stable_Keypoints"]


def test_two_methods_are_compared_on_every_task(records):
    found = comparisons.compared(table(records), "autolink", "stable")
    assert [each.task for each in found] == list(TASKS)
    for each in found:
        assert each.difference == pytest.approx(2.0) and (each.low or 9) < 2.0 < (each.high or 0)
        assert each.better == "Stable_Keypoints" and (each.images, each.groups, each.seeds) == (N, N, 1)
        assert each.p == pytest.approx(0, abs=1e-6)
    (same, _) = comparisons.compared(table(records), "dift_kmeans", "stable_keypoints")
    assert same.better == "" and (same.p or 0) > 0.5
    back = comparisons.compared(table(records), "stable_keypoints", "autolink")
    assert [each.difference for each in back] == pytest.approx([-each.difference for each in found])
    text = comparisons.render(found, "md")
    assert "Autolink against Stable_Keypoints" in text and "+2.00" in text and "Holm" in text
    assert len(json.loads(comparisons.render(found, "json"))) == 2
    assert next(csv.DictReader(io.StringIO(comparisons.render(found, "csv"))))["better"] == "Stable_Keypoints"


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("autolink", "nothing"), "no row of the name 'nothing', expected one of "),
        (("autolink", "AUTOLINK"), "are both Autolink"),
        (("i", "autolink"), "'i' is the name of"),
        (("grid", "autolink"), "on no task"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_why(records, pair, message):
    found = table([*records, record("grid", TASKS[0], 9.0, is_floor=True)])
    with pytest.raises(LeaderboardError, match=message):
        comparisons.compared(found, *pair)


def test_every_row_has_its_difference_from_one_method(records):
    found = comparisons.against(table(records), "stable_keypoints")
    differences = {row.method: row.against for row in found if row.task == TASKS[0]}
    assert differences.pop("stable_keypoints") is None
    assert differences == pytest.approx({name: METHODS[name] for name in differences})
    text = render(found)
    assert text.count("difference |") == 2 and "difference: from Stable_Keypoints on" in text and "+2.50 (" in text
    line = next(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert {"against", "against_low", "against_high"} <= line.keys()


def test_every_row_has_its_difference_from_the_best_of_its_task():
    better_on = {"cub_001": "stable_keypoints", "cub_002": "autolink"}

    def errors(found, protocol):
        ids = tuple(f"{found.task}/{index}" for index in range(N))
        apart = 0.0 if found.method == better_on[found.task] else 1.5
        return CellErrors(ids, ids, np.ones(N), SHARED + apart + NOISE[0] * (apart > 0))

    values = {
        (method, task): float(errors(record(method, task, 1.0), "").errors.mean())
        for method in ("stable_keypoints", "autolink")
        for task in TASKS
    }
    found = comparisons.against(
        table([record(method, task, value) for (method, task), value in values.items()], errors), "best"
    )
    for task, best in better_on.items():
        (first,) = [row for row in found if row.task == task and row.method == best]
        (other,) = [row for row in found if row.task == task and row.method != best]
        assert first.against is None and other.against_method == first.label
        assert other.against == pytest.approx(values[other.method, task] - values[best, task])
        assert (other.against_low or 99) < (other.against or 0) < (other.against_high or -99)
    text = render(found)
    assert "difference: from the best method of the column (Stable_Keypoints, Autolink) on the same test images" in text


def test_a_limited_row_is_not_the_best_that_others_are_compared_with(records):
    cut = [
        each.model_copy(update={"n_images_limit": 5}) if each.method == "stable_keypoints" else each for each in records
    ]
    found = comparisons.against(table(cut), "best")
    assert {row.against_method for row in found} - {None} == {"Dift_Kmeans"}


def test_errors_that_do_not_give_the_recorded_value_are_not_compared(records):
    changed = [
        each.model_copy(update={"scores": (each.scores[0].model_copy(update={"value": each.scores[0].value + 0.1}),)})
        if each.method == "dift_kmeans"
        else each
        for each in records
    ]
    assert bold(render(table(changed))) == ["Stable_Keypoints"]


PAGE = "<!-- leaderboard:mini:wild -->\n<!-- /leaderboard -->\n"


@pytest.fixture
def published(tmp_path, records):
    """A page with the results of a run, and how to add those of another."""
    page, results = tmp_path / "PAGE.md", tmp_path / "results"
    page.write_text(PAGE, encoding="utf-8")

    def add(found, errors):
        new = readme.merged_lists([page], found, suites(wild=TASKS), results)
        readme.update([page], suites(wild=TASKS), results, new=new, errors=errors)
        assert readme.check(page, suites(wild=TASKS), results) == []
        return page.read_text(encoding="utf-8")

    return add


def test_committed_tables_show_ties_by_errors_that_are_kept_beside_the_lists(published, records, tmp_path):
    file = tmp_path / "results" / "errors" / "wild.mini.json"
    assert bold(published(records, None)) == ["Stable_Keypoints"] and not file.exists()
    assert bold(published(records, errors_of)) == ["Dift_Kmeans", "Stable_Keypoints"]
    kept = file.read_bytes()
    assert bold(published(records[:1], None)) == ["Dift_Kmeans", "Stable_Keypoints"]
    assert file.read_bytes() == kept
    read = committed_errors(tmp_path / "results")
    for each in records:
        found, expected = read(each, "sk/side"), errors_of(each, "sk/side")
        assert found is not None and expected is not None and found[:2] == expected[:2]
        np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-5)


def test_errors_of_very_many_images_are_not_committed(records, monkeypatch):
    assert "cub_001/59" in errors_text(records, [errors_of])
    monkeypatch.setattr(committed, "MOST_IMAGES", N - 1)
    assert errors_text(records, [errors_of]) == ""


def test_committed_errors_of_an_earlier_value_are_not_used(published, records):
    published(records, errors_of)
    better = record("dift_kmeans", TASKS[0], float(SHARED.mean()) - 0.02)
    assert bold(published([better], None)) == ["Dift_Kmeans"]


@pytest.mark.parametrize("text", ["", "{}", '{"cells": {"a": {}}, "images": {}}', "[" * 5000])
def test_broken_committed_errors_are_one_clear_line(published, records, tmp_path, text):
    published(records, errors_of)
    (tmp_path / "results" / "errors" / "wild.mini.json").write_text(text, encoding="utf-8")
    with pytest.raises(LeaderboardError, match="wild.mini.json holds no errors per image .*; restore it"):
        published(records, None)
