"""COCO's results: pixels of photographs, ids that the annotations explain, images that are crops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.importing.joining import join
from methods.adapters.base import Split, SplitTruth
from methods.adapters.coco_results import CocoResults
from tests.methods.adapters.foreign import K, keypoints, splits
from tests.methods.adapters.requests import refusal, request


def crops(seed: int, count: int) -> Any:
    """left, top, width and height (N, 4) of the task's images in their photographs."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.integers(-20, 80, (count, 2)), rng.integers(90, 300, (count, 2))], axis=1).astype(float)


class World:
    """A task of crops, the COCO annotations it was made of, and results of a detector."""

    def __init__(self) -> None:
        self.splits: dict[Split, SplitTruth] = splits()
        self.points: dict[Split, Any] = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
        self.annotations: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
        self.results: list[dict[str, Any]] = []
        number = 100
        for split, truth in self.splits.items():
            boxes = crops(len(split), len(truth.ids))
            for row, image in enumerate(truth.ids):
                corner, sides = boxes[row, :2], boxes[row, 2:]
                number += 7
                landmarks = truth.landmarks[row] * sides + corner - 0.5
                self.annotations["images"].append({"id": number, "file_name": image, "width": 640, "height": 480})
                self.annotations["annotations"].append(
                    {
                        "id": number * 2,
                        "image_id": number,
                        "category_id": 1,
                        "keypoints": np.c_[landmarks, np.full(5, 2)].ravel().tolist(),
                    }
                )
                found = self.points[split][row] * sides + corner - 0.5
                self.results.append(self.entry(number, found, 0.9))
                self.results.append(self.entry(number, found + 3, 0.2))
        np.random.default_rng(0).shuffle(self.results)

    @staticmethod
    def entry(image_id: Any, points: Any, score: float) -> dict[str, Any]:
        numbers = np.c_[points, np.full(len(points), 0.7)].ravel().tolist()
        return {"image_id": image_id, "category_id": 1, "keypoints": numbers, "score": score}

    def save(self, folder: Path) -> tuple[Path, Path]:
        results, annotations = folder / "results.json", folder / "annotations.json"
        results.write_text(json.dumps(self.results))
        annotations.write_text(json.dumps(self.annotations))
        return results, annotations


def test_crops_are_found_from_the_landmarks_and_the_best_detection_taken(tmp_path: Path) -> None:
    world = World()
    outputs = CocoResults().read(request(*world.save(tmp_path), splits=world.splits))
    joined = join(outputs, world.splits)
    for split, truth in world.splits.items():
        np.testing.assert_allclose(joined.of(truth.ids), world.points[split], atol=1e-9)


def test_an_image_with_one_landmark_takes_the_crop_that_all_share(tmp_path: Path) -> None:
    made = splits()
    points: dict[Split, Any] = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
    images, labels, results = [], [], []
    for split, truth in made.items():
        truth.visible[2, 1:] = False
        for row, image in enumerate(truth.ids):
            images.append({"id": image, "file_name": image})
            visible = np.where(truth.visible[row], 2, 0)
            landmarks = np.c_[truth.landmarks[row] * (640, 480) - 0.5, visible].ravel().tolist()
            labels.append({"image_id": image, "keypoints": landmarks})
            results.append(World.entry(image, points[split][row] * (640, 480) - 0.5, 1))
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "labels.json").write_text(json.dumps({"images": images, "annotations": labels}))
    wanted = request(tmp_path / "results.json", tmp_path / "labels.json", splits=made)
    joined = join(CocoResults().read(wanted), made)
    np.testing.assert_allclose(joined.of(made["test"].ids), points["test"], atol=1e-9)


def test_whole_photographs_need_their_size_alone(tmp_path: Path) -> None:
    made, results = splits(), []
    for truth in made.values():
        for image in truth.ids:  # pixel 0 is half a pixel from the left edge, pixel 639 from the right
            results.append(World.entry(Path(image).as_posix(), [[0, 0], [639, 479], [319.5, 239.5], [0, 479]], 1))
    (tmp_path / "results.json").write_text(json.dumps(results))
    (found,) = CocoResults().read(request(tmp_path / "results.json", splits=made, options={"size": "640,480"}))
    left, right, top, bottom = 0.5 / 640, 639.5 / 640, 0.5 / 480, 479.5 / 480
    np.testing.assert_allclose(found.keypoints[0], [[left, top], [right, bottom], [0.5, 0.5], [left, bottom]])
    assert set(found.names or ()) == {image for truth in made.values() for image in truth.ids}


def _edit(index: int, **values: Any) -> Any:
    def change(world: World) -> None:
        world.results[index] |= values

    return change


def _for_all(change: Any) -> Any:
    def apply(world: World) -> None:
        for entry in world.results:
            numbers = np.array(entry["keypoints"]).reshape(-1, 3)
            numbers[:, :2] = change(numbers[:, :2])
            entry["keypoints"] = numbers.ravel().tolist()

    return apply


def _shuffle_landmarks(world: World) -> None:
    for entry in world.annotations["annotations"]:
        entry["keypoints"] = entry["keypoints"][3:] + entry["keypoints"][:3]


def _drop_landmarks(world: World) -> None:
    for entry in world.annotations["annotations"]:
        entry["keypoints"] = entry["keypoints"][:12]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_edit(3, image_id=99999), "image_id 99999 is not among the 32 images"),
        (_edit(3, keypoints=[1.0, 2.0, 0.5] * 3), "got 9 numbers for keypoints, expected x, y, score of each of K=4"),
        (_edit(3, keypoints=[1.0, 2.0] * 4), "got 8 numbers"),
        (_edit(3, keypoints=[float("nan"), 2.0, 1.0] * 4), "keypoint 0 is not finite"),
        (_edit(3, keypoints=[1.0, 2.0, float("nan")] * 4), "keypoint 0 was found, but its score is nan"),
        (_edit(3, keypoints=["1", 2.0, 1.0] * 4), "not all numbers"),
        (_edit(3, score="high"), "expected a number"),
        (_for_all(lambda points: points / 640), "expected pixels of photographs"),
        (_for_all(lambda points: points * 4), "lie outside the task's images"),
        (_for_all(lambda points: points[:, ::-1] + (0, 400)), "lie outside the task's images"),
        (_shuffle_landmarks, "its landmarks miss the task's"),
        (_drop_landmarks, "has 4 landmarks, the task has 5"),
        (lambda world: world.annotations.pop("annotations"), "in its photograph is unknown"),
        (lambda world: world.annotations.pop("images"), "expected a list of detections, or an object with images"),
        (lambda world: world.results.clear(), "no detections"),
        (lambda world: world.annotations["images"][0].pop("id"), "COCO annotations could not be read"),
    ],
)
def test_refuses(tmp_path: Path, spoil: Any, message: str) -> None:
    world = World()
    spoil(world)
    assert message in refusal(CocoResults(), request(*world.save(tmp_path), splits=world.splits))


def test_refuses_numbers_that_nothing_explains_and_other_files(tmp_path: Path) -> None:
    world = World()
    results, annotations = world.save(tmp_path)
    assert "name the COCO json that says which image it is" in refusal(CocoResults(), request(results))
    assert "holds no list of detections" in refusal(CocoResults(), request(annotations))
    results.write_bytes(b"\x80\x04cposix\nsystem\n.")
    assert "cannot read" in refusal(CocoResults(), request(results))
    assert "cannot read" in refusal(CocoResults(), request(tmp_path / "nothing.json"))
    results.write_text(json.dumps([World.entry("elsewhere.png", np.full((K, 2), 9.0), 1)]))
    assert "no image of the task among 'elsewhere.png'" in refusal(CocoResults(), request(results))
    assert "expected WIDTH,HEIGHT" in refusal(
        CocoResults(),
        request(*world.save(tmp_path), splits=world.splits, options={"size": "640"}),
    )


def test_an_image_without_detections_is_missing_from_the_task(tmp_path: Path) -> None:
    world = World()
    image = world.annotations["images"][25]
    world.results = [entry for entry in world.results if entry["image_id"] != image["id"]]
    outputs = CocoResults().read(request(*world.save(tmp_path), splits=world.splits))
    with pytest.raises(Exception, match="no keypoints for 1 of 12 images of split 'test'"):
        join(outputs, world.splits)


def test_refuses_photographs_of_several_objects(tmp_path: Path) -> None:
    world = World()
    results, annotations = world.save(tmp_path)
    base = world.splits["test"]
    made = world.splits | {"test": SplitTruth((*base.ids[:-1], f"{base.ids[-1]}#24"), base.landmarks, base.visible)}
    message = refusal(CocoResults(), request(results, annotations, splits=made))
    assert "is one of several objects of its photograph" in message
