"""``score`` on a task: landmarks from the dataset, rows by image id, and the row of the leaderboard."""

import json
from shutil import rmtree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.records.store import read_columns, read_predictions
from benchmarks.run.units.claims import Claims
from leaderboard.records import ResultRecord


def keypoints_of(toys, split):
    """The ids of the toy, and the noisy centres that its landmarks depend on."""
    dataset = toys.squares(None)
    ids = dataset.split(split)
    noise = np.random.default_rng(len(split)).normal(0, 0.02, (len(ids), 3, 2))
    return ids, np.clip(np.stack([(dataset.corners(name) + 2) / 32 for name in ids]) + noise, 0.01, 0.99)


def write(path, ids, keypoints):
    flat = keypoints.reshape(len(ids), -1)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"image_id": list(ids), "keypoints": flat.tolist()}), path)
    elif path.suffix == ".npz":
        np.savez(path, image_id=np.array(ids), keypoints=keypoints)
    else:
        lines = ["image_id,x0,y0,x1,y1,x2,y2"]
        lines += [",".join([name, *map(repr, row)]) for name, row in zip(ids, flat.tolist(), strict=True)]
        path.write_text("\n".join(lines))


def values(out):
    return {score["protocol"]: score["value"] for score in json.loads(out)["scores"]}


def by_hand(toys):
    """sk/side of the noisy keypoints by the normal equations about the centre."""
    (_, fit), (_, test) = keypoints_of(toys, "regress"), keypoints_of(toys, "test")
    dataset = toys.squares(None)
    truth = {s: np.stack([dataset.annotation(i).landmarks for i in dataset.split(s)]) for s in ("regress", "test")}
    design, features = (points.reshape(len(points), -1) - 0.5 for points in (fit, test))
    targets = truth["regress"].reshape(len(fit), -1) - 0.5
    found = (features @ np.linalg.solve(design.T @ design, design.T @ targets) + 0.5).reshape(truth["test"].shape)
    return 100 * float(np.sqrt(((found - truth["test"]) ** 2).sum(-1)).mean())


@pytest.mark.parametrize("kind", ["parquet", "npz", "csv"])
@pytest.mark.parametrize("files", [1, 2])
def test_predictions_are_joined_by_image_id(call, toys, tmp_path, kind, files):
    parts = [keypoints_of(toys, split) for split in ("regress", "test")]
    ids = [name for part in parts for name in part[0]] + ["test/extra"]
    keypoints = np.concatenate([*(part[1] for part in parts), np.full((1, 3, 2), 0.5)])
    order = np.random.default_rng(0).permutation(len(ids))
    options = []
    for number, rows in enumerate(np.array_split(order, files)):
        path = tmp_path / f"p{number}.{kind}"
        write(path, [ids[row] for row in rows], keypoints[rows])
        options += ["--predictions", path]
    status, out, err = call("score", "--task", "toy", *options, "--format", "json", "--resamples", "20")
    assert (status, err) == (0, "")
    assert values(out) == {"sk/side": pytest.approx(by_hand(toys), rel=1e-9)}
    found = json.loads(out)
    assert found["landmarks"] == ["red-green", "green-blue", "all", "red"]
    assert any("1 rows belong to no image of the task, first 'test/extra'" in note for note in found["notes"])


def test_plain_arrays_are_taken_in_the_order_of_the_split(call, toys, tmp_path):
    for option, split in (("fit", "regress"), ("test", "test")):
        np.save(tmp_path / f"{option}.npy", 32 * keypoints_of(toys, split)[1])
    files = ["--fit-pred", tmp_path / "fit.npy", "--test-pred", tmp_path / "test.npy", "--range", "pixels:32"]
    _, out, _ = call("score", "--task", "toy", *files, "--format", "json", "--resamples", "20")
    assert values(out)["sk/side"] == pytest.approx(by_hand(toys), rel=1e-9)


def test_landmarks_of_ones_own_replace_the_tasks(call, toys, tmp_path):
    dataset = toys.squares(None)
    options = []
    for side, split in (("fit", "regress"), ("test", "test")):
        ids, keypoints = keypoints_of(toys, split)
        np.save(tmp_path / f"{side}-pred.npy", keypoints)
        np.save(tmp_path / f"{side}-gt.npy", np.stack([dataset.annotation(name).landmarks for name in ids]) / 2)
        options += [f"--{side}-pred", tmp_path / f"{side}-pred.npy", f"--{side}-gt", tmp_path / f"{side}-gt.npy"]
    options += ["--protocol", "sk/side", "--format", "json", "--resamples", "20"]
    _, plain, _ = call("score", *options)
    _, with_task, _ = call("score", "--task", "toy", *options)
    assert values(plain) == values(with_task) != {"sk/side": pytest.approx(by_hand(toys), rel=1e-3)}
    assert json.loads(with_task)["landmarks"][0] == "red-green"


def test_a_run_and_the_score_of_its_predictions_agree(call, tmp_path):
    """The predictions of a run give the numbers of that run."""
    runs = tmp_path / "runs"
    call("run", "--method", "random_points", "--task", "toy", "--output", runs, "--device", "cpu", "--no-mlflow")
    (folder,) = runs.glob("cells/random_points--*")
    ran = ResultRecord.model_validate_json((folder / "result.json").read_bytes())
    options = [part for path in sorted(folder.glob("predictions_*")) for part in ("--predictions", path)]
    _, out, _ = call("score", "--task", "toy", *options, "--format", "json", "--resamples", "20")
    assert values(out) == {score.protocol: score.value for score in ran.scores}
    assert json.loads(out)["scores"][0]["per_landmark"] == list(ran.scores[0].per_landmark)


def test_scoring_needs_no_images(call, toys, tmp_path, monkeypatch):
    monkeypatch.setattr(toys.Squares, "available", lambda self: (False, "no images"))
    monkeypatch.setattr(toys.Squares, "annotated", lambda self: (True, ""))
    for split in ("regress", "test"):
        write(tmp_path / f"{split}.npz", *keypoints_of(toys, split))
    files = [part for split in ("regress", "test") for part in ("--predictions", tmp_path / f"{split}.npz")]
    status, _, _ = call("score", "--task", "toy", *files, "--resamples", "20")
    assert status == 0
    assert not [done for done in toys.CALLS if done.startswith("decode")]


@pytest.fixture
def recorded(call, toys, tmp_path):
    """Record the toy's noisy keypoints beside a run of a floor; gives the run directory."""
    runs = tmp_path / "runs"
    call("run", "--method", "grid", "--task", "toy", "--output", runs, "--device", "cpu", "--no-mlflow")
    for split in ("regress", "test"):
        write(tmp_path / f"{split}.parquet", *keypoints_of(toys, split))
    files = [part for split in ("regress", "test") for part in ("--predictions", tmp_path / f"{split}.parquet")]
    options = ["--task", "toy", *files, "--record", runs, "--method", "My Method v2", "--supervision", "silhouettes"]
    status, _, err = call("score", *options, "--resamples", "200")
    assert status == 0
    (folder,) = runs.glob("cells/imported_my_method_v2--toy--paper--s0--*")
    first, then = err.strip().splitlines()
    assert first == f"recorded {folder}; see its row beside the others with:"
    assert then.startswith("  python -m benchmarks leaderboard --task ") and then.endswith(" --against best")
    return runs, folder, options


def test_a_record_stands_beside_what_was_run(call, toys, recorded):
    runs, _, _ = recorded
    _, out, _ = call("leaderboard", "--suite", "toys", "--profile", "paper", "--runs", runs, "--format", "json")
    rows = {row["label"]: row for row in json.loads(out) if row["task"] == "toy"}
    kinds = {label: row["kind"] for label, row in rows.items()}
    assert kinds.items() >= {"My Method v2": "scored", "Mean pose (constant grid)": "trained"}.items()
    mine = rows["My Method v2"]
    assert mine["value"] == pytest.approx(by_hand(toys), rel=1e-9)
    assert (mine["supervision"], mine["is_floor"], mine["n_fit"], mine["n_test"]) == ("silhouettes", False, 12, 8)
    _, table, _ = call("leaderboard", "--suite", "toys", "--profile", "paper", "--runs", runs)
    assert "| My Method v2 ◊ " in table
    assert "◊ scored: keypoints from elsewhere" in table


def test_a_record_of_a_supervised_method_needs_the_option_and_is_marked(call, recorded):
    runs, folder, options = recorded
    supervised = [*options, "--supervision", "supervised", "--resamples", "200"]
    status, _, err = call("score", *supervised)
    assert status == 2 and "--no-saw-landmarks" in err
    assert call("score", *supervised, "--saw-landmarks")[0] == 0
    assert json.loads((folder / "result.json").read_text())["saw_landmarks"] is True
    _, table, _ = call("leaderboard", "--suite", "toys", "--profile", "paper", "--runs", runs)
    assert "| My Method v2 ◊¶ " in table


def test_a_record_has_predictions_errors_and_where_they_come_from(recorded, toys):
    _, folder, _ = recorded
    assert {path.name for path in folder.iterdir()} == {
        "result.json",
        "predictions_regress.parquet",
        "predictions_test.parquet",
        "errors.parquet",
        "overlay.png",
    }
    for split in ("regress", "test"):
        ids, keypoints = read_predictions(folder, split)
        expected = keypoints_of(toys, split)
        assert ids == expected[0]
        np.testing.assert_array_equal(keypoints, expected[1])
    record = ResultRecord.model_validate_json((folder / "result.json").read_bytes())
    assert record.provenance["kind"] == "scored"
    assert record.provenance["format"] == "arrays (unit, xy)"
    assert [file["name"] for file in record.provenance["files"]] == ["regress.parquet", "test.parquet"]
    assert (record.method_config, len(record.method_identity["predictions"])) == ({}, 64)
    errors = read_columns(folder / "errors.parquet")
    assert np.mean(errors["error"]) == pytest.approx(record.scores[0].value)
    assert errors["image_id"] == list(toys.squares(None).split("test"))


def test_a_record_that_another_process_makes_is_left_to_it(call, recorded):
    runs, folder, options = recorded
    rmtree(folder)
    with Claims(runs).taken(f"score--{folder.name}"):
        status, _, err = call("score", *options)
    assert status == 2 and "another process works on it" in err and "Traceback" not in err
    assert not folder.exists() and call("score", *options)[0] == 0


def test_a_plan_of_imported_keypoints_is_done_unit_by_unit(call, recorded):
    runs, folder, _ = recorded
    made = (folder / "predictions_test.parquet").read_bytes()
    rmtree(folder)
    options = ["--method", f"imported:{runs / 'imports' / 'my_method_v2'}", "--task", "toy", "--device", "cpu"]
    run = ["run", *options, "--output", runs, "--no-floors", "--no-mlflow"]
    assert call(*run, "--emit", "plan")[0] == 0
    work = ["work", runs / "plan.json", "--output", runs, "--unit"]
    for number in range(3):
        status, _, err = call(*work, number)
        assert status == 0, err
    assert (folder / "predictions_test.parquet").read_bytes() == made
    status, out, _ = call(*run)
    assert status == 0 and "finished before" in out
    (keypoints,) = runs.glob("imports/my_method_v2/*.parquet")
    keypoints.write_bytes(keypoints.read_bytes() + b" ")
    status, _, err = call(*work, 0)
    assert status == 2 and "have changed since the plan was made" in err
    keypoints.unlink()
    status, _, err = call(*work, 0)
    assert status == 2 and "cannot read" in err


def test_recording_again_replaces_and_other_predictions_do_not(call, toys, tmp_path, recorded):
    runs, folder, options = recorded
    call("score", *options)
    assert list(runs.glob("cells/imported_my_method*")) == [folder]
    ids, keypoints = keypoints_of(toys, "test")
    write(tmp_path / "test.parquet", ids, np.clip(keypoints + 0.01, 0, 1))
    call("score", *options)
    assert len(list(runs.glob("cells/imported_my_method*"))) == 2
