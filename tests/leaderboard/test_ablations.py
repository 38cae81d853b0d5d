"""Tables of ablations: which records they hold, and what a change is worth."""

from __future__ import annotations

import pytest

from leaderboard import readme
from leaderboard.errors import LeaderboardError
from leaderboard.load import load_results
from leaderboard.published import reported_rows
from leaderboard.records import ResultRecord, Variant
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import commit, record, score_of, suites

TASKS = ("cub_all",)
SUITES = suites(wild=("cub_all", "cub_001"), ablation=TASKS)


def full(value: float | None, seed: int = 0, **changes) -> ResultRecord:
    return record("alpha", "cub_all", value, seed, **{"method_config": {"sigma": 2, "blur": True}, **changes})


def ablated(name: str, value: float | None, seed: int = 0, config=None, was=None, note="", **changes) -> ResultRecord:
    return record(
        "alpha",
        "cub_all",
        value,
        seed,
        cell_id=f"alpha--cub_all--mini--s{seed}--{name}",
        method_label=f"Alpha, {name}",
        method_config=config or {"sigma": 2, "blur": False},
        variant=Variant(name=name, full=was or {"blur": True}, note=note),
        **changes,
    )


def of(found, label):
    (row,) = [row for row in found if row.label == label]
    return row


def test_a_change_is_taken_seed_by_seed():
    records = [full(value, seed) for seed, value in enumerate((7.0, 9.0, 5.0))]
    records += [ablated("plain", value, seed) for seed, value in enumerate((8.0, 11.0, 8.0))]
    row = of(rows(records, TASKS, "mini", ablations=True), "Alpha, plain")
    # Differences 1, 2, 3: mean 2, deviation 1; Student's t with 2 degrees of freedom is 4.303.
    assert (row.variant, row.value, row.change) == ("plain", 9.0, pytest.approx(2.0))
    assert row.change_high - 2 == pytest.approx(4.303 / 3**0.5, abs=1e-3)
    assert 2 - row.change_low == pytest.approx(4.303 / 3**0.5, abs=1e-3)
    assert of(rows(records, TASKS, "mini", ablations=True), "Alpha").change is None
    two = of(rows([each for each in records if each.seed < 2], TASKS, "mini", ablations=True), "Alpha, plain")
    assert (two.change, two.change_low, two.change_high) == (pytest.approx(1.5), None, None)  # too few for Student's t


def test_seeds_that_only_one_of_them_has_or_that_saw_other_data_do_not_count():
    records = [full(7.0), full(None, 1), full(1.0, 2, dataset_digests={"test": "old"})]
    records += [ablated("plain", 8.0), ablated("plain", 3.0, 1), ablated("plain", 4.0, 2)]
    row = of(rows(records, TASKS, "mini", ablations=True), "Alpha, plain")
    assert (row.change, row.change_low, row.change_high) == (1.0, None, None)
    assert "| +1.00 |" in " ".join(render([row]).split())


def test_without_the_method_as_it_is_there_is_no_change():
    other = full(7.0, method_config={"sigma": 3, "blur": True}, method_label="Alpha (sigma=3)")
    (row,) = rows([ablated("plain", 8.0), other], TASKS, "mini", ablations=True)
    assert (row.label, row.change) == ("Alpha, plain", None)


def test_each_protocol_has_its_own_change():
    def twice(one: ResultRecord, value: float) -> ResultRecord:
        return one.model_copy(update={"scores": (*one.scores, score_of(value, protocol="strict/side"))})

    records = [twice(full(7.0), 3.0), twice(ablated("plain", 8.0), 2.5)]
    found = [row for row in rows(records, TASKS, "mini", "all", ablations=True) if row.variant]
    assert {row.protocol: row.change for row in found} == {"sk/side": 1.0, "strict/side": -0.5}


def test_two_families_of_settings_are_each_compared_with_their_own():
    far = {"sigma": 9, "blur": True}
    records = [full(7.0), full(20.0, method_config=far, method_label="Alpha (sigma=9)"), ablated("plain", 8.0)]
    plain_far = ablated("plain", 26.0, config={**far, "blur": False})
    records.append(plain_far.model_copy(update={"method_label": "Alpha (sigma=9), plain", "cell_id": "far"}))
    found = rows(records, TASKS, "mini", ablations=True)
    assert of(found, "Alpha, plain").change == 1.0
    assert of(found, "Alpha (sigma=9), plain").change == 6.0


def test_a_table_of_ablations_holds_them_their_method_and_floors_and_no_other_table_does():
    floor, stranger = record("grid", "cub_all", 20.0), record("beta", "cub_all", 6.0)
    records = [full(7.0), ablated("plain", 8.0), floor, stranger]
    assert {row.label for row in rows(records, TASKS, "mini", ablations=True)} == {"Alpha", "Alpha, plain", "Grid"}
    assert {row.label for row in rows(records, TASKS, "mini")} == {"Alpha", "Beta", "Grid"}
    elsewhere = [record("alpha", "cub_001", 7.0, method_config=full(7.0).method_config), record("grid", "cub_001", 9.0)]
    both = rows([*records, *elsewhere], ("cub_all", "cub_001"), "mini", ablations=True)
    assert {row.task for row in both} == {"cub_all"}
    assert rows([full(7.0), floor, stranger], TASKS, "mini", ablations=True) == []


def test_the_text_has_a_column_of_changes_and_the_notes():
    records = [full(7.0), ablated("plain", 8.25, note="Blur is on as a rule"), record("grid", "cub_all", 20.0)]
    text = render(rows(records, TASKS, "mini", ablations=True))
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert [line[:3] for line in (table[0], *table[2:])] == [
        ["method", "cub_all (% side) ↓", "change"],
        ["Alpha", "**7.00** ±0.50", ""],
        ["Alpha, plain", "8.25 ±0.50", "+1.25"],
        ["*floors*", "", ""],
        ["Grid", "20.00 ±0.50", ""],
    ]
    assert "Blur is on as a rule" in text and "change: the value minus" in text
    assert "change" not in render(rows(records, TASKS, "mini"))


def test_the_paper_has_table_4_and_only_there():
    found = reported_rows(TASKS, ablations=True)
    assert {row.label: row.printed for row in found} == {
        "Stable Keypoints": "5.4",
        "Stable Keypoints, without test-time ensembling": "5.6",
        "Stable Keypoints, without furthest point sampling": "6.4",
        "Stable Keypoints, without query upsampling": "8.0",
        "Stable Keypoints, without equivariance": "22.2",
    }
    assert not {row.label for row in reported_rows(TASKS)} & ({row.label for row in found} - {"Stable Keypoints"})
    text = render(
        rows([full(7.0, profile="paper"), ablated("x", 8.0, profile="paper")], TASKS, "paper", ablations=True)
    )
    assert "Reported by the papers" in text and "22.2" in text and "SCOPS" not in text


PAGE = (
    "<!-- leaderboard:mini:wild -->\n<!-- /leaderboard -->\n<!-- leaderboard:mini:ablation -->\n<!-- /leaderboard -->\n"
)


def test_a_readme_shows_ablations_in_their_block_alone(tmp_path):
    page, results = tmp_path / "README.md", tmp_path / "results"
    page.write_text(PAGE)
    first = [full(7.0), record("grid", "cub_all", 20.0), record("beta", "cub_001", 5.0)]
    studied = [full(6.0, 1), ablated("plain", 8.0), ablated("plain", 9.0, 1)]
    assert commit([page], [*first, *studied], SUITES, results) == {
        results / "wild.mini.json": 4,
        results / "ablation.mini.json": 5,
    }
    readme.update([page], SUITES, results)
    wild, ablation = page.read_text().split("<!-- leaderboard:mini:ablation -->")
    assert "plain" not in wild and "Beta" in wild
    assert "Alpha, plain" in ablation and "+2.00" in ablation and "Beta" not in ablation
    assert readme.check(page, SUITES, results) == []
    assert len(load_results(results)) == 6
    # What was measured for one block is not shown in another: the run has no ablation of its own.
    assert commit([page], first, SUITES, results, replace=True) == {results / "wild.mini.json": 3}
    assert readme.check(page, SUITES, results) == ["mini:wild"]


def test_a_block_of_ablations_needs_some(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(PAGE[PAGE.index("\n<!-- leaderboard:mini:ab") + 1 :])
    with pytest.raises(LeaderboardError, match="none of the records"):
        commit([page], [full(7.0)], SUITES, tmp_path / "results")
    with pytest.raises(LeaderboardError, match="no results for block mini:ablation"):
        readme.check(page, SUITES, tmp_path / "results")
