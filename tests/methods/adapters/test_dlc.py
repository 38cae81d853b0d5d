"""DeepLabCut: tables of videos and of named images, csv and h5, placed in the task's frames by the labels."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmarks.importing.joining import join
from methods.adapters.base import Split, SplitTruth
from methods.adapters.dlc import Dlc
from methods.adapters.dlc_tables import read_table
from tests.methods.adapters.foreign import K, Trap, keypoints
from tests.methods.adapters.requests import refusal, request, truth

SCORER = "DLC_resnet50_birdsNov1shuffle1_1000"
PARTS = ("beak", "left wing", "right wing", "tail")
FRAMES: dict[Split, tuple[int, ...]] = {"regress": tuple(range(3, 43, 2)), "test": tuple(range(50, 62))}
SIZE = (640, 480)  # padded below and above to 640 x 640


def task(video: str = "bird one") -> dict[Split, SplitTruth]:
    """Frames of one video, as a project's labeled-data folder names them."""
    made: dict[Split, SplitTruth] = {}
    for split, frames in FRAMES.items():
        base = truth(split, len(frames))
        ids = tuple(f"{video}/img{frame:04d}.png" for frame in frames)
        made[split] = SplitTruth(ids, base.landmarks, base.visible)
    return made


def pixels(points: Any) -> Any:
    """Points in [0, 1] of a square of 640 pixels, as pixels of the frame in its middle."""
    return points * 640 - (0, 80) - 0.5


def columns(parts: Any = PARTS, axes: Any = ("x", "y", "likelihood"), scorer: str = SCORER) -> list[tuple[str, ...]]:
    return [(scorer, part, axis) for part in parts for axis in axes]


def rows(points: Any) -> Any:
    """x, y, likelihood of each bodypart (N, 3K)."""
    return np.concatenate([points, np.full((*points.shape[:2], 1), 0.9)], axis=2).reshape(len(points), -1)


def write_csv(path: Path, names: Any, values: Any, heading: Any = None, index: int = 1) -> Path:
    """As pandas.DataFrame.to_csv writes a table whose columns have three levels."""
    heading = heading or columns()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for level, name in enumerate(("scorer", "bodyparts", "coords")):
            writer.writerow([name, *[""] * (index - 1), *[column[level] for column in heading]])
        for name, row in zip(names, values, strict=True):
            cells = ["" if np.isnan(value) else repr(float(value)) for value in row]
            writer.writerow([*(name if index > 1 else (name,)), *cells])
    return path


def write_h5_table(path: Path, names: Any, values: Any, kind: bytes | None = None) -> Path:
    """As to_hdf(key='df_with_missing', format='table') writes it: PyTables keeps names of columns as a pickle."""
    index = np.array(names) if isinstance(names[0], int) else np.array(names, dtype="S")
    table = np.zeros(len(names), dtype=[("index", index.dtype), ("values_block_0", "<f8", (values.shape[1],))])
    table["index"], table["values_block_0"] = index, values
    with h5py.File(path, "w") as file:
        file.create_dataset("df_with_missing/table", data=table)
        file.create_group("df_with_missing/_i_table/index")
        file["df_with_missing/table"].attrs["values_block_0_kind"] = np.bytes_(kind or pickle.dumps(columns(), 0))
    return path


def write_h5_fixed(path: Path, names: list[tuple[str, ...]], values: Any) -> Path:
    """As to_hdf(key='keypoints') writes a table whose rows have three levels too."""
    with h5py.File(path, "w") as file:
        group = file.create_group("keypoints")
        group.attrs["nblocks"] = 1
        for axis, levels in (("block0_items", columns()), ("axis0", columns()), ("axis1", names)):
            group.attrs[f"{axis}_nlevels"] = 3
            for level, column in enumerate(zip(*levels, strict=True)):
                known = sorted(set(column))
                group[f"{axis}_level{level}"] = np.array(known, dtype="S")
                group[f"{axis}_label{level}"] = np.array([known.index(text) for text in column], dtype=np.int8)
        group["block0_values"] = values
    return path


def labels(folder: Path, made: dict[Split, SplitTruth], suffix: str = "csv") -> Path:
    """CollectedData of the project, with a landmark that was not labelled here and there."""
    ids = [image for found in made.values() for image in found.ids]
    points = np.concatenate([pixels(found.landmarks) for found in made.values()])
    for split, found in made.items():
        found.visible[1, 2] = False
        points[(0 if split == "regress" else len(made["regress"].ids)) + 1, 2] = np.nan
    heading = columns([f"part {part}" for part in range(5)], ("x", "y"), "Ann")
    names = [("labeled-data", *image.split("/")) for image in ids]
    return write_csv(folder / f"CollectedData_Ann.{suffix}", names, points.reshape(len(ids), -1), heading, index=3)


@pytest.mark.parametrize("form", ["csv", "h5"])
def test_a_video_whose_frames_are_numbered(tmp_path: Path, form: str) -> None:
    made = task()
    points = np.random.default_rng(1).uniform(0.2, 0.8, (80, K, 2))
    path = tmp_path / f"bird one{SCORER}.{form}"
    (write_csv if form == "csv" else write_h5_table)(path, list(range(80)), rows(pixels(points)))
    joined = join(Dlc().read(request(path, labels(tmp_path, made), splits=made)), made)
    for split, frames in FRAMES.items():
        np.testing.assert_allclose(joined.of(made[split].ids), points[list(frames)], atol=1e-9)


@pytest.mark.parametrize("form", ["csv", "csv of three columns", "h5 table", "h5 fixed"])
def test_images_by_name_in_any_order(tmp_path: Path, form: str) -> None:
    made = task()
    ids = [image for found in made.values() for image in found.ids]
    points = keypoints(len(ids))
    order = np.random.default_rng(2).permutation(len(ids))
    parts = [("labeled-data", *ids[row].split("/")) for row in order]
    names, values = ["/".join(part) for part in parts], rows(pixels(points[order]))
    path = tmp_path / f"bird one{SCORER}.{form[:3].strip()}"
    if form == "csv":
        write_csv(path, names, values)
    elif form == "csv of three columns":
        write_csv(path, parts, values, index=3)
    elif form == "h5 table":
        write_h5_table(path, names, values)
    else:
        write_h5_fixed(path, parts, values)
    project = tmp_path / "project" / "labeled-data" / "bird one"
    project.mkdir(parents=True)
    labels(project, made)
    joined = join(Dlc().read(request(path, tmp_path / "project", splits=made)), made)
    np.testing.assert_allclose(joined.of(ids), points, atol=1e-9)


def test_frames_of_one_name_in_two_videos(tmp_path: Path) -> None:
    made: dict[Split, SplitTruth] = {}
    videos: dict[Split, str] = {"regress": "a", "test": "b"}
    for split, video in videos.items():
        base = truth(split, 12)
        ids = tuple(f"{video}/img{frame:03d}.png" for frame in range(12))
        made[split] = SplitTruth(ids, base.landmarks, base.visible)
    points = {split: keypoints(12, seed) for seed, split in enumerate(made)}
    for split, found in made.items():
        names = [f"labeled-data/{image}" for image in found.ids]
        write_csv(tmp_path / f"{split}{SCORER}.csv", names, rows(pixels(points[split])))
    project = labels(tmp_path, made)
    both = [tmp_path / f"{split}{SCORER}.csv" for split in made]
    joined = join(Dlc().read(request(*both, project, splits=made)), made)
    for split, found in made.items():
        np.testing.assert_allclose(joined.of(found.ids), points[split], atol=1e-9)


def test_whole_frames_need_their_size_alone(tmp_path: Path) -> None:
    made = task()
    corners = np.tile([[0, 0], [639, 479], [319.5, 239.5], [0, 479]], (80, 1, 1))
    path = write_csv(tmp_path / f"bird one{SCORER}_filtered.csv", range(80), rows(corners.astype(float)))
    (found,) = Dlc().read(request(path, splits=made, options={"size": "640,480"}))
    left, right, top, bottom = 0.5 / 640, 639.5 / 640, 0.5 / 480, 479.5 / 480
    np.testing.assert_allclose(found.keypoints[7], [[left, top], [right, bottom], [0.5, 0.5], [left, bottom]])


def _nan(values: Any) -> Any:
    values[11, 4] = np.nan
    return values


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_nan, "keypoint 1 is not finite"),
        (lambda values: values / 640, "expected pixels of photographs"),
        (lambda values: values * 3, "lie outside the task's images"),
        (lambda values: values[:60], "has 60 frames, the task has frame 61 of 'bird one'"),
    ],
)
def test_refuses_other_numbers(tmp_path: Path, spoil: Any, message: str) -> None:
    made = task()
    values = spoil(rows(pixels(np.random.default_rng(1).uniform(0.3, 0.7, (80, K, 2)))))
    path = write_csv(tmp_path / f"bird one{SCORER}.csv", range(len(values)), values)
    assert message in refusal(Dlc(), request(path, labels(tmp_path, made), splits=made))


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        (columns(PARTS[:3]), "got K=3 bodyparts, the task has K=4"),
        (columns(axes=("y", "x", "likelihood")), "expected x, y, likelihood of each bodypart in turn"),
        (columns(axes=("x", "y")), "holds labels (x, y), expected a table with x, y, likelihood"),
        (columns((*PARTS[:3], "beak")), "a bodypart twice"),
        ([("other", *column[1:]) if column[1] == "tail" else column for column in columns()], "several scorers"),
    ],
)
def test_refuses_other_columns(tmp_path: Path, heading: Any, message: str) -> None:
    path = write_csv(tmp_path / f"bird one{SCORER}.csv", range(80), np.full((80, len(heading)), 50.0), heading)
    assert message in refusal(Dlc(), request(path, splits=task()))


def test_refuses_tables_that_say_no_frame_or_no_image_of_the_task(tmp_path: Path) -> None:
    made, values = task(), rows(np.full((80, K, 2), 50.0))
    path = write_csv(tmp_path / f"bird one{SCORER}.csv", range(80), values)
    assert "in its frame is unknown" in refusal(Dlc(), request(path, splits=made))
    other = write_csv(tmp_path / f"bird two{SCORER}.csv", range(80), values)
    assert "no image of the task among its rows" in refusal(Dlc(), request(other, splits=made))
    gaps = write_csv(tmp_path / "gaps.csv", range(0, 160, 2), values)
    assert "with gaps" in refusal(Dlc(), request(gaps, splits=made))
    twice = write_csv(tmp_path / "twice.csv", ["bird one/img0050.png"] * 80, values)
    assert "has more than one row" in refusal(Dlc(), request(twice, splits=made))
    copy = write_h5_table(tmp_path / f"bird one{SCORER}.h5", list(range(80)), values)
    assert "is in another table too" in refusal(Dlc(), request(path, copy, splits=made))


def test_refuses_labels_that_are_not_the_tasks(tmp_path: Path) -> None:
    made = task()
    moved = {split: SplitTruth(found.ids, found.landmarks[:, ::-1], found.visible) for split, found in made.items()}
    path = write_csv(tmp_path / f"bird one{SCORER}.csv", range(80), rows(np.full((80, K, 2), 50.0)))
    assert "its landmarks miss the task's" in refusal(Dlc(), request(path, labels(tmp_path, moved), splits=made))


def test_refuses_several_animals_and_broken_files(tmp_path: Path) -> None:
    animals, cut, word = tmp_path / "animals.csv", tmp_path / "cut.csv", tmp_path / "word.csv"
    heading = "scorer,a,a,a,a,a,a\nindividuals,m,m,m,n,n,n\nbodyparts,b,b,b,b,b,b\ncoords" + ",x,y,likelihood" * 2
    animals.write_text(f"{heading}\n0,1,2,1,3,4,1\n")
    assert "holds 2 individuals (m, n)" in refusal(Dlc(), request(animals))
    write_csv(cut, range(3), rows(np.ones((3, K, 2))))
    cut.write_text(cut.read_text().rsplit(",", 2)[0])
    assert "line 6: got 11 columns, expected 13" in refusal(Dlc(), request(cut))
    word.write_text("frame,x,y\n0,1,2\n")
    assert "expected scorer, bodyparts, coords" in refusal(Dlc(), request(word))
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    assert "a table of DeepLabCut could not be read" in refusal(Dlc(), request(tmp_path / "broken.h5"))
    assert "expected a table of DeepLabCut, .csv or .h5" in refusal(Dlc(), request(tmp_path / "table.pickle"))
    assert "no file" in refusal(Dlc(), request(tmp_path / "nothing.csv"))
    (tmp_path / "folder").mkdir()
    assert "holds no CollectedData_*.csv" in refusal(Dlc(), request(tmp_path / "folder"))


def test_a_trap_among_the_names_of_columns_is_not_sprung(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    kind = pickle.dumps([Trap(sprung)], 0)
    path = write_h5_table(tmp_path / "trap.h5", list(range(80)), rows(np.ones((80, K, 2))), kind)
    message = refusal(Dlc(), request(path))
    assert "which is never run" in message
    assert not sprung.exists()


def test_the_names_of_rows_and_parts(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "table.csv", [r"labeled-data\a\img1.png"] * 1, rows(np.ones((1, K, 2))))
    table = read_table(path)
    assert table.names == ("labeled-data/a/img1.png",)
    assert (table.scorer, table.bodyparts, table.predicted) == (SCORER, PARTS, True)


def video_tables(tmp_path: Path, parts: Any = PARTS) -> tuple[dict[Split, SplitTruth], list[Path]]:
    """The predictions of two videos, of which the second has its bodyparts in the order ``parts``."""
    made: dict[Split, SplitTruth] = {}
    paths = []
    videos: dict[Split, str] = {"regress": "one", "test": "two"}
    for split, video in videos.items():
        made[split] = task(video)[split]
        order = PARTS if video == "one" else parts
        points = pixels(keypoints(len(made[split].ids)))[:, [PARTS.index(part) for part in order]]
        paths.append(write_csv(tmp_path / f"{video}.csv", made[split].ids, rows(points), columns(order)))
    return made, paths


def test_bodyparts_of_several_tables_are_joined_by_name(tmp_path: Path) -> None:
    read = []
    for parts in (PARTS, PARTS[::-1]):
        made, paths = video_tables(tmp_path, parts)
        (found,) = Dlc().read(request(*paths, splits=made, options={"size": "640,480"}))
        read.append(found.keypoints)
    np.testing.assert_array_equal(read[0], read[1])
    other = write_csv(tmp_path / "two.csv", ["x"], rows(np.zeros((1, K, 2))), columns(("a", *PARTS[1:])))
    assert "has the bodyparts a, left wing" in refusal(Dlc(), request(paths[0], other, splits=made))


@pytest.mark.parametrize("empty", [False, True])
def test_one_individual_is_read_as_a_project_without_individuals(tmp_path: Path, empty: bool) -> None:
    """With an individual of the heading that has no value, where ``empty``."""
    made, paths = video_tables(tmp_path)
    options = {"size": "640,480"}
    (plain,) = Dlc().read(request(*paths, splits=made, options=options))
    for path in paths:
        lines = [line.split(",") for line in path.read_text().splitlines()]
        more = len(lines[0]) - 1
        lines.insert(1, ["individuals", *["bird"] * more])
        if empty:
            added = [lines[0][1:], ["ghost"] * more, *(line[1:] for line in lines[2:4])]
            lines = [[*line, *(added[place] if place < 4 else [""] * more)] for place, line in enumerate(lines)]
        path.write_text("\n".join(",".join(line) for line in lines))
    (found,) = Dlc().read(request(*paths, splits=made, options=options))
    np.testing.assert_array_equal(found.keypoints, plain.keypoints)
