"""One broken file of a run directory stops no cell; a failure never takes the place of a finished record."""

import json
import re
import shutil
from dataclasses import replace
from unittest.mock import Mock

import pyarrow.parquet as pq
import pytest

from benchmarks.records.store import Store
from metrics.protocols import PROTOCOLS
from tests.benchmarks.run.toy_process import records


def cell_files(folder):
    """The bytes of what the cells consist of, but for the record."""
    return {path.name: path.read_bytes() for path in folder.glob("runs/cells/*/*") if path.name != "result.json"}


def break_file(path, how):
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    else:
        texts = {"empty": b"", "truncated": whole[: len(whole) // 2], "another's": b"[1]"}
        path.write_bytes(texts[how])


@pytest.mark.parametrize("how", ["truncated", "a folder"])
@pytest.mark.parametrize("name", ["fit.json", "history.parquet", "state.json"])
def test_a_fit_with_a_broken_file_is_made_again(tmp_path, run_toy, name, how):
    run_toy(tmp_path, "--no-floors")
    before = cell_files(tmp_path)
    (path,) = tmp_path.glob(f"runs/fits/*/{name}")
    break_file(path, how)
    shutil.rmtree(tmp_path / "runs" / "cells")
    again = run_toy(tmp_path, "--no-floors")
    assert again.status == 0, again.err
    assert f"{path.parent.name}" in again.out
    assert not records(tmp_path)["toy_colours"]["provenance"]["fit_reused"]
    assert cell_files(tmp_path) == before
    assert json.loads((path.parent / "fit.json").read_text())["seconds"] >= 0
    assert pq.read_table(path.parent / "history.parquet").num_rows == 5
    shutil.rmtree(tmp_path / "runs" / "cells")
    run_toy(tmp_path, "--no-floors")
    assert records(tmp_path)["toy_colours"]["provenance"]["fit_reused"]


@pytest.mark.parametrize("text", ["", "[1]", *(f'{{"seconds": {each}}}' for each in ("NaN", '"x"'))])
def test_a_fit_without_seconds_is_made_again(tmp_path, run_toy, text):
    run_toy(tmp_path, "--no-floors")
    (path,) = tmp_path.glob("runs/fits/*/fit.json")
    path.write_text(text)
    shutil.rmtree(tmp_path / "runs" / "cells")
    assert run_toy(tmp_path, "--no-floors").status == 0
    assert not records(tmp_path)["toy_colours"]["provenance"]["fit_reused"]


@pytest.mark.parametrize(
    ("split", "how"), [("regress", "missing"), ("test", "empty"), ("test", "truncated"), ("test", "another's")]
)
def test_scoring_again_makes_broken_predictions_again(tmp_path, run_toy, monkeypatch, split, how):
    run_toy(tmp_path, "--no-floors")
    before = cell_files(tmp_path)
    break_file(next(tmp_path.glob(f"runs/cells/*/predictions_{split}.parquet")), how)
    monkeypatch.setitem(PROTOCOLS, "sk/side", replace(PROTOCOLS["sk/side"], version=99))
    again = run_toy(tmp_path, "--no-floors")
    assert again.status == 0, again.err
    assert records(tmp_path)["toy_colours"]["scores"][0]["protocol_version"] == 99
    assert cell_files(tmp_path) == before


def test_a_failure_does_not_replace_a_finished_record(tmp_path, run_toy, toys, monkeypatch):
    run_toy(tmp_path, "--no-floors")
    (path,) = tmp_path.glob("runs/cells/*/result.json")
    before = path.read_bytes()
    monkeypatch.setattr(toys.Colours, "fit", None)
    again = run_toy(tmp_path, "--no-floors", "--overwrite", "all")
    assert again.status == 1
    assert "the record of an earlier run" in again.out
    assert re.search(r"^toy +failed$", again.out, re.M)
    assert path.read_bytes() == before
    assert run_toy(tmp_path, "--no-floors").status == 0


def test_scoring_that_fails_does_not_replace_a_finished_record(tmp_path, run_toy, toys, monkeypatch):
    run_toy(tmp_path, "--no-floors")
    (path,) = tmp_path.glob("runs/cells/*/result.json")
    before = path.read_bytes(), cell_files(tmp_path)
    monkeypatch.setitem(PROTOCOLS, "sk/side", replace(PROTOCOLS["sk/side"], version=99))
    with monkeypatch.context() as patched:
        patched.setattr(toys, "MIX", None)
        assert run_toy(tmp_path, "--no-floors").status == 1
    assert (path.read_bytes(), cell_files(tmp_path)) == before
    assert run_toy(tmp_path, "--no-floors").status == 0
    assert records(tmp_path)["toy_colours"]["scores"][0]["protocol_version"] == 99


def test_a_failure_replaces_a_failure(tmp_path, run_toy, toys, monkeypatch):
    for error in (ValueError("first"), ValueError("second")):
        with monkeypatch.context() as patched:
            patched.setattr(toys.Colours, "fit", Mock(side_effect=error))
            assert run_toy(tmp_path, "--no-floors").status == 1
        assert records(tmp_path)["toy_colours"]["failure"]["message"] == str(error)
    assert run_toy(tmp_path, "--no-floors").status == 0
    assert records(tmp_path)["toy_colours"]["status"] == "done"


@pytest.fixture
def second(tmp_path, run_toy, toys, monkeypatch):
    """Call a run of the same command, from begin to end, within the first call of a function of the toy method.

    It takes over the claims of the first run, as from a process that was suspended for long.
    """

    def patch(name, *options):
        function = getattr(toys.Colours, name)
        statuses: list[int] = []

        def calling(self, *arguments):
            if not statuses:
                statuses.append(-1)
                shutil.rmtree(tmp_path / "runs" / "claims")
                statuses[0] = run_toy(tmp_path, "--no-floors", *options).status
            return function(self, *arguments)

        monkeypatch.setattr(toys.Colours, name, calling)
        return statuses

    return patch


@pytest.mark.parametrize("options", [(), ("--overwrite", "all")])
@pytest.mark.parametrize("name", ["fit", "save", "predict"])
def test_another_run_that_begins_and_ends_meanwhile_costs_nothing(tmp_path, run_toy, second, name, options):
    statuses = second(name, *options)
    assert run_toy(tmp_path, "--no-floors", *options).status == 0
    assert statuses == [0]
    record = records(tmp_path)["toy_colours"]
    assert record["status"] == "done"
    assert record["provenance"]["fit_reused"] == (name == "predict" and not options)  # the other one found it there
    assert not (tmp_path / "runs" / "partial").exists()
    assert not list((tmp_path / "runs" / "staging").iterdir())


def test_folders_that_vanish_are_made_again(tmp_path, run_toy, toys, monkeypatch):
    predict, count = toys.Colours.predict, 0

    def tidy(self, batch):
        nonlocal count
        count += 1
        for name in ("cells", "partial", "leaderboard", "claims") if count <= 2 else ():
            shutil.rmtree(tmp_path / "runs" / name, ignore_errors=True)
        return predict(self, batch)

    monkeypatch.setattr(toys.Colours, "predict", tidy)
    done = run_toy(tmp_path, "--no-floors")
    assert done.status == 0, done.err
    assert Store(tmp_path / "runs").record(next((tmp_path / "runs" / "cells").iterdir()).name)
