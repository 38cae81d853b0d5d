"""``--split``, ``--interocular`` and ``score --dataset`` on custom data, through every command that takes them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.records.store import read_predictions
from leaderboard.records import ResultRecord
from tests.custom_data import coco, photo, write_dlc

COUNT, SIZE = 30, (64, 64)
NAMES = ("left eye", "right eye", "nose")


@pytest.fixture
def faces(tmp_path: Path) -> np.ndarray:
    """Faces of three landmarks in images of 64 x 64 pixels without boxes; returns their pixels (N, 3, 2)."""
    draw = np.random.default_rng(3)
    points = draw.uniform((4, 4), (60, 60), (COUNT, 3, 2)).round(2)
    document = coco(COUNT) | {"categories": [{"id": 1, "name": "face", "keypoints": NAMES}]}
    for row, annotation in enumerate(document["annotations"]):
        photo(tmp_path / f"{row}.png", (row, 0), SIZE)
        annotation["keypoints"] = [value for x, y in points[row].tolist() for value in (x, y, 2)]
        del annotation["bbox"]
    (tmp_path / "faces.json").write_text(json.dumps(document))
    lines = [f"{row}.png,{'test' if row % 3 == 0 else 'regress'}\n" for row in range(COUNT)]
    (tmp_path / "split.csv").write_text("image,split\n" + "".join(lines))
    return points


DATA = ("--dataset", "coco:faces.json")
RUN = ("run", "--method", "centre", *DATA, "--keypoints", "1", "--no-mlflow", "--device", "cpu", "--no-floors")


def record(tmp_path: Path, pattern: str = "centre--*") -> tuple[ResultRecord, Path]:
    (path,) = tmp_path.glob(f"runs/cells/{pattern}/result.json")
    return ResultRecord.model_validate_json(path.read_bytes()), path.parent


def test_a_run_follows_the_split_and_measures_in_distances_of_the_eyes(
    call: Any, tmp_path: Path, faces: np.ndarray
) -> None:
    """The image centre regressed without a bias is the image centre."""
    status, out, err = call(*RUN, "--split", "split.csv", "--interocular", "Right Eye,left eye")
    assert (status, err) == (0, "")
    found, cell = record(tmp_path)
    tested, _ = read_predictions(cell, "test")
    assert set(tested) == {f"{row}.png" for row in range(0, COUNT, 3)}
    score = found.scores[0]
    rows = [int(name[:-4]) for name in tested]
    truth = (faces[rows] + 0.5) / 64
    apart = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=1)
    errors = np.linalg.norm(truth - 0.5, axis=2).mean(axis=1) / apart
    assert (score.protocol, score.value) == ("strict/interocular", pytest.approx(100 * errors.mean()))
    assert {"sk/interocular", "strict/side"} <= {each.protocol for each in found.scores}
    board = (tmp_path / "runs" / "leaderboard" / "own.paper.md").read_text()
    for text in ("split by split.csv: 20 labels to learn from, 10 to test on", "% IOD is percent of the distance"):
        assert text in out and text in board
    status, out, err = call("show", "runs", "--rows", "rows.png")
    assert status == 0, err


def test_the_split_is_known_by_its_content(call: Any, tmp_path: Path, faces: np.ndarray) -> None:
    assert call(*RUN, "--split", "split.csv")[0] == 0
    heading, *lines = (tmp_path / "split.csv").read_text().splitlines()
    sides = {side: [line.partition(",")[0] for line in lines if line.endswith(side)] for side in ("test", "regress")}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "s.json").write_text(json.dumps(sides))
    assert "finished before" in call(*RUN, "--split", "other/s.json")[1]
    (tmp_path / "mine.txt").write_text("".join(f"{name}\n" for name in sides["test"]))
    assert "finished before" in call(*RUN, "--split", "mine.txt")[1]
    (tmp_path / "split.csv").write_text("\n".join([heading, *lines[:-1]]))
    for options in (("--split", "split.csv"), (), ("--split", "other/s.json", "--interocular", "left eye,right eye")):
        status, out, _ = call(*RUN, *options)
        assert status == 0 and "finished before" not in out
    assert len(list(tmp_path.glob("runs/cells/*"))) == 4


def test_a_file_that_is_renamed_is_the_same_task(call: Any, tmp_path: Path, faces: np.ndarray) -> None:
    assert call(*RUN)[0] == 0
    measured, cell = record(tmp_path)
    files = [str(cell / f"predictions_{split}.parquet") for split in ("regress", "test")]
    assert call("import", "neutral", *files, *DATA, "--keypoints", "1", "--method", "Mine")[0] == 0
    (tmp_path / "faces.json").rename(tmp_path / "people.json")
    renamed = ["coco:people.json" if word == "coco:faces.json" else word for word in RUN]
    status, out, _ = call(*renamed, "--method", "imported:runs/imports/mine")
    assert status == 0 and out.count("finished before") == 1
    assert {path.name.split("--")[1] for path in tmp_path.glob("runs/cells/*")} == {measured.task}
    document = json.loads((tmp_path / "people.json").read_text())
    document["annotations"][0]["keypoints"][0] += 1
    (tmp_path / "people.json").write_text(json.dumps(document))
    status, out, _ = call(*renamed)
    assert status == 0 and "finished before" not in out and "coco_people_" in out


def test_import_and_score_give_the_number_of_run(call: Any, tmp_path: Path, faces: np.ndarray) -> None:
    choices = ("--split", "split.csv", "--interocular", "left eye,right eye")
    assert call(*RUN, *choices)[0] == 0
    measured, cell = record(tmp_path)
    files = [str(cell / f"predictions_{split}.parquet") for split in ("regress", "test")]
    status, out, err = call("import", "neutral", *files, *DATA, "--keypoints", "1", "--method", "Mine", *choices)
    assert (status, err) == (0, "")
    command = shlex.split(out.splitlines()[-1])[3:]
    assert command[-4:-2] == ["--interocular", "left eye,right eye"] or "--interocular" in command
    assert call(*command, "--no-mlflow", "--device", "cpu", "--no-floors")[0] == 0
    without_model = tuple(found for found in measured.scores if found.protocol != "label_free/equivariance")
    assert len(without_model) == len(measured.scores) - 1
    assert record(tmp_path, "imported_mine--*")[0].scores == without_model
    predictions = [word for file in files for word in ("--predictions", file)]
    status, out, _ = call("score", *predictions, *DATA, *choices, "--format", "json", "--resamples", "20")
    found = json.loads(out)
    assert status == 0 and (found["task"], found["num_keypoints"]) == (measured.task, 1)
    assert {each["protocol"]: each["value"] for each in found["scores"]} == {
        each.protocol: pytest.approx(each.value, rel=1e-12) for each in without_model
    }
    assert any("split by split.csv" in note for note in found["notes"])
    status, _, err = call("score", *predictions, *DATA, *choices, "--record", "scored", "--method", "Mine")
    assert status == 0 and "recorded" in err
    status, _, err = call("score", *predictions, "--task", measured.task)
    assert status == 2 and "write --dataset coco:PATH --keypoints 1 in place of --task" in err


def test_a_list_of_test_images_is_followed_by_every_command_and_a_video_is_never_on_both_sides(
    call: Any, tmp_path: Path
) -> None:
    for video in ("a", "b", "c"):
        labels = {f"{row}.png": f"{row + 1},{row % 3},{9 - row},{row * row}" for row in range(6)}
        write_dlc(tmp_path / "p" / "labeled-data" / video, labels)
    data = ("--dataset", "dlc:p", "--split", "mine.txt")
    run = ("run", "--method", "centre", *data, "--keypoints", "1", "--no-mlflow", "--device", "cpu", "--no-floors")
    files = [f"{split}.npz" for split in ("regress", "test")]
    for split, videos in zip(files, ("ac", "b"), strict=True):
        ids = [f"{video}/{row}.png" for video in videos for row in range(6)]
        np.savez(tmp_path / split, image_id=ids, keypoints=np.full((len(ids), 1, 2), 0.5))
    predictions = [word for file in files for word in ("--predictions", file)]
    commands = (
        run,
        ("score", *predictions, *data, "--resamples", "20", "--format", "json"),
        ("import", "neutral", *files, *data, "--keypoints", "1", "--method", "Mine"),
    )
    (tmp_path / "mine.txt").write_text("b\n")
    outputs = [call(*command) for command in commands]
    assert [status for status, _, _ in outputs] == [0, 0, 0], outputs
    assert all("split by mine.txt: 12 labels to learn from, 6 to test on" in out + err for _, out, err in outputs)
    measured, _ = record(tmp_path)
    values = {each.protocol: pytest.approx(each.value, rel=1e-9) for each in measured.scores}
    del values["label_free/equivariance"]  # only the method itself has it
    assert {each["protocol"]: each["value"] for each in json.loads(outputs[1][1])["scores"]} == values
    (tmp_path / "mine.txt").write_text("b/0.png\nb/1.png\n")
    for command in commands:
        status, _, err = call(*command)
        assert (status, len(err.splitlines())) == (2, 1)
        assert 'line 1: got video "b" in both splits, expected each video in one; name all of it' in err


def test_eyes_are_suggested_once_and_boxes_give_no_protocol_without_boxes(call: Any, faces: np.ndarray) -> None:
    _, out, _ = call(*RUN, "--dry-run")
    assert out.count("--interocular left eye,right eye would add errors in percent") == 1
    assert "would add" not in call(*RUN, "--dry-run", "--interocular", "left eye,right eye")[1]
    _, out, _ = call("describe", "coco:faces.json")
    (line,) = [line for line in out.splitlines() if line.startswith("  protocols ")]
    assert line.split()[1:5] == ["strict/side,", "strict/side_micro,", "strict/relative,", "strict/pck6,"]
    assert "box" not in line and "label_free/equivariance" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*RUN, "--interocular", "left eye,mouth"), "has 3 landmarks: left eye, right eye, nose"),
        ((*RUN, "--split", "nothing.csv"), "--split: no file"),
        (
            (*RUN, *DATA[:1], "coco:other.json", "--split", "split.csv"),
            "--split goes with one --dataset of custom data",
        ),
        (("run", "--method", "centre", "--task", "toy", "--split", "split.csv"), "--split goes with one --dataset"),
        (("score", "--task", "toy", "--predictions", "p.npz", "--interocular", "a,b"), "--interocular goes with one"),
        (("score", *DATA, "--task", "toy", "--predictions", "p.npz"), "--task beside --dataset"),
        (("score", *DATA), "no --fit-pred: name keypoints with"),
        (("score", "--predictions", "p.npz"), "--predictions are for the images of a --task or --dataset"),
        (("import", "neutral", "split.csv", *DATA, "--method", "m"), "--dataset coco:faces.json needs --keypoints"),
        (("describe", "coco_faces_0a1b2c_k4"), "is the task of K=4 keypoints on coco:PATH"),
        (("run", "--method", "centre", "--task", "cub_001_k5"), "write --dataset cub_001 --keypoints 5 in place"),
    ],
)
def test_mistakes_are_one_line(call: Any, faces: np.ndarray, words: tuple[str, ...], says: str) -> None:
    status, _, err = call(*words)
    assert status == 2 and says in err and len(err.splitlines()) == 1
