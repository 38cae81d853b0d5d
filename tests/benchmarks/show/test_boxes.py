"""How many keypoints lie inside the object's box: on known points and boxes, and on runs of floors."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.records import store as storage
from benchmarks.registry import open_dataset
from benchmarks.show.boxes import box_lines, inside
from tests.kept_records import rewrite

TASK, LIMIT = "cub_001", 8


def kept(folder, ids, keypoints):
    storage.write_predictions(folder, "test", ids, np.asarray(keypoints, dtype=np.float64))
    return folder


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.5, 0.5), True),
        ((0.2, 0.4), True),
        ((0.6, 0.8), True),
        ((0.1, 0.5), False),
        ((0.7, 0.5), False),
        ((0.5, 0.3), False),
        ((0.5, 0.9), False),
        ((-0.5, 1.5), False),
    ],
)
def test_a_point_is_inside_where_both_coordinates_are_between_the_corners_or_on_them(point, expected):
    assert inside(np.array([[point]]), np.array([[0.2, 0.4, 0.6, 0.8]])).tolist() == [[expected]]


def test_the_lines_count_points_keypoints_and_images(tmp_path):
    """Keypoint 0 is always inside, 1 in half of the images, 2 in one of four: 7 of 12, and only 2 mostly outside."""
    boxes = {"a": (0.0, 0.0, 0.5, 0.5), "b": (0.5, 0.5, 1.0, 1.0), "c": (0.0, 0.0, 1.0, 0.5), "d": (0.0, 0.0, 1.0, 1.0)}
    near, far = (0.25, 0.25), (0.75, 0.75)
    keypoints = [[near, far, far], [far, near, near], [near, near, far], [far, near, near]]
    lines = box_lines(kept(tmp_path, "abcd", keypoints), boxes.get)
    # The areas are 1/4, 1/4, 1/2 and 1.
    assert lines == [
        "inside the object's box: 58.3 % of keypoints (7 of 12), worst keypoint 25 %; uniformly random points 50.0 %",
        "keypoints outside it in most of the 4 test images: 1 of 3; % of the images with the keypoint inside it, "
        "by keypoint: 100 50 25",
    ]


def test_images_without_a_box_are_left_out_and_a_dataset_without_any_says_nothing(tmp_path):
    folder = kept(tmp_path, "abc", [[(0.1, 0.1)], [(0.9, 0.9)], [(0.9, 0.9)]])
    first, second = box_lines(folder, {"a": (0.0, 0.0, 0.5, 0.5), "c": (0.0, 0.0, 0.5, 0.5)}.get)
    assert "50.0 % of keypoints (1 of 2)" in first and "outside it in most of the 2 test images: 0 of 1" in second
    assert box_lines(folder, lambda image_id: None) == []


def test_the_annotated_box_is_the_object_s_cut_to_the_image(toys):
    plain, boxed = toys.squares(None), toys.squares(None)
    (image_id, *_) = plain.split("test")
    found = plain.annotation(image_id)
    boxed.annotation = lambda _: replace(found, box=np.array([-0.1, 0.25, 0.5, 1.5]))
    assert plain.object_box(image_id) is None
    assert boxed.object_box(image_id) == pytest.approx((0.0, 0.25, 0.4, 1.0))


def call(capsys, *arguments):
    """Exit status, stdout and stderr of the command line in this process."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def run(capsys, output, method, *arguments):
    common = ("--no-floors", "--no-mlflow", "--device", "cpu", "--output", output)
    assert call(capsys, "run", "--method", method, *common, *arguments)[0] == 0
    (folder,) = (output / "cells").iterdir()
    return folder


@pytest.fixture
def centre(tmp_path, capsys):
    """The cell of a method that says the image's centre for every keypoint."""
    return run(capsys, tmp_path / "runs", "centre", "--profile", "mini", "--task", TASK, "--limit", LIMIT)


def test_show_counts_the_boxes_that_hold_the_centre_where_that_is_predicted(centre, capsys):
    dataset = open_dataset(f"mini_{TASK}", None)
    boxes = np.array([dataset.object_box(image_id) for image_id in dataset.split("test")[:LIMIT]])
    hits = sum(x0 <= 0.5 <= x1 and y0 <= 0.5 <= y1 for x0, y0, x1, y1 in boxes)
    status, out, err = call(capsys, "show", centre.parent.parent)
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    num_keypoints = storage.read_predictions(centre, "test")[1].shape[1]
    assert first.startswith(f"{centre.name}: inside the object's box: {100 * hits / LIMIT:.1f} % of keypoints ")
    assert f"({hits * num_keypoints} of {LIMIT * num_keypoints})" in first
    assert second.endswith(" ".join([f"{100 * hits / LIMIT:.0f}"] * num_keypoints))


def test_kept_keypoints_that_are_gone_are_one_line(centre, capsys):
    storage.predictions_path(centre, "test").unlink()
    rewrite(centre)
    status, out, err = call(capsys, "show", centre)
    assert (status, out) == (2, "")
    first, last = err.splitlines()
    assert first.startswith(f"{centre.name}: no count inside the object's box: no keypoints are kept in ")
    assert "no picture could be drawn of 1 cells" in last


def test_a_dataset_without_boxes_has_nothing_to_show_of_a_floor(toys, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    root = ("--data-root", tmp_path / "data")
    folder = run(capsys, tmp_path / "runs", "centre", "--task", "toy", *root)
    status, out, err = call(capsys, "show", folder, *root)
    assert (status, out) == (2, "")
    assert "no picture could be drawn of 1 cells" in err and "neither attention maps, curves nor object boxes" in err
