"""Keypoints in [0, 1] of the whole photograph and of the crop that methods see give the same number, and no other."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.coco import open_coco
from tests.custom_data import coco, photo

COUNT, SIZE = 60, (160, 100)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Boxes of several sizes anywhere in photographs, and keypoints on the landmarks: in photographs and in crops."""
    draw = np.random.default_rng(0)
    document = coco(COUNT)
    pixels = []
    for image, annotation in zip(document["images"], document["annotations"], strict=True):
        side = int(draw.integers(20, 50))
        corner = draw.integers(5, np.array(SIZE) - side - 5)
        points = corner + draw.uniform(0.1, 0.9, (2, 2)) * side
        photo(tmp_path / image["file_name"], (image["id"], 0), SIZE)
        annotation["bbox"] = [*corner.tolist(), side, side]
        annotation["keypoints"] = [value for x, y in points.tolist() for value in (x, y, 2)]
        pixels.append(points)
    (tmp_path / "a.json").write_text(json.dumps(document))
    dataset = open_coco(str(tmp_path / "a.json"))
    ids = [*dataset.split("regress"), *dataset.split("test")]
    points = np.array(pixels)[[int(image_id.removesuffix(".png")) for image_id in ids]]
    np.savez(tmp_path / "photo.npz", image_id=ids, keypoints=(points + 0.5) / SIZE)
    seen = np.concatenate([dataset.table("regress").landmarks, dataset.table("test").landmarks])
    np.savez(tmp_path / "seen.npz", image_id=ids, keypoints=seen)
    return tmp_path


def enter(call: Any, door: str, world: Path, name: str, frame: str) -> tuple[int, str, str]:
    data = ("--dataset", f"coco:{world / 'a.json'}")
    if door == "score":
        options = ("--frame", frame) if frame else ()
        found: tuple[int, str, str] = call("score", "--predictions", world / name, *data, *options, "--format", "json")
        return found
    options = ("--option", f"frame={frame}") if frame else ()
    found = call("import", "neutral", world / name, *data, "--keypoints", "2", "--method", "m", *options)
    return found


@pytest.mark.parametrize(("name", "frame"), [("photo.npz", "photo"), ("seen.npz", "seen"), ("seen.npz", "")])
def test_the_stated_frame_is_followed(call: Any, world: Path, name: str, frame: str) -> None:
    status, out, err = enter(call, "score", world, name, frame)
    assert (status, err) == (0, "")
    assert next(each["value"] for each in json.loads(out)["scores"] if each["protocol"] == "strict/side") < 1e-9
    status, out, err = enter(call, "import", world, name, frame)
    assert (status, err) == (0, "")
    assert "60 objects, each seen in a square about its box" in out
    assert ("positions in whole photographs, converted" in out) == (frame == "photo")


@pytest.mark.parametrize("door", ["score", "import"])
def test_the_wrong_frame_is_noticed(call: Any, world: Path, door: str) -> None:
    status, _, err = enter(call, door, world, "photo.npz", "")
    assert status == 2 and "read as positions in the whole photographs they explain 100% of the landmarks'" in err
    status, _, err = enter(call, door, world, "seen.npz", "photo")
    assert status == 2 and "keypoints lie outside what methods see; expected the frame 'seen'" in err
    status, _, err = enter(call, door, world, "photo.npz", "seen")
    assert (status, err) == (0, "")


def test_whole_images_have_no_second_frame(call: Any, world: Path) -> None:
    document = json.loads((world / "a.json").read_text())
    for annotation in document["annotations"]:
        del annotation["bbox"]
    (world / "a.json").write_text(json.dumps(document))
    dataset = open_coco(str(world / "a.json"))
    np.testing.assert_allclose(dataset.seen("test")[:, 2:], np.array([[1, 1.6]] * len(dataset.split("test"))))
    status, _, err = enter(call, "import", world, "photo.npz", "photo")
    assert (status, err) == (0, "")


def test_other_frames_and_other_data_are_refused(call: Any, world: Path) -> None:
    assert "--option frame=crop: expected seen or photo" in enter(call, "import", world, "seen.npz", "crop")[2]
    status, _, err = call("score", "--predictions", world / "seen.npz", "--task", "toy", "--frame", "photo")
    assert status == 2 and "--frame says what keypoints of a --dataset of custom data refer to" in err


@pytest.mark.parametrize("door", ["score", "import"])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_keypoints_that_were_not_found_are_noticed(call: Any, world: Path, door: str, value: float) -> None:
    file = dict(np.load(world / "seen.npz"))
    file["keypoints"][::3, 1] = value
    np.savez(world / "absent.npz", **file)
    status, out, err = enter(call, door, world, "absent.npz", "")
    if value == 0:
        text = "20 of 120 keypoints lie exactly on (0, 0), which counts as a position"
        assert status == 0 and text in out
        if door == "import":
            command = shlex.split(out.splitlines()[-1])[3:]
            assert call(*command, "--no-mlflow", "--no-floors", "--device", "cpu")[0] == 0
            assert f"m: absent.npz: {text}" in (world / "runs" / "leaderboard" / "own.paper.md").read_text()
    else:
        assert status == 2 and "20 of 120 keypoints lie exactly on (-1, -1), as where none was found" in err


def test_pixels_of_photographs_need_no_labels_where_the_place_of_the_images_is_known(call: Any, world: Path) -> None:
    """All landmarks of an image on one line determine no frame."""
    document = json.loads((world / "a.json").read_text())
    results = []
    for annotation in document["annotations"]:
        x, y, width, _ = annotation["bbox"]
        annotation["keypoints"] = [x + 3, y + 5, 2, x + width - 4, y + 5, 2]
        values = [value if place % 3 < 2 else 0.9 for place, value in enumerate(annotation["keypoints"])]
        results.append({"image_id": annotation["image_id"], "keypoints": values, "score": 1})
    (world / "a.json").write_text(json.dumps(document))
    (world / "results.json").write_text(json.dumps(results))
    data = ("--dataset", f"coco:{world / 'a.json'}", "--keypoints", "2")
    status, _, err = call("import", "coco_results", world / "results.json", world / "a.json", *data, "--method", "m")
    assert (status, err) == (0, "")
    options = ("--output", "runs", "--no-mlflow", "--no-floors", "--device", "cpu")
    status, out, _ = call("run", "--method", "imported:runs/imports/m", *data, *options)
    assert status == 0 and "0.00 % side" in out
