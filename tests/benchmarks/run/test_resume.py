"""A run that is killed while it predicts goes on after the last part, and ends with the same bytes."""

import os
import re
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack

import pyarrow.parquet as pq
import pytest

from benchmarks.run import predictions
from benchmarks.run.predictions import PartialPredictions
from methods.base import MethodError
from tests.benchmarks.run.test_predictions import no_file_longer_than
from tests.benchmarks.run.toy_process import records, toy_command


@pytest.fixture
def run(toys, run_toy, monkeypatch):
    """Run the command line in this process, on what is in a folder, a part a batch; what it called and said."""
    monkeypatch.setattr(predictions, "PART_IMAGES", 16)

    def call(folder, *options, task="toy_many"):
        done = run_toy(folder, *options, task=task)
        done.called = Counter(call.partition(" seed")[0] for call in toys.CALLS)
        return done

    return call


def files(folder):
    """The bytes of what a run keeps of its cells, but for the record, which has its date and seconds."""
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in folder.glob("runs/cells/*/*.parquet")}


@pytest.fixture
def stopped(run, monkeypatch):
    """Run the toy on a folder until it has predicted the batches ``begun``, then end it by SIGTERM; its exit status."""

    def call(folder, begun, *options):
        with monkeypatch.context() as patched:
            patched.setenv("KEYPOINT_TOYS_SIGNAL", f"{int(signal.SIGTERM)} {sum(begun) + 1}")
            status = run(folder, "--no-floors", *options).status
        assert batches(folder) == begun
        return status

    return call


@pytest.fixture
def killed(repository):
    """The same in a process of its own, by SIGKILL."""

    def call(folder, begun):
        environment = os.environ | {"KEYPOINT_TOYS_SIGNAL": f"{int(signal.SIGKILL)} {sum(begun) + 1}"}
        command = toy_command(repository, folder, "--no-floors", task="toy_many")
        status = subprocess.run(command, cwd=repository, env=environment, capture_output=True, check=False).returncode
        assert batches(folder) == begun
        return status

    return call


def parts(folder):
    """How many images the parts of unfinished predictions have, split by split, the fullest first."""
    splits = [path for path in folder.glob("runs/partial/*/*") if path.is_dir()]
    return sorted(([len(pq.read_table(part)) for part in sorted(split.iterdir())] for split in splits), reverse=True)


def batches(folder):
    """How many batches have been kept of each split, the fullest first."""
    return sorted(map(len, parts(folder)), reverse=True)


# 40 regression images are batches of 16, 16 and 8; 44 test images are batches of 16, 16 and 12.
@pytest.mark.parametrize(
    ("ended", "status", "begun"), [("killed", -9, [3, 1]), ("stopped", 143, [1]), ("stopped", 143, [3, 1])]
)
def test_only_the_missing_images_are_predicted(tmp_path, request, run, ended, status, begun):
    assert request.getfixturevalue(ended)(tmp_path, begun) == status
    assert not records(tmp_path)
    assert parts(tmp_path) == [[16, 16, 8][: begun[0]], *([16] * number for number in begun[1:])]
    made = sum(map(sum, parts(tmp_path)))
    again = run(tmp_path, "--no-floors")
    assert again.status == 0, again.err
    predicted = [name.split() for name in again.called if name.startswith("predict")]
    assert sum(int(number) * again.called[f"predict {number}"] for _, number in predicted) == 84 - made
    decoded = {name for name in again.called if name.startswith("decode regress")}
    assert len(decoded) == max(0, 40 - made)
    assert "fit" not in again.called
    assert not (tmp_path / "runs" / "partial").exists()

    whole = tmp_path / "whole"
    whole.mkdir()
    run(whole, "--no-floors")
    assert files(tmp_path) == files(whole)
    assert len(files(whole)) == 4


def test_the_seconds_are_those_of_all_its_runs(tmp_path, run, stopped):
    slow = ["--set", "toy_colours.batch_pause=0.1"]
    stopped(tmp_path, [3, 2], *slow)
    run(tmp_path, "--no-floors", *slow)
    assert records(tmp_path)["toy_colours"]["seconds"]["predict"] > 6 * 0.1


@pytest.mark.parametrize(("another", "predicted"), [(False, 1), (True, 4)])
def test_predictions_of_another_fit_are_not_gone_on_from(tmp_path, run, stopped, toys, monkeypatch, another, predicted):
    stopped(tmp_path, [3, 1])
    (state,) = tmp_path.glob("runs/fits/*/state.json")
    state.write_text("not json")
    if another:  # as a fit on a GPU may be
        monkeypatch.setattr(toys.Colours, "save", lambda self, folder: (folder / "state.json").write_text(" 3"))
    again = run(tmp_path, "--no-floors")
    assert again.called["fit"] == 1
    assert again.called["predict 16"] == predicted


def test_overwrite_all_predicts_anew(tmp_path, run, stopped):
    stopped(tmp_path, [3, 1])
    again = run(tmp_path, "--no-floors", "--overwrite", "all")
    assert again.called["fit"] == 1
    assert again.called["predict 16"] == 4


def test_a_failed_cell_keeps_what_it_has(tmp_path, run, toys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(toys, "MIX", None)  # annotations fail, when all has been predicted
        assert run(tmp_path, "--no-floors").status == 1
    again = run(tmp_path, "--no-floors")
    assert again.status == 0
    assert not any(name.startswith("predict") for name in again.called)
    assert not (tmp_path / "runs" / "partial").exists()


def test_a_fit_finds_its_checkpoints_unless_all_is_run_again(tmp_path, run, toys, monkeypatch):
    fit = toys.Colours.fit
    found = []

    def resumable(self, images, num_keypoints, seed, report):
        kept = self.checkpoints / "step"
        found.append(kept.read_text() if kept.exists() else "")
        self.checkpoints.mkdir(exist_ok=True)
        kept.write_text("7")
        if len(found) % 2:
            raise RuntimeError("broken off")
        fit(self, images, num_keypoints, seed, report)

    monkeypatch.setattr(toys.Colours, "fit", resumable)
    for options, status in [((), 1), ((), 0), (("--overwrite", "all"), 1), (("--overwrite", "all"), 0)]:
        assert run(tmp_path, "--no-floors", *options, task="toy").status == status
        if options == () and status == 0:
            assert records(tmp_path)["toy_colours"]["provenance"]["fit_resumed"]
    assert found == ["", "7", "", ""]
    assert not records(tmp_path)["toy_colours"]["provenance"]["fit_resumed"]
    assert [path.suffix for path in tmp_path.glob("runs/fits/*")] == [""]


def test_a_fit_that_cannot_be_saved_fails_its_cell_and_keeps_its_checkpoint(tmp_path, run, toys, monkeypatch):
    fit, save = toys.Colours.fit, toys.Colours.save

    def resumable(self, images, num_keypoints, seed, report):
        self.checkpoints.mkdir(exist_ok=True)
        (self.checkpoints / "step").write_text("7")
        fit(self, images, num_keypoints, seed, report)

    def refuse(self, folder):
        raise MethodError("toy_colours: the weights are gone")

    monkeypatch.setattr(toys.Colours, "fit", resumable)
    monkeypatch.setattr(toys.Colours, "save", refuse)
    done = run(tmp_path, "--no-floors", task="toy")
    assert done.status == 2
    assert "toy_colours: the weights are gone" in done.err
    assert [path.read_text() for path in tmp_path.glob("runs/fits/*/step")] == ["7"]
    monkeypatch.setattr(toys.Colours, "save", save)
    assert run(tmp_path, "--no-floors", task="toy").status == 0
    assert records(tmp_path)["toy_colours"]["provenance"]["fit_resumed"]
    assert not list(tmp_path.glob("runs/fits/*/step"))


def test_splits_of_the_same_images_are_predicted_once(tmp_path, run):
    done = run(tmp_path, "--no-floors", task="toy_coinciding")
    assert done.status == 0
    assert {name: count for name, count in done.called.items() if name.startswith("predict")} == {
        "predict 16": 1,
        "predict 4": 1,
    }
    names = sorted(name.rpartition("/")[2] for name in files(tmp_path))
    assert names == ["errors.parquet", "history.parquet", "predictions_regress.parquet", "predictions_test.parquet"]


def test_tasks_that_share_a_fit_and_a_dataset_are_predicted_once(tmp_path, run):
    done = run(tmp_path, "--task", "toy_transfer", "--no-floors", task="toy")
    assert done.status == 0
    assert (done.called["predict 12"], done.called["predict 8"]) == (1, 1)
    assert len(files(tmp_path)) == 8


def test_a_disk_that_is_full_for_the_record_too_ends_the_run_with_its_table(tmp_path, run, toys, monkeypatch):
    predict = toys.Colours.predict
    with ExitStack() as full:

        def fill_the_disk(self, batch):
            full.enter_context(no_file_longer_than(600))
            return predict(self, batch)

        monkeypatch.setattr(toys.Colours, "predict", fill_the_disk)
        done = run(tmp_path, "--seeds", "2", "--no-floors")
    assert done.status == 2
    assert re.search(r"^toy_many +failed$", done.out, re.M)
    failed, ended = done.err.strip().splitlines()
    assert re.match(r"failed: toy_colours--.*: cannot write .*parquet: File too large; raise the limit", failed)
    assert re.match(r"error: cannot write .*/cells/toy_colours--.*/result.json: File too large; raise", ended)
    assert ended.endswith("then run the same command again, which goes on where this one stopped; 1 not tried")
    monkeypatch.setattr(toys.Colours, "predict", predict)
    assert run(tmp_path, "--seeds", "2", "--no-floors").status == 0
    assert not list((tmp_path / "runs" / "staging").iterdir())


def test_what_the_disk_took_before_it_was_full_is_gone_on_from(tmp_path, run, toys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(PartialPredictions, "flush", full_at(16))
        done = run(tmp_path, "--no-floors")
    assert done.status == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "/partial/" in done.err
    again = run(tmp_path, "--no-floors")
    assert again.called["predict 16"] == 3


def full_at(row):
    """A disk that has no room for the part that begins at a row."""
    flush = PartialPredictions.flush

    def flushing(self):
        with no_file_longer_than(100 if self._written == row else 10**6):
            flush(self)

    return flushing
