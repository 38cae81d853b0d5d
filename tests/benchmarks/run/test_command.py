"""The run command on a world where the right answer is known: scores, files, resuming, failing."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.records import store as storage
from leaderboard.records import ResultRecord
from metrics.protocols import PROTOCOLS


@pytest.fixture
def run(toys, tmp_path, monkeypatch, capsys):
    """Run the command line in this process; gives exit status, stdout and stderr."""
    (tmp_path / "data").mkdir()

    def call(*arguments, task="toy", method="toy_colours", output=tmp_path / "runs"):
        toys.CALLS.clear()
        command = ["run", "--data-root", str(tmp_path / "data"), "--output", str(output), "--device", "cpu"]
        command += ["--no-mlflow", "--task", task, "--method", method, *arguments]
        monkeypatch.setattr(sys, "argv", ["benchmarks", *command])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    call.output = tmp_path / "runs"  # type: ignore[attr-defined]
    return call


def records(output):
    found = [ResultRecord.model_validate_json(path.read_bytes()) for path in output.glob("cells/*/result.json")]
    return {f"{record.method} {record.task} s{record.seed}": record for record in found}


def fits(toys):
    return [call for call in toys.CALLS if call.startswith("fit ")]


def test_an_exactly_linear_world_is_regressed_exactly(run):
    status, out, _ = run()
    assert status == 0
    found = records(run.output)
    assert set(found) == {f"{method} toy s0" for method in ("centre", "grid", "random_points", "toy_colours")}
    (score,) = found["toy_colours toy s0"].scores
    assert score.value < 1e-6
    assert (score.n_fit, score.n_test) == (12, 8)
    assert found["grid toy s0"].scores[0].value > 5
    assert out.startswith("profile paper: data root")


def test_a_finished_cell_has_all_its_files(run, toys):
    run("--no-floors")
    (folder,) = (run.output / "cells").iterdir()
    record = records(run.output)["toy_colours toy s0"]
    assert folder.name == record.cell_id
    assert {path.name for path in folder.iterdir()} == {
        "result.json",
        "predictions_regress.parquet",
        "predictions_test.parquet",
        "errors.parquet",
        "history.parquet",
        "overlay.png",
    }
    ids, keypoints = storage.read_predictions(folder, "test")
    assert ids == toys.squares(None).split("test")
    expected = np.stack([(toys.squares(None).corners(image_id) + 2) / 32 for image_id in ids])
    np.testing.assert_allclose(keypoints, expected, atol=1e-6)
    errors = storage.read_columns(folder / "errors.parquet")
    assert errors["image_id"] == list(ids)
    assert np.mean(errors["error"]) == pytest.approx(record.scores[0].value)
    history = storage.read_columns(folder / "history.parquet")
    assert history == {"step": [1, 2, 3, 4, 5], "loss": [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]}
    assert record.seconds.keys() == {"fit", "predict", "score"}
    assert {"git_sha", "git_dirty", "versions", "cpu", "argv", "date", "device"} <= record.provenance.keys()
    assert not list((run.output / "staging").iterdir())


def test_the_leaderboard_file_and_the_terminal_show_the_row(run):
    _, out, _ = run("--set", "toy_colours.shift=0.1")
    board = run.output / "leaderboard" / "toys.paper.md"
    assert str(board) in out
    assert "Toy colours (shift=0.1)" in board.read_text()
    assert "overlay.png" in out


def test_finished_cells_are_not_run_again(run, toys):
    run()
    before = {path: path.read_bytes() for path in run.output.rglob("*.*") if path.is_file()}
    status, out, _ = run()
    assert status == 0
    assert toys.CALLS == []
    assert out.count("finished before") == 4
    assert before == {path: path.read_bytes() for path in run.output.rglob("*.*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    run("--no-floors", method="random_points")
    again = tmp_path / "again"
    run("--no-floors", method="random_points", output=again)
    first, second = (next(folder.glob("cells/*/predictions_test.parquet")) for folder in (run.output, again))
    assert first.read_bytes() == second.read_bytes()


def test_seeds_and_limit_make_cells_of_their_own(run):
    run("--seeds", "2", "--limit", "5", "--no-floors")
    found = records(run.output)
    assert set(found) == {"toy_colours toy s0", "toy_colours toy s1"}
    record = found["toy_colours toy s1"]
    assert record.n_images_limit == 5
    assert record.scores[0].n_test == 5
    assert "limit 5" in (run.output / "leaderboard" / "toys.paper.md").read_text()


def test_a_task_that_learns_on_the_same_images_takes_up_the_fit(run, toys):
    run("--no-floors")
    assert len(fits(toys)) == 1
    run("--no-floors", task="toy_transfer")
    assert fits(toys) == []
    assert "load" in toys.CALLS
    found = records(run.output)
    assert found["toy_colours toy_transfer s0"].provenance["fit_reused"]
    assert found["toy_colours toy_transfer s0"].seconds["fit"] == found["toy_colours toy s0"].seconds["fit"]


def test_a_broken_fit_is_fitted_again(run, toys):
    run("--no-floors")
    next(run.output.glob("fits/*/state.json")).write_text("not json")
    status, _, _ = run("--no-floors", task="toy_transfer")
    assert status == 0
    assert len(fits(toys)) == 1


def test_a_failed_cell_is_recorded_stops_no_other_and_is_run_again(run, toys):
    status, out, err = run("--set", "toy_colours.crash=true", "--method", "grid")
    assert status == 1
    found = records(run.output)
    failed = found["toy_colours toy s0"]
    assert failed.status == "failed"
    assert (failed.failure.type, failed.failure.message) == ("ValueError", "the toy crashed")
    assert "Traceback" in failed.failure.traceback
    assert {record.status for name, record in found.items() if "colours" not in name} == {"done"}
    assert "Traceback" not in out + err
    assert err.strip().endswith("the toy crashed")
    run("--set", "toy_colours.crash=true", "--method", "grid")
    assert len(fits(toys)) == 1
    run("--set", "toy_colours.crash=true", "--overwrite", "never")
    assert fits(toys) == []


def test_overwrite_all_fits_again_but_only_once_a_fit(run, toys):
    run("--no-floors")
    run("--no-floors", "--task", "toy_transfer", "--overwrite", "all")
    assert len(fits(toys)) == 1


def test_a_new_version_of_a_protocol_scores_without_running_the_method(run, toys, monkeypatch):
    run()
    monkeypatch.setitem(PROTOCOLS, "sk/side", replace(PROTOCOLS["sk/side"], version=99, scale=1.0))
    before = records(run.output)
    status, _, _ = run()
    assert status == 0
    assert not [call for call in toys.CALLS if not call.startswith("decode")]
    after = records(run.output)
    for name, record in after.items():
        assert record.scores[0].protocol_version == 99
        assert record.scores[0].value == pytest.approx(before[name].scores[0].value / 100)
        assert record.seconds == before[name].seconds


def test_a_broken_image_fails_its_cell_in_one_line(run):
    status, out, err = run("--no-floors", "--task", "toy_truncated", "--method", "grid")
    assert status == 2
    assert re.search(r"^toy_truncated +failed +failed$", out, re.M)
    found = records(run.output)
    assert found["toy_colours toy s0"].status == "done"
    assert found["toy_colours toy_truncated s0"].failure.type == "DatasetError"
    assert len(err.strip().splitlines()) == 1  # for both methods
    assert "cannot read image test/3: truncated unpack it again" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "toy_colors"}, "error: unknown method 'toy_colors'; did you mean 'toy_colours'?"),
        ({"method": "toy_broken"}, "error: method 'toy_broken' cannot be loaded"),
        ({"task": "toi"}, "error: unknown task 'toi'; did you mean 'toy'?"),
        ({"task": "toy_malformed"}, "error: parts.txt: line 7 has 4 columns"),
        ({"task": "toy_absent"}, "error: toy_absent cannot be run: toy_absent: nothing under"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing_behind(run, options, message):
    status, _, err = run(**options)
    assert status == 2
    assert err.startswith(message)
    assert len(err.strip().splitlines()) == 1
    assert not run.output.exists()


def test_a_task_without_data_does_not_stop_the_others(run):
    status, out, _ = run("--task", "toy_absent", "--no-floors")
    assert status == 0
    assert "skipped toy_absent: toy_absent: nothing under" in out
    assert "toy_colours toy s0" in records(run.output)


def test_an_output_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = run(output=tmp_path / "file" / "runs")
    assert status == 2
    assert err.startswith(f"error: cannot write to output folder {tmp_path / 'file' / 'runs'}: Not a directory; name")
    assert len(err.strip().splitlines()) == 1


def test_a_dry_run_writes_nothing(run, toys):
    status, out, _ = run("--dry-run")
    assert status == 0
    assert "4 cells: 4 run" in out
    assert toys.CALLS == []
    assert not run.output.exists()
    run("--no-floors")
    _, out, _ = run("--dry-run")
    assert "4 cells: 3 run, 1 finished" in out


def test_wrong_predictions_are_refused(run, toys, monkeypatch):
    monkeypatch.setattr(toys.Colours, "predict", lambda self, batch: np.full((len(batch.ids), 3, 2), np.nan))
    _, _, err = run("--no-floors")
    assert "expected finite numbers of shape (8, 3, 2)" in err or "expected finite numbers of shape (12, 3, 2)" in err


def test_low_memory_is_a_setting_of_the_methods_that_know_it(run):
    status, _, _ = run("--memory", "low", "--method", "grid", "--no-floors")
    assert status == 0
    found = records(run.output)
    assert found["toy_colours toy s0"].method_config["memory"] == "low"
    assert "memory" not in found["grid toy s0"].method_config


def test_low_memory_that_no_method_knows_is_said(run):
    status, out, _ = run("--memory", "low", "--no-floors", method="grid")
    assert status == 0
    assert "--memory low changes nothing: no method here has a setting 'memory'" in out


def test_a_setting_by_name_goes_before_low_memory(run):
    run("--memory", "low", "--set", "toy_colours.memory=auto", "--no-floors")
    assert records(run.output)["toy_colours toy s0"].method_config["memory"] == "auto"


def test_a_record_is_strict_json(run):
    run()
    found = list(run.output.glob("cells/*/result.json"))
    assert len(found) == 4
    for path in found:
        json.loads(path.read_text(), parse_constant=pytest.fail)
