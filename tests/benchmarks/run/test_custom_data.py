"""A user's own data from one command to its table, in each of the three formats, on a world that is known exactly."""

import json
import re
import sys

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.records import store as storage
from leaderboard.records import ResultRecord
from tests.custom_data import SQUARES_BOX, coco, corners_of, squares, write_coco, write_dlc

COUNT = 40
MIX = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
PARTS = ("left_a", "right_a", "middle", "red")


def landmarks(corners):
    """Pixels counted from 0: a square of 4 pixels has its centre 1.5 beyond its first."""
    return MIX @ (np.array(corners) + 1.5)


@pytest.fixture
def folder(tmp_path):
    """A folder with images of three squares, labelled in both formats."""
    images, rows = [], {}
    for number, corners in enumerate(corners_of(COUNT)):
        squares(tmp_path / "birds" / f"{number:02d}.png", corners)
        points = landmarks(corners)
        rows[f"{number:02d}.png"] = ",".join(str(value) for value in points.ravel())
        keypoints = [value for x, y in points for value in (x, y, 2)]
        images.append({"id": number, "image_id": number, "category_id": 1, "bbox": SQUARES_BOX, "keypoints": keypoints})
    document = coco(COUNT) | {"annotations": images, "categories": [{"id": 1, "name": "bird", "keypoints": PARTS}]}
    for image in document["images"]:
        image["file_name"] = f"{image['id']:02d}.png"
    write_coco(tmp_path / "birds.json", document, tmp_path / "unused")
    write_dlc(tmp_path / "unused" / "birds", rows, PARTS)
    (tmp_path / "unused" / "birds" / "CollectedData_me.csv").rename(tmp_path / "birds" / "CollectedData_me.csv")
    return tmp_path


@pytest.fixture
def run(toys, tmp_path, monkeypatch, capsys):
    """Run the command line in this process; gives exit status, stdout and stderr."""
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)

    def call(*arguments):
        command = ["run", "--output", str(tmp_path / "runs"), "--device", "cpu", "--no-mlflow", *arguments]
        monkeypatch.setattr(sys, "argv", ["benchmarks", *command])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


def records(output):
    found = [ResultRecord.model_validate_json(path.read_bytes()) for path in output.glob("runs/cells/*/result.json")]
    return {record.method: record for record in found}


def all_records(output):
    return [ResultRecord.model_validate_json(path.read_bytes()) for path in output.glob("runs/cells/*/result.json")]


@pytest.mark.parametrize("name", ["coco:birds.json", "dlc:birds"])
def test_labelled_data_is_scored(run, folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    status, out, err = run("--method", "toy_colours", "--dataset", name, "--keypoints", "3")
    assert (status, err) == (0, "")
    assert out.startswith("profile paper: custom data")
    found = records(folder)
    assert set(found) == {"toy_colours", "centre", "grid", "random_points"}
    exact = {score.protocol: score for score in found["toy_colours"].scores}
    assert exact["strict/side"].value < 1e-6
    assert exact["strict/pck6"].value == 100
    assert exact["strict/side"].n_test == COUNT / 5
    assert ("strict/box" in exact) == name.startswith("coco")
    assert found["grid"].scores[0].value > 5
    board = (folder / "runs" / "leaderboard" / "own.paper.md").read_text()
    assert found["grid"].task in board and "**0.00**" in board
    for remark in found["grid"].provenance["remarks"]:
        assert f"note on {found['grid'].task}: {remark}" in out
        assert f"{found['grid'].task}: {remark}" in board
    assert "(0, 0) to (1, 1) are the corners of that square" in board
    assert "strict" not in board  # the headline alone, which needs no name
    (line,) = [line for line in out.splitlines() if line.startswith(f"{found['grid'].task} ")]
    assert "0.00" in line
    status, out, _ = run("--method", "toy_colours", "--dataset", name, "--keypoints", "3")
    assert out.count("finished before") == 4
    squares(folder / "birds" / "07.png", corners_of(1)[0])
    status, out, _ = run("--method", "toy_colours", "--dataset", name, "--keypoints", "3")
    assert (status, out.count("finished before")) == (0, 0)


def test_the_same_labels_in_both_formats_give_the_same_number_and_so_they_do_elsewhere(run, folder):
    """Whole images as the boxes, no boxes, and DeepLabCut's labels; then a cell of another folder is known again."""
    document = json.loads((folder / "birds.json").read_text())
    for name, box in (("whole", [0, 0, 32, 32]), ("none", None)):
        for annotation in document["annotations"]:
            annotation["bbox"] = box
        (folder / "birds" / f"{name}.json").write_text(json.dumps(document))
    found = []
    for name in ("coco:birds/whole.json", "coco:birds/none.json", "dlc:birds"):
        prefix, _, path = name.partition(":")
        status, out, _ = run("--method", "grid", "--dataset", f"{prefix}:{folder / path}", "--keypoints", "4")
        assert status == 0 and "(0, 0) to (1, 1) are the corners of that square" in out
        (record,) = [
            record
            for record in all_records(folder)
            if record.dataset == f"{prefix}:{folder / path}" and record.method == "grid"
        ]
        keyed = "label_free/equivariance"  # by ids, which have folders in one format alone
        scores = [score for score in record.scores if "box" not in score.protocol and score.protocol != keyed]
        found.append({score.protocol: score.value for score in scores})
        (cell,) = [path for path in (folder / "runs" / "cells").glob("grid--*") if path.name == record.cell_id]
        found[-1]["ids"] = [name.rpartition("/")[2] for name in storage.read_predictions(cell, "test")[0]]
    assert found[0] == found[1] == found[2]
    (folder / "birds").rename(folder / "moved")
    (folder / "moved").mkdir(exist_ok=True)
    status, out, _ = run("--method", "grid", "--dataset", f"coco:{folder / 'moved' / 'none.json'}", "--keypoints", "4")
    assert status == 0 and out.count("finished before") == 3


def test_the_score_of_a_constant_is_the_spread_of_the_landmarks(run, folder):
    """Without a bias, a regression on the image centre predicts the image centre."""
    status, _, _ = run("--method", "centre", "--dataset", f"coco:{folder / 'birds.json'}", "--keypoints", "1")
    assert status == 0
    (score,) = [score for score in records(folder)["centre"].scores if score.protocol == "strict/side"]
    truth = {f"{number:02d}.png": (landmarks(corners) + 0.5) / 32 for number, corners in enumerate(corners_of(COUNT))}
    (cell,) = (folder / "runs" / "cells").glob("centre--*")
    tested, _ = storage.read_predictions(cell, "test")
    errors = [np.linalg.norm(truth[name] - 0.5, axis=1).mean() for name in tested]
    assert score.value == pytest.approx(100 * np.mean(errors))


def test_images_alone_give_keypoints_and_say_so(run, folder):
    name = f"folder:{folder / 'birds'}"
    status, out, err = run("--method", "toy_colours", "--dataset", name, "--keypoints", "3", "--seeds", "2")
    assert (status, err) == (0, "")
    cells = sorted((folder / "runs" / "cells").iterdir())
    assert len(cells) == 2
    for cell in cells:
        record = ResultRecord.model_validate_json((cell / "result.json").read_bytes())
        assert record.status == "done"
        found = {score.protocol.removeprefix("label_free/"): score.value for score in record.scores}
        assert found.keys() == {"equivariance", "closest_pair", "collapsed"}
        assert found["equivariance"] < 2  # squares of 4 pixels in 32, turned
        assert {path.name for path in cell.iterdir()} == {
            *("result.json", "predictions_test.parquet", "predictions_warped.parquet", "errors.parquet"),
            *("history.parquet", "overlay.png"),
        }
        assert f"{cell / 'predictions_test.parquet'}  (no landmarks: keypoints only)" in out
    ids, keypoints = storage.read_predictions(cells[0], "test")
    assert ids == tuple(f"{number:02d}.png" for number in range(COUNT))
    np.testing.assert_allclose(keypoints, (np.array(corners_of(COUNT)) + 2) / 32, atol=1e-6)
    board = (folder / "runs" / "leaderboard" / "own.paper.md").read_text()
    assert f"{record.task}: no landmarks: keypoints only" in board
    assert "failed" not in out + board
    status, out, _ = run("--method", "toy_colours", "--dataset", name, "--keypoints", "3", "--seeds", "2")
    assert out.count("% side (label_free/equivariance)  0 s  (finished before)") == 2
    status, _, _ = run("--method", "toy_colours", "--dataset", name, "--keypoints", "1")
    (single,) = (folder / "runs" / "cells").glob("*_k1--*")
    (score,) = ResultRecord.model_validate_json((single / "result.json").read_bytes()).scores
    assert score.protocol == "label_free/equivariance"


def test_own_data_and_a_drawn_twin_under_the_mini_profile(run, folder):
    names = ["--dataset", f"coco:{folder / 'birds.json'}", "--dataset", "cub_001"]
    options = ["--keypoints", "5", "--profile", "mini", "--limit", "6", "--no-floors", "--method", "grid"]
    status, out, _ = run(*names, *options)
    assert status == 0
    assert out.startswith("profile mini: chosen")
    found = [ResultRecord.model_validate_json(path.read_bytes()) for path in folder.glob("runs/cells/*/result.json")]
    assert sorted((record.profile, record.dataset) for record in found) == [
        ("mini", f"coco:{folder / 'birds.json'}"),
        ("mini", "mini_cub_001"),
    ]
    assert "cub_001_k5" in (folder / "runs" / "leaderboard" / "own.mini.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "coco:birds.json"], r"error: --dataset coco:\S+birds.json needs --keypoints"),
        (["--keypoints", "4", "--task", "cub_001"], "error: --keypoints goes with --dataset"),
        (["--dataset", "coco:gone.json", "--keypoints", "4"], r"error: coco: no \S+gone.json; expected a COCO"),
        (["--dataset", "cocoa:birds.json", "--keypoints", "4"], "error: unknown source 'cocoa'; did you mean 'coco'"),
        (["--dataset", "birds.json", "--keypoints", "4"], "error: dataset 'birds.json' is a path; give its kind"),
        (["--dataset", "cub_1", "--keypoints", "4"], "error: unknown dataset 'cub_1'; did you mean 'cub_0"),
        (
            ["--dataset", "cub_001_cmr", "--keypoints", "4"],
            "error: cub_001_cmr_k4 cannot be run: .*no data root is set",
        ),
        (["--dataset", "dlc:birds.json", "--keypoints", "4"], r"error: \S+birds.json is a file, expected a DeepLabCut"),
        (["--dataset", "folder:birds.json", "--keypoints", "4"], "error: .*birds.json is a file, expected a folder"),
    ],
)
def test_mistakes_are_one_line_with_status_2(run, folder, monkeypatch, options, message):
    monkeypatch.chdir(folder)
    status, _, err = run("--method", "grid", *options)
    assert status == 2
    assert re.match(message, err)
    assert len(err.splitlines()) == 1
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("coco:birds.json", ["fit 32, regress 32, test 8", "left_a - right_a", "datasets.coco:open_coco"]),
        ("dlc:birds", ["tested on frames of videos that are learned from", "datasets.dlc:open_dlc"]),
        ("folder:birds", ["fit 40, regress 0, test 40", "landmarks      none"]),
    ],
)
def test_describe_reads_own_data(folder, monkeypatch, capsys, name, content):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "describe", name])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for text in content:
        assert text in printed
