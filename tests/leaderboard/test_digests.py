"""Digests of records: any change of a value is noticed, in a run directory and in a committed list."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import readme
from leaderboard.digests import ChangedError, check_digest, content_digest, sealed
from leaderboard.errors import LeaderboardError
from leaderboard.load import as_committed, list_text, load_records, load_results, read_record
from leaderboard.merge import merge
from leaderboard.records import SCHEMA_VERSION, Digests, ResultRecord
from tests.leaderboard.synthetic import record, save_results, suites

FULL = record("alpha", "cub_001", 7.0, provenance={"git_sha": "f00", "argv": ["run"]}, method_config={"a": [1, 2.5]})
FULL = FULL.model_copy(update={"digests": Digests(files={"errors.parquet": "0" * 64}, fit="1" * 64)})
WRITTEN = json.loads(sealed(FULL).model_dump_json())


def leaves(plain: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all numbers, texts and nulls in plain data."""
    if isinstance(plain, dict):
        return [found for name, value in plain.items() for found in leaves(value, (*path, name))]
    if isinstance(plain, list):
        return [found for index, value in enumerate(plain) for found in leaves(value, (*path, index))]
    return [path]


def changed(plain: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(plain))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copy


def write(folder: Path, plain: Any) -> Path:
    (folder / FULL.cell_id).mkdir(parents=True, exist_ok=True)
    path = folder / FULL.cell_id / "result.json"
    path.write_text(json.dumps(plain), encoding="utf-8")
    return path


def test_a_record_comes_back_whole_whatever_the_order_and_spacing_of_its_fields(tmp_path):
    assert WRITTEN["schema_version"] == SCHEMA_VERSION and re.fullmatch("[0-9a-f]{64}", WRITTEN["digest"])
    path = write(tmp_path / "cells", dict(reversed(WRITTEN.items())))
    assert read_record(path).model_dump(mode="json") == WRITTEN
    path.write_text(json.dumps(WRITTEN, indent=4), encoding="utf-8")
    assert load_records(tmp_path) == [read_record(path)]


@given(st.sampled_from(leaves(WRITTEN)), st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.none()))
def test_any_other_value_in_any_place_is_noticed_or_no_record(path, value):
    plain = changed(WRITTEN, path, value)
    try:
        found = ResultRecord.model_validate(plain)
    except ValueError:
        return
    if found.model_dump(mode="json") == WRITTEN:
        return
    with pytest.raises(ChangedError, match="has changed since it was recorded|has lost its digest"):
        check_digest(found)


def test_a_record_without_its_digest_or_with_less_in_it_is_noticed(tmp_path):
    for name in ("digest", "digests", "failure", "seconds", "by_dataset"):
        less = {key: value for key, value in WRITTEN.items() if key != name}
        said: list[str] = []
        path = write(tmp_path / "cells", less)
        assert load_records(tmp_path, said.append) == []
        assert len(said) == 1
        why = "has lost its digest" if name == "digest" else "has changed since it was recorded"
        assert said[0].startswith(f"left out {path.parent}: result.json {why}; run it again")


def test_the_record_of_another_cell_is_noticed(tmp_path):
    path = write(tmp_path / "cells", WRITTEN)
    path.parent.rename(path.parent.with_name("other"))
    said: list[str] = []
    assert load_records(tmp_path, said.append) == []
    assert f"result.json is the record of another cell, {FULL.cell_id}" in said[0]


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_records_of_older_versions_have_no_digest_and_count(tmp_path, version):
    old = record("alpha", "cub_001", 7.0, schema_version=version)
    plain = json.loads(old.model_dump_json(exclude={"digest", "digests", *(["saw_landmarks"] if version < 4 else [])}))
    write(tmp_path / "cells", plain)
    assert load_records(tmp_path) == [old]
    save_results([old], tmp_path / "wild.mini.json")
    assert "digest" not in json.loads((tmp_path / "wild.mini.json").read_text())[0]
    assert load_results(tmp_path) == [old]


def test_fields_that_later_versions_add_leave_digests_as_they_are():
    class Later(ResultRecord):
        colour: str = "blue"

    assert content_digest(Later.model_validate(WRITTEN)) == WRITTEN["digest"]


def test_a_committed_record_has_the_digest_of_its_shorter_form(tmp_path):
    long = FULL.model_copy(update={"seconds": {"fit": 1 / 3}})
    merged = merge([], [long, record("beta", "cub_001", 5.0)])
    (tmp_path / "wild.mini.json").write_text(list_text(merged.records), encoding="utf-8")
    entries = json.loads((tmp_path / "wild.mini.json").read_text())
    assert all(entry["digest"] and "digests" not in entry for entry in entries)
    assert {each.seconds["fit"] for each in load_results(tmp_path)} == {0.33333333, 3.0}
    save_results(load_results(tmp_path), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "wild.mini.json").read_text()
    assert merge(load_results(tmp_path), [long]).counts() == "0 added, 0 replaced, 2 kept"


def test_a_run_that_was_committed_before_digests_is_kept_and_gets_one():
    old = record("alpha", "cub_001", 7.0)
    merged = merge([ResultRecord.model_validate(json.loads(list_text([old]))[0])], [old])
    assert merged.counts() == "0 added, 0 replaced, 1 kept"
    assert merged.records[0].digest == as_committed(old).digest is not None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scores", 0, "value"), 1.23),
        (("method_label",), "Another"),
        (("provenance", "git_sha"), "abc"),
        (("seconds", "fit"), 1),
    ],
)
def test_a_value_changed_in_a_committed_list_is_named(tmp_path, path, value):
    page = tmp_path / "page.md"
    page.write_text("<!-- leaderboard:mini:wild -->\n<!-- /leaderboard -->\n", encoding="utf-8")
    file, known = tmp_path / "wild.mini.json", suites(wild=("cub_001",))
    entries = json.loads(list_text(merge([], [FULL]).records))
    file.write_text(json.dumps([changed(entries[0], path, value)]), encoding="utf-8")
    message = f"wild.mini.json: the record of {FULL.cell_id} has changed since it was recorded; restore the file"
    for read in (
        lambda: load_results(tmp_path),
        lambda: readme.check(page, known, tmp_path),
        lambda: readme.unclean(tmp_path),
        lambda: readme.update([page], known, tmp_path),
    ):
        with pytest.raises(LeaderboardError, match=message):
            read()
