"""``import`` on toy data with a known answer: the files that it keeps, and their run and rank as a method."""

import json
import shlex

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.records.store import read_predictions
from benchmarks.registry import method_class
from methods.adapters.base import Outputs
from methods.adapters.neutral import ImportRecord, Neutral, NeutralRow
from methods.adapters.requests import read_array
from methods.base import ImageBatch, MethodError
from tests.benchmarks.importing.toys import imported, records, run, truth, write


def test_what_is_kept_is_the_neutral_format_and_reads_back(call, toys, tmp_path):
    status, out, _ = imported(call, toys, tmp_path / "k.parquet")
    assert status == 0
    assert "imported My Method: K=3 keypoints of toy (regress 12, test 8), from k.parquet" in out
    assert "--method imported:runs/imports/my_method --task toy" in out
    folder = tmp_path / "runs" / "imports" / "my_method"
    assert sorted(path.name for path in folder.iterdir()) == ["toy.paper.json", "toy.paper.parquet"]
    rows = [NeutralRow(**row) for row in pq.read_table(folder / "toy.paper.parquet").to_pylist()]
    expected = {**dict(zip(*truth(toys, "regress"), strict=True)), **dict(zip(*truth(toys, "test"), strict=True))}
    assert [row.image_id for row in rows] == [*truth(toys, "regress")[0], *truth(toys, "test")[0]]
    assert [row.split for row in rows] == ["regress"] * 12 + ["test"] * 8
    for row in rows:
        keypoints = np.array(row.keypoints, dtype=np.float64)
        np.testing.assert_array_equal(keypoints.reshape(3, 2), expected[row.image_id])
    record = ImportRecord.model_validate_json((folder / "toy.paper.json").read_bytes())
    assert (record.task, record.profile, record.num_keypoints, record.format) == ("toy", "paper", 3, "neutral")
    assert record.digests == {split: toys.squares(None).digest(split) for split in ("regress", "test")}


def test_imported_keypoints_are_scored_as_the_method_that_made_them(call, toys, tmp_path):
    """The toy method finds the centres exactly, so its own predictions and the imported ones score alike."""
    imported(call, toys, tmp_path / "k.parquet")
    folder = tmp_path / "runs" / "imports" / "my_method"
    status, _, _ = run(call, "imported:runs/imports/my_method", "toy_colours")
    assert status == 0
    found = records(tmp_path / "runs")
    mine, theirs = found["imported_my_method", "toy", 0], found["toy_colours", "toy", 0]
    assert mine.scores[0].value == pytest.approx(theirs.scores[0].value, abs=1e-9)
    assert (mine.method_label, mine.provenance["kind"], mine.supervision) == ("My Method", "scored", "unsupervised")
    assert mine.provenance["format"] == "neutral" and mine.provenance["files"][0]["name"] == "k.parquet"
    assert "kind" not in theirs.provenance
    _, keypoints = read_predictions(tmp_path / "runs" / "cells" / mine.cell_id, "test")
    np.testing.assert_array_equal(keypoints, truth(toys, "test")[1])
    assert str(folder) not in json.dumps(mine.model_dump(exclude={"provenance"}, mode="json"))
    status, _, _ = run(call, f"imported:{folder}")
    assert len(records(tmp_path / "runs")) == 2  # the absolute path names the same cell


@pytest.mark.parametrize("given", [(), ("--saw-landmarks",)])
def test_whether_the_system_saw_landmarks_is_said_by_the_option(call, toys, tmp_path, given):
    imported(call, toys, tmp_path / "k.parquet", "--supervision", "ten labelled images", *given)
    assert run(call, "imported:runs/imports/my_method")[0] == 0
    (mine,) = records(tmp_path / "runs").values()
    assert (mine.supervision, mine.saw_landmarks) == ("ten labelled images", bool(given))


def test_an_import_of_an_older_version_is_supervised_for_the_exact_word_alone(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    path = tmp_path / "runs" / "imports" / "my_method" / "toy.paper.json"
    older = json.loads(path.read_text())
    del older["saw_landmarks"]
    assert not ImportRecord.model_validate(older).saw_landmarks
    assert ImportRecord.model_validate(older | {"supervision": "supervised"}).saw_landmarks


def test_what_a_folder_holds_is_described(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    status, out, _ = call("describe", "imported:runs/imports/my_method")
    assert status == 0
    assert "My Method" in out and "K=3, neutral from k.parquet" in out
    status, _, error = call("describe", "imported:nothing")
    assert status == 2 and "nothing" in error


def test_the_command_that_is_printed_runs_what_was_imported(call, toys, tmp_path, monkeypatch):
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT")
    _, out, _ = imported(call, toys, tmp_path / "k.parquet", "--data-root", "data", "--output", "my runs")
    command = shlex.split(out.splitlines()[-1])
    assert command[:3] == ["python", "-m", "benchmarks"]
    assert call(*command[3:], "--no-mlflow", "--device", "cpu", "--no-floors")[0] == 0
    assert set(records(tmp_path / "my runs")) == {("imported_my_method", "toy", 0)}


def test_an_imported_row_ranks_among_the_others_as_scored(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    run(call, "imported:runs/imports/my_method", more=())
    status, out, _ = call("leaderboard", "--task", "toy", "--runs", "runs", "--format", "json")
    assert status == 0
    rows = {row["method"]: row for row in json.loads(out)}
    assert rows["imported_my_method"]["kind"] == "scored"
    assert rows["imported_my_method"]["value"] < min(
        rows[name]["value"] for name in ("grid", "centre", "random_points")
    )
    assert rows["imported_my_method"]["seeds"] == 1


def test_seeds_make_no_second_row_of_keypoints_that_there_is_one_set_of(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    run(call, "imported:runs/imports/my_method", "toy_colours", more=("--seeds", "2", "--no-floors"))
    assert set(records(tmp_path / "runs")) == {
        ("imported_my_method", "toy", 0),
        ("toy_colours", "toy", 0),
        ("toy_colours", "toy", 1),
    }


def test_several_folders_and_tasks_go_into_one_run(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    imported(call, toys, tmp_path / "k.parquet", method="Other")
    imported(call, toys, tmp_path / "many.parquet", task="toy_many", method="Other")
    status, out, _ = run(
        call, "imported:runs/imports/my_method", "imported:runs/imports/other", tasks=("toy", "toy_many")
    )
    assert status == 0
    assert set(records(tmp_path / "runs")) == {
        ("imported_my_method", "toy", 0),
        ("imported_other", "toy", 0),
        ("imported_other", "toy_many", 0),
    }
    assert "skipped toy_many by My Method" in out and "imports of toy (paper)" in out


def test_a_limit_scores_some_of_the_images(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    run(call, "imported:runs/imports/my_method", more=("--limit", "5", "--no-floors"))
    (record,) = records(tmp_path / "runs").values()
    assert (record.scores[0].n_fit, record.scores[0].n_test, record.n_images_limit) == (5, 5, 5)


def test_a_new_import_takes_the_place_of_the_old_one_and_is_run_again(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    run(call, "imported:runs/imports/my_method")
    write(tmp_path / "k.parquet", toys, change=lambda points: np.random.default_rng(1).random(points.shape))
    call("import", "neutral", "k.parquet", "--task", "toy", "--method", "My Method")
    run(call, "imported:runs/imports/my_method")
    values = sorted(
        json.loads(path.read_text())["scores"][0]["value"] for path in tmp_path.glob("runs/cells/*/result.json")
    )
    assert values[0] < 1e-6 and values[1] > 5


def test_without_images_imported_keypoints_are_scored_and_nothing_else_is_run(call, toys, tmp_path, monkeypatch):
    imported(call, toys, tmp_path / "k.parquet")
    monkeypatch.setattr(toys.Squares, "available", lambda self: (False, "its images are missing"))
    monkeypatch.setattr(toys.Squares, "annotated", lambda self: (True, ""))
    toys.CALLS.clear()
    status, out, _ = run(call, "imported:runs/imports/my_method", "toy_colours")
    assert status == 0
    assert "skipped toy: its images are missing" in out
    (record,) = records(tmp_path / "runs").values()
    assert (record.method, record.status, toys.CALLS) == ("imported_my_method", "done", [])
    assert record.scores[0].value < 1e-6
    assert "skipped" not in run(call, "imported:runs/imports/my_method")[1]


def test_of_a_folder_only_what_was_read_is_recorded(call, toys, tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    write(tmp_path / "theirs" / "k.parquet", toys)
    (tmp_path / "theirs" / "picture.png").write_bytes(b"not read")

    def read(self, request):
        found = read_array(request, f"{request.paths[0] / 'k.parquet'}:keypoints")
        return [Outputs("k.parquet", found.values.reshape(-1, 3, 2), names=tuple(found.ids or ()))]

    monkeypatch.setattr(Neutral, "read", read)
    status, _, _ = call("import", "neutral", "theirs", "--task", "toy", "--method", "m")
    record = ImportRecord.model_validate_json((tmp_path / "runs/imports/m/toy.paper.json").read_bytes())
    assert status == 0
    assert [file.name for file in record.files] == ["theirs/k.parquet"]


def test_an_image_without_keypoints_is_an_error_of_the_method(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    cls = method_class(f"imported:{tmp_path / 'runs/imports/my_method'}")
    method = cls(cls.config_for("paper", {"task": "toy"}))
    empty = np.empty((1, 3, 32, 32), np.float32)
    with pytest.raises(MethodError, match="call fit first"):
        method.predict(ImageBatch(("test/0",), empty))
    with pytest.raises(MethodError, match="has K=3 keypoints, expected 4"):
        method.fit(None, 4, 0, lambda *_, **__: None)  # type: ignore[arg-type]
    method.fit(None, 3, 0, lambda *_, **__: None)  # type: ignore[arg-type]
    with pytest.raises(MethodError, match="no keypoints of image 'test/99'"):
        method.predict(ImageBatch(("test/0", "test/99"), empty))
    np.testing.assert_array_equal(
        method.predict(ImageBatch(("test/2", "test/0"), empty)), truth(toys, "test")[1][[2, 0]]
    )


def test_nothing_is_decoded_by_an_import(call, toys, tmp_path):
    toys.CALLS.clear()
    imported(call, toys, tmp_path / "k.parquet")
    assert toys.CALLS == []


def test_the_score_command_reads_what_was_imported(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    run(call, "imported:runs/imports/my_method")
    status, out, _ = call(
        "score", "--task", "toy", "--predictions", "runs/imports/my_method/toy.paper.parquet", "--format", "json"
    )
    (record,) = records(tmp_path / "runs").values()
    assert status == 0
    assert json.loads(out)["scores"][0]["value"] == pytest.approx(record.scores[0].value)
