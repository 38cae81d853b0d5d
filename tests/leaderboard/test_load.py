import json
import re

import pytest

from leaderboard.errors import LeaderboardError
from leaderboard.load import RESULTS, load_records, load_results
from leaderboard.records import Failure
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record, save_results, score_of


def write_cell(runs, name, text):
    folder = runs / "cells" / name
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(text, encoding="utf-8")


def test_records_come_back_as_they_were(tmp_path):
    records = [record("alpha", "cub_001", 7.0), record("alpha", "cub_002", None)]
    for number, each in enumerate(records):
        write_cell(tmp_path, str(number), each.model_dump_json())
    (tmp_path / "cells" / "unfinished").mkdir()
    assert load_records(tmp_path) == records


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ('{"schema_version": 1', "Expecting ',' delimiter"),
        ("[]", "record: Input should be"),
        ('{"schema_version": 1}', "status: Field required"),
        ("\u00ff", "Expecting value"),
        ("[" * 200_000, "recursion"),
        ('{"a": ' * 400 + "1" + "}" * 400, "nested more than 50 deep"),
        (record("alpha", "cub_001", 7.0).model_dump_json()[:-100], "EOF|Expecting|Unterminated"),
        (record("alpha", "cub_001", 7.0).model_dump_json().replace('"value":7.0', '"value":NaN'), "number nan"),
        (record("alpha", "cub_001", 7.0, method_label="a\x1b]0;b").model_dump_json(), "method_label has the character"),
        (record("alpha", "a\u202eb", 7.0).model_dump_json(), "has the character U\\+202E"),
        (record("a" * 1001, "cub_001", 7.0).model_dump_json(), "has 10[0-9]+ characters"),
        ('{"\\u001b[31m": 1}', "Field required|Extra"),
    ],
)
def test_an_unreadable_record_is_named_and_skipped(tmp_path, text, reason):
    good = record("alpha", "cub_001", 7.0)
    write_cell(tmp_path, "a", text)
    write_cell(tmp_path, "b", good.model_dump_json())
    said: list[str] = []
    assert load_records(tmp_path, said.append) == [good]
    assert len(said) == 1
    assert str(tmp_path / "cells" / "a" / "result.json") in said[0]
    assert re.search(reason, said[0])
    assert said[0].isprintable()


def test_a_warning_goes_to_stderr_by_default(tmp_path, capsys):
    write_cell(tmp_path, "a", "?")
    load_records(tmp_path)
    assert capsys.readouterr().err.startswith("skipped ")


def test_a_record_of_a_newer_schema_is_refused(tmp_path):
    newer = record("alpha", "cub_001", 7.0).model_dump(mode="json") | {"schema_version": 99, "colour": "blue"}
    write_cell(tmp_path, "a", json.dumps(newer))
    with pytest.raises(LeaderboardError, match="schema_version 99, this code reads up to 5"):
        load_records(tmp_path)


def test_a_folder_without_cells_is_an_error(tmp_path):
    with pytest.raises(LeaderboardError, match=r"no folder .*cells"):
        load_records(tmp_path)


def test_committed_lists_keep_everything_but_local_traces(tmp_path):
    done = record("alpha", "cub_001", 7.0, provenance={"argv": ["run", "--output", "/somewhere"], "git_sha": "f00"})
    failed = record("beta", "cub_001", None)
    save_results([failed, done], tmp_path / "new" / "wild.json")
    save_results([done], tmp_path / "new" / "other.json")
    text = (tmp_path / "new" / "wild.json").read_text(encoding="utf-8")
    assert "/somewhere" not in text
    assert "at line 1" not in text
    back = load_results(tmp_path / "new")
    assert [each.cell_id for each in back] == [done.cell_id, failed.cell_id]
    assert back[0] == done.model_copy(update={"provenance": {"git_sha": "f00"}})
    assert back[1].failure == Failure(type="ValueError", message="no light", traceback="")


def test_committed_lists_name_no_folder_of_the_machine(tmp_path):
    paths = {"model": "/home/me/models/small", "near": "~/w", "hub": "owner/name-v1-5", "link": "https://a.org/b/c"}
    local = record(
        "alpha",
        "cub_001",
        7.0,
        method_config=paths | {"several": ["/a/b.json", "sk/side", 3]},
        method_label="Alpha (model=/home/me/models/small, steps=3)",
    )
    save_results([local], tmp_path / "wild.json")
    (back,) = load_results(tmp_path)
    assert back.method_config == {
        "model": "small",
        "near": "w",
        "hub": "owner/name-v1-5",
        "link": "https://a.org/b/c",
        "several": ["b.json", "sk/side", 3],
    }
    assert back.method_label == "Alpha (model=small, steps=3)"
    assert back.scores == local.scores


@pytest.mark.parametrize("text", ["{}x", '{"a": 1}', "3"])
def test_a_broken_committed_list_is_an_error(tmp_path, text):
    (tmp_path / "wild.json").write_text(text, encoding="utf-8")
    with pytest.raises(LeaderboardError, match=r"wild\.json is not a list of records"):
        load_results(tmp_path)


def test_committed_lists_are_short_and_say_what_the_tables_need(tmp_path):
    headline = score_of(100 / 3, per_landmark=(1 / 3, None))
    other = score_of(1e-7 / 3, protocol="strict/side", per_landmark=(2 / 3, 0.5))
    full = record("alpha", "cub_001", 7.0).model_copy(update={"scores": (headline, other)})
    save_results([full], tmp_path / "wild.json")
    (back,) = load_results(tmp_path)
    assert back.scores[0].value == 33.333333
    assert back.scores[0].per_landmark == (0.33333333, None)
    assert back.scores[1].value == 3.3333333e-8
    assert back.scores[1].per_landmark == ()
    assert (back.scores[1].rows, back.scores[1].rank) == (other.rows, other.rank)
    assert render(rows([back], ["cub_001"], "mini", "all")) == render(rows([full], ["cub_001"], "mini", "all"))


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_list_that_is_read_and_written_stays_as_it_is(path, tmp_path):
    save_results(load_results(RESULTS, path.stem), tmp_path / path.name)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()
