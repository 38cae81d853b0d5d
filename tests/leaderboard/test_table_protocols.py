"""Tables of tasks that have scores under several protocols, or under a protocol that has changed."""

from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record, score_of
from tests.leaderboard.test_tables import TASKS, cells, markdown


def several(method, first, *others):
    """A cell with a headline and other protocols."""
    plain = record(method, "cub_001", first)
    added = [score_of(value, protocol=name, unit="%") for name, value in others]
    return plain.model_copy(update={"scores": (*plain.scores, *added)})


BOTH = [
    several("alpha", 7.0, ("strict/side", 3.0), ("strict/box", 4.0)),
    several("beta", 8.0, ("strict/side", 2.0), ("strict/box", 5.0)),
]


def test_the_first_protocol_is_the_headline_and_alone_in_a_table():
    assert [(row.protocol, row.value) for row in rows(BOTH, TASKS, "mini")] == [
        ("sk/side", 7.0),
        ("sk/side", 8.0),
    ]
    assert list(cells(markdown(BOTH))["Alpha"])[1] == "cub_001 (% side) ↓"


def test_one_protocol_a_family_or_all_can_be_asked_for():
    found = {name: rows(BOTH, TASKS, "mini", name) for name in ("strict/box", "strict", "all", "scops")}
    assert [row.value for row in found["strict/box"]] == [4.0, 5.0]
    assert [row.value for row in found["strict"]] == [3.0, 4.0, 2.0, 5.0]
    assert [row.value for row in found["all"]] == [7.0, 3.0, 4.0, 8.0, 2.0, 5.0]
    assert found["scops"] == []


def test_two_protocols_of_a_task_are_two_columns_each_with_its_own_best():
    failed = record("gamma", "cub_001", None)
    table = cells(render(rows([*BOTH, failed], TASKS, "mini", "strict")))
    assert table["Alpha"]["cub_001 strict/side (%) ↓"] == "3.00 ±0.50"
    assert table["Beta"]["cub_001 strict/side (%) ↓"] == "**2.00** ±0.50"
    assert table["Alpha"]["cub_001 strict/box (%) ↓"] == "**4.00** ±0.50"
    assert table["Gamma"]["cub_001 strict/side (%) ↓"] == table["Gamma"]["cub_001 strict/box (%) ↓"] == "failed"


def test_a_score_of_another_protocol_version_is_marked_and_never_best():
    old = record("beta", "cub_001", 1.0, score={"protocol_version": 7})
    gone = record("gamma", "cub_001", 2.0, score={"protocol": "retired/side"})
    found = rows([record("alpha", "cub_001", 7.0), old, gone], TASKS, "mini")
    assert [row.outdated for row in found] == [False, True, True]
    text = render(found)
    table = cells(text)
    assert table["Alpha"]["cub_001 sk/side (% side) ↓"] == "**7.00** ±0.50"
    assert table["Beta"]["cub_001 sk/side (% side) ↓"] == "1.00 ±0.50§"
    assert "§ scored under another version" in text
