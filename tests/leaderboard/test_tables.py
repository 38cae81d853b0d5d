import csv
import io
import json
from typing import Any

import pytest

from leaderboard.rows import FIELDS, known, plain
from leaderboard.tables import render, rows
from metrics.protocols import PROTOCOLS
from tests.leaderboard.synthetic import record

TASKS = ("cub_001", "cub_002", "deepfashion")
PCK = {"protocol": "sk/pck6", "unit": "PCK@6px %", "higher_is_better": True}
RECORDS = [
    record("grid", "cub_001", 9.0, score={"rank_deficient": True}),
    record("grid", "cub_002", 5.0),
    record("alpha", "cub_001", 7.0),
    record("alpha", "cub_002", 6.0),
    record("alpha", "deepfashion", 51.0, score=PCK),
    record("beta", "cub_001", 8.0),
    record("beta", "cub_002", None),
    record("beta", "deepfashion", 61.0, score=PCK),
    record("gamma", "cub_001", 1.0, n_images_limit=20),
]


def cells(text):
    """{row label: {column heading: cell}} of the first table in a markdown text."""
    lines = [line for line in text.split("\n\n")[0].splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {line[0]: dict(zip(split[0], line, strict=True)) for line in split[2:]}


def markdown(records, tasks=TASKS):
    return render(rows(records, tasks, "mini"))


def test_a_row_has_every_field_and_only_the_asked_tasks_and_profile():
    other = [record("alpha", "taichi", 1.0), record("alpha", "cub_001", 1.0, profile="paper")]
    (row,) = rows([record("alpha", "cub_001", 7.0), *other], TASKS, "mini")
    assert tuple(plain(row)) == FIELDS
    expected: dict[str, Any] = {
        "method": "alpha",
        "label": "Alpha",
        "task": "cub_001",
        "profile": "mini",
        "kind": "trained",
    }
    expected |= {"protocol": "sk/side", "value": 7.0, "unit": "% side", "higher_is_better": False, "seeds": 1}
    expected |= {"ci_low": 6.5, "ci_high": 7.5, "n_fit": 30, "n_test": 28, "seconds": 4.5, "status": "done"}
    assert {name: plain(row)[name] for name in expected} == expected


def test_seeds_are_averaged_and_their_spread_widens_the_interval():
    several = [record("alpha", "cub_001", value, seed=seed) for seed, value in enumerate((6.0, 7.0, 8.0))]
    (row,) = rows(several, TASKS, "mini")
    assert (row.value, row.seeds) == (7.0, 3)
    # Student's t with 2 degrees of freedom is 4.303; the deviation of 6, 7, 8 is 1; each seed's own half is 0.5.
    half = (0.5**2 + (4.303 / 3**0.5) ** 2) ** 0.5
    assert known(row.ci_high) - 7.0 == pytest.approx(half, abs=1e-3)
    assert 7.0 - known(row.ci_low) == pytest.approx(half, abs=1e-3)
    same = [record("alpha", "cub_001", 7.0, seed=seed) for seed in range(3)]
    (row,) = rows(same, TASKS, "mini")
    assert (row.ci_low, row.ci_high) == (6.5, 7.5)


NOTHING: dict[str, Any] = {"ci_low": None, "ci_high": None}


def test_two_seeds_have_the_images_interval_and_their_own_range():
    two = [record("alpha", "cub_001", value, seed=seed) for seed, value in enumerate((6.0, 9.0))]
    (row,) = rows(two, TASKS, "mini")
    assert (row.value, row.ci_low, row.ci_high, row.seeds_low, row.seeds_high) == (7.5, 7.0, 8.0, 6.0, 9.0)
    assert cells(markdown(two))["Alpha"]["cub_001 (% side) ↓"] == "**7.50** ±0.50 (seeds 6.00 to 9.00)"
    assert "(seeds a to b): the values of two seeds" in markdown(two)
    (one,) = rows(two[:1], TASKS, "mini")
    assert (one.seeds_low, one.seeds_high) == (None, None)


@pytest.mark.parametrize("score", [NOTHING, {"half": 0.0}], ids=["record without", "old record of no width"])
def test_a_value_that_cannot_vary_has_a_dash_and_a_footnote(score):
    lone = [record("alpha", "cub_001", 3.0, score=score)]
    (row,) = rows(lone, TASKS, "mini")
    assert (row.value, row.ci_low, row.ci_high) == (3.0, None, None)
    assert cells(markdown(lone))["Alpha"]["cub_001 (% side) ↓"] == "**3.00** ±–"
    assert "±– no interval, because nothing varies: one test image" in markdown(lone)
    assert "±–" not in markdown([record("alpha", "cub_001", 3.0)])
    (line,) = json.loads(render(rows(lone, TASKS, "mini"), "json"))
    assert (line["ci_low"], line["ci_high"]) == (None, None)
    # Three seeds vary where the one test image does not.
    several = [record("alpha", "cub_001", value, seed, score=score) for seed, value in enumerate((6.0, 7.0, 8.0))]
    (row,) = rows(several, TASKS, "mini")
    assert known(row.ci_high) - 7.0 == pytest.approx(4.303 / 3**0.5, abs=1e-3)


def test_no_interval_reaches_below_0_and_its_half_width_is_that_of_the_spread():
    several = [record("alpha", "cub_001", value, seed=seed) for seed, value in enumerate((1.0, 2.0, 9.0))]
    (row,) = rows(several, TASKS, "mini")
    half = known(row.ci_high) - 4.0
    assert half > 4.0 and row.ci_low == 0.0
    assert cells(markdown(several))["Alpha"]["cub_001 (% side) ↓"] == f"**4.00** ±{half:.2f}"


def test_a_nearly_singular_regression_is_marked():
    def text(condition: float) -> str:
        seeds = [record("alpha", "cub_001", 7.0, 0), record("alpha", "cub_001", 413.0, 1, {"condition": condition})]
        return markdown(seeds)

    assert "‖ the regression is nearly singular" in text(2e6) and "‖" in cells(text(2e6))["Alpha"]["cub_001 (% side) ↓"]
    assert "‖" not in text(9e5)


def test_a_failed_seed_is_counted_and_marked():
    (row,) = rows([record("alpha", "cub_001", 7.0), record("alpha", "cub_001", None, seed=1)], TASKS, "mini")
    assert (row.status, row.value, row.seeds, row.failed_seeds) == ("done", 7.0, 1, 1)
    text = markdown([record("alpha", "cub_001", 7.0), record("alpha", "cub_001", None, seed=1)])
    assert "±0.50‡" in text
    assert "‡ some seeds failed" in text


def test_the_same_seed_on_changed_data_counts_once_with_its_latest_date():
    old = record("alpha", "cub_001", 1.0, provenance={"date": "2026-01-01"}, dataset_digests={"test": "old"})
    new = record("alpha", "cub_001", 2.0, provenance={"date": "2026-01-02"}, dataset_digests={"test": "new"})
    other_seed = record("alpha", "cub_001", 9.0, 1, provenance={"date": "2026-01-01"}, dataset_digests={"test": "old"})
    for order in ([old, new, other_seed], [other_seed, new, old]):
        (row,) = rows(order, TASKS, "mini")
        assert (row.value, row.seeds) == (2.0, 1)


def test_other_settings_are_another_row_that_says_which():
    some = [record("alpha", "cub_001", float(steps), method_config={"steps": steps, "width": 2}) for steps in (5, 9)]
    assert [(row.label, row.value) for row in rows(some, TASKS, "mini")] == [
        ("Alpha [steps=5]", 5.0),
        ("Alpha [steps=9]", 9.0),
    ]


def test_a_setting_that_the_method_has_by_dataset_makes_no_second_row():
    some = [record("alpha", "cub_001", 7.0, method_config={"steps": 9})]
    some += [
        record("alpha", "cub_002", value, seed, method_config={"steps": 5}, by_dataset={"steps": 9})
        for seed, value in enumerate((5.0, 6.0))
    ]
    found = rows(some, TASKS, "mini")
    assert [(row.label, row.value, row.seeds) for row in found] == [
        ("Alpha (steps by dataset)", 7.0, 1),
        ("Alpha (steps by dataset)", 5.5, 2),
    ]
    assert [row.note for row in found] == [None, "Alpha, learned on mini_cub_002: steps=5, elsewhere 9"]
    text = markdown(some)
    assert list(cells(text)) == ["Alpha (steps by dataset)"]
    assert text.count("Alpha, learned on mini_cub_002: steps=5, elsewhere 9") == 1
    set_by_hand = record("alpha", "cub_002", 1.0, method_config={"steps": 2}, method_label="Alpha (steps=2)")
    labels = [row.label for row in rows([*some, set_by_hand], TASKS, "mini")]
    assert labels == ["Alpha (steps by dataset)", "Alpha (steps by dataset)", "Alpha (steps=2)"]


def test_seeds_that_ran_before_the_method_had_a_setting_by_dataset_are_not_averaged_with_later_ones():
    old = [
        record("alpha", "cub_001", 1.0, seed, method_config={"steps": 9}, provenance={"date": "2026-01-01"})
        for seed in range(2)
    ]
    new = record(
        "alpha",
        "cub_001",
        7.0,
        method_config={"steps": 5},
        by_dataset={"steps": 9},
        provenance={"date": "2026-01-02"},
    )
    for order in ([*old, new], [new, *old]):
        (row,) = rows(order, TASKS, "mini")
        assert (row.value, row.seeds) == (7.0, 1)


def test_other_weights_are_told_apart_by_the_first_digits_of_their_hash():
    some = [record("alpha", "cub_001", 1.0, method_identity={"weights_sha256": digit * 64}) for digit in "ab"]
    labels = [row.label for row in rows(some, TASKS, "mini")]
    assert labels == ["Alpha [weights_sha256=aaaaaaaa]", "Alpha [weights_sha256=bbbbbbbb]"]


def test_columns_are_tasks_with_unit_and_direction():
    assert list(cells(markdown(RECORDS))["Alpha"]) == [
        "method",
        "cub_001 (% side) ↓",
        "cub_002 (% side) ↓",
        "deepfashion (PCK@6px %) ↑",
        "seeds",
        "seconds a task",
    ]


def test_best_is_bold_in_its_direction_a_floor_may_be_best_and_a_limited_row_never_is():
    table = cells(markdown(RECORDS))
    bold = {(label, column) for label, line in table.items() for column, cell in line.items() if "**" in cell}
    assert bold == {
        ("Alpha", "cub_001 (% side) ↓"),
        ("Grid", "cub_002 (% side) ↓"),
        ("Beta", "deepfashion (PCK@6px %) ↑"),
    }
    assert table["Gamma (limit 20)"]["cub_001 (% side) ↓"] == "1.00 ±0.50"


def test_a_floor_is_never_best_at_being_predicted():
    score = {"protocol": "sanchez/backward", "protocol_version": PROTOCOLS["sanchez/backward"].version}
    found = [record("grid", "cub_001", 0.0, score=score), record("alpha", "cub_001", 3.0, score=score)]
    table = cells(render(rows(found, TASKS, "mini", "sanchez/backward")))
    assert table["Grid"]["cub_001 (% side) ↓"] == "0.00 ±0.50"
    assert table["Alpha"]["cub_001 (% side) ↓"] == "**3.00** ±0.50"


def test_a_protocol_with_three_digits_is_printed_with_three_and_equal_prints_are_all_bold():
    score = {"protocol": "autolink_released/side", "protocol_version": 1}
    values = {"alpha": 12.337, "beta": 12.26, "grid": 123.4}
    found = [record(name, "cub_001", value, score=score) for name, value in values.items()]
    table = cells(render(rows(found, TASKS, "mini", "autolink_released/side")))
    shown = {label: line["cub_001 (% side) ↓"] for label, line in table.items()}
    assert {name: shown[name] for name in ("Alpha", "Beta", "Grid")} == {
        "Alpha": "**12.3** ±0.5",
        "Beta": "**12.3** ±0.5",
        "Grid": "123 ±0",
    }
    # Programs get every digit.
    assert [row["value"] for row in json.loads(render(rows(found, TASKS, "mini", "all"), "json"))] == [*values.values()]


def test_floors_come_last_under_their_own_heading():
    labels = list(cells(markdown(RECORDS)))
    assert labels[-2:] == ["*floors*", "Grid"]
    assert "*floors*" not in markdown(RECORDS[2:])


def test_methods_are_ordered_by_their_places():
    assert list(cells(markdown(RECORDS)))[:3] == ["Alpha", "Beta", "Gamma (limit 20)"]
    swapped = [record("beta", "cub_001", 1.0), record("alpha", "cub_001", 2.0)]
    assert list(cells(markdown(swapped))) == ["Beta", "Alpha"]


def test_missing_and_failed_cells_and_marks_have_their_signs():
    text = markdown(RECORDS)
    table = cells(text)
    assert table["Beta"]["cub_002 (% side) ↓"] == "failed"
    assert table["Grid"]["deepfashion (PCK@6px %) ↑"] == "–"
    assert table["Grid"]["cub_001 (% side) ↓"] == "9.00 ±0.50†"
    for sign in ("† the regression", "failed: the reason", "(limit N): run on"):
        assert sign in text
    assert "†" not in markdown([record("alpha", "cub_001", 7.0)])


def test_a_task_where_everything_failed_still_has_its_column():
    table = cells(markdown([record("alpha", "cub_001", None), record("alpha", "cub_002", 3.0)]))
    assert table["Alpha"]["cub_001"] == "failed"
    assert table["Alpha"]["cub_002 (% side) ↓"] == "**3.00** ±0.50"


def test_a_cell_without_scores_has_no_row():
    silent = record("alpha", "cub_001", 7.0).model_copy(update={"scores": ()})
    assert rows([silent], TASKS, "mini") == []


def test_csv_and_json_hold_the_same_rows():
    table = rows(RECORDS, TASKS, "mini")
    assert json.loads(render(table, "json")) == [plain(row) for row in table]
    read = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [line["label"] for line in read] == [row.label for row in table]
    assert [float(line["value"] or "nan") for line in read] == pytest.approx(
        [float("nan") if row.value is None else row.value for row in table], nan_ok=True
    )
