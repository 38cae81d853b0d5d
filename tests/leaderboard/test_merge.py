"""A run merged into a committed list."""

from zlib import crc32

from leaderboard.load import as_committed
from leaderboard.merge import merge
from leaderboard.records import Variant
from tests.leaderboard.synthetic import record


def one(task="cub_001", value=7.0, seed=0, cell="", **changes):
    """A record of the method alpha; ``cell`` is its id, by default one of its own for each place and setting."""
    number = crc32(repr((task, seed, changes)).encode())
    return record("alpha", task, value, seed, cell_id=cell or f"alpha--{number:08x}", **changes)


def values(merged):
    return sorted((each.task, each.seed, each.scores[0].value) for each in merged.records)


def test_a_run_of_one_task_keeps_all_other_results():
    old = [one(task, 7.0, seed) for task in ("cub_001", "cub_002") for seed in range(3)]
    merged = merge(old, [one("cub_001", 5.0, 1), one("cub_003", 4.0)])
    assert values(merged) == sorted(
        [(each.task, each.seed, 7.0) for each in old if (each.task, each.seed) != ("cub_001", 1)]
        + [("cub_001", 1, 5.0), ("cub_003", 0, 4.0)]
    )
    assert merged.counts() == "1 added, 1 replaced, 5 kept"


def test_a_new_cell_id_takes_the_place_of_the_old_one():
    old = [one(cell="before", dataset_digests={"test": "a"}, method_version="1")]
    merged = merge(old, [one(value=5.0, cell="after", dataset_digests={"test": "b"}, method_version="2")])
    assert [each.cell_id for each in merged.records] == ["after"]
    assert merged.counts() == "0 added, 1 replaced, 0 kept"


def test_ablations_kinds_labels_and_settings_have_rows_of_their_own():
    config = {"steps": 5}
    variants = [
        one(method_config=config),
        one(method_config={"steps": 9}),
        one(method_config=config, variant=Variant(name="plain", full={})),
        one(method_config=config, provenance={"kind": "scored"}),
        one(method_config=config, method_label="Alpha (features=pixels)"),
        one(method_config=config, method_identity={"weights_sha256": "a"}),
        one(method_config=config, profile="paper"),
    ]
    for number, each in enumerate(variants):
        others = variants[:number] + variants[number + 1 :]
        if each.method_identity or number == 0:  # weights that only one of two records names tell nothing apart
            others = [other for other in others if other is not variants[0] and not other.method_identity]
        merged = merge(others, [each])
        assert merged.counts() == f"1 added, 0 replaced, {len(others)} kept"


def test_a_setting_that_an_older_version_did_not_have_makes_no_new_row():
    old = [one(cell="old", method_config={"steps": 5, "gone": 1})]
    merged = merge(old, [one(cell="new", value=6.0, method_config={"steps": 5, "fresh": 2})])
    assert [each.cell_id for each in merged.records] == ["new"]


def test_the_same_results_again_are_kept():
    records = [one(seed=seed, value=100 / 3, method_config={"model": "/home/me/small"}) for seed in range(3)]
    old = [as_committed(each) for each in records]
    merged = merge(old, records)
    assert merged.counts() == "0 added, 0 replaced, 3 kept"
    assert sorted(merged.records, key=str) == sorted(old, key=str)


def test_of_two_runs_of_a_cell_the_later_counts():
    dates = [one(cell=day, value=float(day), provenance={"date": f"2026-01-0{day}"}) for day in "21"]
    for order in (dates, dates[::-1]):
        assert [each.cell_id for each in merge([], order).records] == ["2"]


def test_only_replace_removes():
    old = [one("cub_001"), one("cub_002")]
    merged = merge(old, [one("cub_001", 5.0)], replace=True)
    assert values(merged) == [("cub_001", 0, 5.0)]
    assert merged.counts() == "0 added, 1 replaced, 0 kept, 1 removed"
