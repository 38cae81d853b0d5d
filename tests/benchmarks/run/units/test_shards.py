"""Whatever the size of the shards and whoever does them, the same bytes are kept."""

import json
import weakref

import numpy as np
import pytest

from benchmarks.records.store import read_predictions
from methods.base import Method
from tests.benchmarks.run.units.conftest import kept


@pytest.fixture
def whole(tmp_path_factory, run_toy):
    """What a run keeps that does each split as one shard."""
    folder = tmp_path_factory.mktemp("whole")
    assert run_toy(folder, task="toy_many").status == 0
    return kept(folder)


@pytest.mark.parametrize("size", [1, 7, 16, 43])
def test_shards_of_any_size_give_the_same_bytes(tmp_path, run_toy, whole, size):
    assert run_toy(tmp_path, "--shard-size", str(size), task="toy_many").status == 0
    assert kept(tmp_path) == whole and len(whole) > 12
    assert not (tmp_path / "runs" / "partial").exists()


def test_a_model_that_rounds_by_batch_gives_the_same_bits_in_every_shard(tmp_path, run_toy, toys, monkeypatch):
    """Sums over a batch are the extreme case of arithmetic that depends on which images are together."""
    plain = toys.Colours.predict

    def predict(self, batch):
        return plain(self, batch) + 1e-9 * batch.pixels.sum(dtype=np.float64)

    monkeypatch.setattr(toys.Colours, "predict", predict)
    found = []
    for size in (1, 7, 2048):
        folder = tmp_path / str(size)
        folder.mkdir()
        assert run_toy(folder, "--no-floors", "--shard-size", str(size), task="toy_many").status == 0
        (cell,) = (folder / "runs" / "cells").iterdir()
        found.append([read_predictions(cell, split)[1].tobytes() for split in ("regress", "test")])
    assert found[0] == found[1] == found[2]


def test_units_in_any_order_of_a_stage_give_the_same_bytes(tmp_path, run_toy, command, whole):
    options = ["--emit", "plan", "--shard-size", "11"]
    assert run_toy(tmp_path, *options, task="toy_many").status == 0
    units = json.loads((tmp_path / "runs" / "plan.json").read_text())["units"]
    order = sorted(
        range(len(units)), key=lambda number: (["fit", "predict", "score"].index(units[number]["stage"]), -number)
    )
    for number in order:
        status, _, err = command(
            "work", str(tmp_path / "runs" / "plan.json"), "--unit", str(number), "--output", str(tmp_path / "runs")
        )
        assert status == 0, err
    again = run_toy(tmp_path, task="toy_many")
    assert again.status == 0 and again.out.count("finished before") == 4, again.out
    assert kept(tmp_path) == whole


def test_one_model_at_a_time_is_in_memory(tmp_path, run_toy, toys, monkeypatch):
    made: list[weakref.ref[Method]] = []
    others: list[int] = []

    def note(method):
        others.append([each() is not None for each in made if each() is not method].count(True))
        made.append(weakref.ref(method))

    for name in ("fit", "load"):
        plain = getattr(toys.Colours, name)
        monkeypatch.setattr(toys.Colours, name, lambda self, *given, _plain=plain: (note(self), _plain(self, *given)))
    assert run_toy(tmp_path, "--no-floors", "--seeds", "3").status == 0
    assert run_toy(tmp_path, "--no-floors", "--seeds", "3", "--task", "toy_transfer").status == 0
    assert len(made) > 3 and set(others) == {0}


def test_a_broken_fit_is_told_once(tmp_path, run_toy):
    assert run_toy(tmp_path, "--no-floors").status == 0
    (state,) = tmp_path.glob("runs/fits/*/state.json")
    state.write_text("4")
    assert run_toy(tmp_path, "--no-floors").out.count("fitted again") == 1


def test_a_method_that_saves_nothing_is_fitted_by_each_process(tmp_path, run_toy, command, toys, monkeypatch):
    monkeypatch.setattr(toys.Colours, "save", Method.save)
    assert run_toy(tmp_path, "--no-floors", "--emit", "plan", task="toy_many").status == 0
    for number in range(3):
        status, out, err = command(
            "work", str(tmp_path / "runs" / "plan.json"), "--unit", str(number), "--output", str(tmp_path / "runs")
        )
        assert status == 0 and '"status": "done"' in out, err
    assert run_toy(tmp_path, "--no-floors", task="toy_many").out.count("finished before") == 1
