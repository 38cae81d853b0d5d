"""Own data labelled with DeepLabCut: every layout of the csv, and where labels end up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets.base import SPLITS, DatasetError
from datasets.coco import open_coco
from datasets.dlc import DeepLabCut, open_dlc
from tests.custom_data import coco, lay_down, photo, write_dlc

ROWS = {f"img{number}.png": f"{10 + number}.0,5.0,30.0,20.0" for number in range(5)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_dlc(tmp_path / "labeled-data" / "video", ROWS)
    return tmp_path


def csv_of(project: Path) -> Path:
    return project / "labeled-data" / "video" / "CollectedData_me.csv"


def edit(project: Path, old: str, new: str) -> None:
    """Replace text of the csv, once."""
    text = csv_of(project).read_text()
    assert old in text
    csv_of(project).write_text(text.replace(old, new, 1))


def ids_of(dataset: DeepLabCut) -> set[str]:
    return {image_id for name in SPLITS for image_id in dataset.split(name)}


@pytest.mark.parametrize("folder", [".", "labeled-data", "labeled-data/video"])
def test_a_project_its_labels_or_one_video_can_be_named(project: Path, folder: str) -> None:
    dataset = open_dlc(str(project / folder))
    assert dataset.available() == dataset.annotated() == (True, "")
    assert dataset.card.id == f"dlc:{project}{'' if folder == '.' else '/' + folder}"
    assert dataset.card.landmark_names == ("nose", "tail")
    assert dataset.card.counts == {"fit": 4, "regress": 4, "test": 1}
    assert ids_of(dataset) == {f"video/{name}" for name in ROWS}


def test_a_label_is_the_centre_of_its_pixel_in_the_padded_image(project: Path) -> None:
    dataset = open_dlc(str(project))
    for number in range(5):
        image = dataset.image(f"video/img{number}.png", 60)  # 60 x 40, so ten rows of padding above and below
        ((row, column),) = np.argwhere(image[..., 0] == 255)
        assert (column, row) == (10 + number, 5 + 10)
        annotation = dataset.annotation(f"video/img{number}.png")
        np.testing.assert_allclose(annotation.landmarks[0] * 60, (column + 0.5, row + 0.5))
        assert annotation.box is None


def test_the_path_may_take_three_columns_or_have_backslashes_and_crlf(project: Path, tmp_path: Path) -> None:
    plain = open_dlc(str(project))
    other = write_dlc(tmp_path / "other" / "video", ROWS, columns=3)
    three = open_dlc(str(other))
    windows = write_dlc(tmp_path / "windows" / "video", ROWS)
    text = (windows / "CollectedData_me.csv").read_text()
    text = text.replace("labeled-data/video/", "labeled-data\\video\\").replace("\n", "\r\n").removesuffix("\r\n")
    (windows / "CollectedData_me.csv").write_bytes(text.encode("utf-8-sig"))
    for name in SPLITS:
        for other_table in (three.table(name), open_dlc(str(windows)).table(name)):
            assert other_table.ids == plain.table(name).ids
            np.testing.assert_array_equal(other_table.landmarks, plain.table(name).landmarks)


def test_a_frame_that_lies_on_its_side_is_turned_upright_with_its_labels(project: Path) -> None:
    before = open_dlc(str(project))
    lay_down(csv_of(project).with_name("img1.png"))
    after = open_dlc(str(project))
    np.testing.assert_array_equal(after.image("video/img1.png", 60), before.image("video/img1.png", 60))
    for landmarks in (after.annotation("video/img1.png").landmarks, before.annotation("video/img1.png").landmarks):
        np.testing.assert_allclose(landmarks * 60, [(11.5, 15.5), (30.5, 30.5)])


def test_a_changed_image_changes_the_digest_of_its_split(project: Path) -> None:
    before = {name: open_dlc(str(project)).digest(name) for name in SPLITS}
    (tested,) = open_dlc(str(project)).split("test")
    photo(open_dlc(str(project)).path(tested), (0, 0), (60, 40))
    after = {name: open_dlc(str(project)).digest(name) for name in SPLITS}
    assert {name for name in SPLITS if before[name] != after[name]} == {"test"}


def test_missing_images_are_listed_and_nothing_but_landmarks_needs_them(project: Path) -> None:
    for number in (1, 3):
        csv_of(project).with_name(f"img{number}.png").unlink()
    dataset = open_dlc(str(project))
    for found, message in (dataset.available(), dataset.annotated()):
        assert not found
        assert message == (
            f"dlc: 2 of 5 images are not there, first {csv_of(project).with_name('img1.png')}, named in line 5 of "
            f"{csv_of(project)}; put it back, or delete its line"
        )
    assert dataset.card.counts == {"fit": 4, "regress": 4, "test": 1}
    with pytest.raises(DatasetError, match=r"cannot read image .*img[13]\.png: .*No such") as error:
        [dataset.table(name) for name in SPLITS]
    assert len(str(error.value).splitlines()) == 1


def test_a_broken_image_is_left_out_and_named(project: Path) -> None:
    csv_of(project).with_name("img1.png").write_bytes(b"GIF")
    dataset = open_dlc(str(project))
    assert dataset.available() == (True, "")
    assert ids_of(dataset) == {f"video/{name}" for name in ROWS if name != "img1.png"}
    (remark,) = [text for text in dataset.card.remarks if "left out" in text]
    assert "lines that cannot be used: 1" in remark and "img1.png: it is no image" in remark


def test_the_config_or_the_csv_stands_for_its_folder(project: Path) -> None:
    (project / "config.yaml").write_text("Task: mouse\n")
    expected = open_dlc(str(project))
    for path, card_id in (
        (project / "config.yaml", f"dlc:{project}"),
        (csv_of(project), f"dlc:{csv_of(project).parent}"),
    ):
        dataset = open_dlc(str(path))
        assert dataset.card.id == card_id
        assert [dataset.digest(name) for name in SPLITS] == [expected.digest(name) for name in SPLITS]
    csv_of(project).with_name("CollectedData_you.csv").write_text(csv_of(project).read_text())
    assert ids_of(open_dlc(str(csv_of(project)))) == ids_of(expected)


def _individuals(project: Path, names: str) -> None:
    scorer, rest = csv_of(project).read_text().split("\n", 1)
    csv_of(project).write_text(f"{scorer}\nindividuals,{names}\n{rest}")


def test_one_individual_is_read(project: Path) -> None:
    before = open_dlc(str(project)).annotation("video/img1.png")
    _individuals(project, "animal0,animal0,animal0,animal0")
    after = open_dlc(str(project))
    assert after.card.landmark_names == ("nose", "tail")
    np.testing.assert_array_equal(after.annotation("video/img1.png").landmarks, before.landmarks)


def test_of_several_individuals_the_only_labelled_one_is_read(tmp_path: Path) -> None:
    rows = {name: f",,,,{cells}" for name, cells in ROWS.items()}
    write_dlc(tmp_path / "labeled-data" / "video", rows, parts=("nose", "tail", "nose", "tail"))
    for number, name in enumerate(rows):
        photo(tmp_path / "labeled-data" / "video" / name, (number, 0))
    _individuals(tmp_path, "a,a,a,a,b,b,b,b")
    dataset = open_dlc(str(tmp_path))
    assert dataset.card.landmark_names == ("nose", "tail")
    np.testing.assert_allclose(dataset.annotation("video/img1.png").landmarks[0] * 60, (11.5, 15.5))
    edit(tmp_path, ",,,,11.0", "1,2,3,4,11.0")
    with pytest.raises(DatasetError, match="got labels of 2 individuals: a, b, expected those of one animal; convert"):
        open_dlc(str(tmp_path)).available()


def test_bodyparts_are_joined_by_name(project: Path) -> None:
    swapped = {name: ",".join(cells.split(",")[2:] + cells.split(",")[:2]) for name, cells in ROWS.items()}
    write_dlc(project / "labeled-data" / "zebra", swapped, parts=("tail", "nose"))
    write_dlc(project / "labeled-data" / "yak", {"a.png": "1,2,3,4"}, parts=("tail", "hoof"))
    dataset = open_dlc(str(project))
    assert dataset.card.landmark_names == ("nose", "tail", "hoof")
    same = [dataset.annotation(f"{video}/img1.png") for video in ("video", "zebra")]
    np.testing.assert_array_equal(same[0].landmarks, same[1].landmarks)
    assert dataset.annotation("yak/a.png").visible.tolist() == [False, True, True]
    assert "bodyparts that not all videos have: nose (2 of 3), hoof (1 of 3)" in dataset.card.remarks


def test_a_copied_folder_is_on_one_side_of_the_split_and_what_has_no_label_is_counted(tmp_path: Path) -> None:
    write_dlc(
        tmp_path / "labeled-data" / "video", {f"img{number}.png": f"{10 + number},5,30,20" for number in range(30)}
    )
    shutil.copytree(tmp_path / "labeled-data" / "video", tmp_path / "labeled-data" / "video - Copy")
    (tmp_path / "labeled-data" / "unlabelled").mkdir()
    for name in ("zz.png", "zz.JPG", "._zz.png", "zz.h5"):
        (tmp_path / "labeled-data" / "video" / name).write_bytes(b"")
    dataset = open_dlc(str(tmp_path))
    sides = {name: {image_id.rpartition("/")[2] for image_id in dataset.split(name)} for name in ("fit", "test")}
    assert not sides["fit"] & sides["test"] and len(dataset.split("test")) == 12
    assert any(text.startswith("copies of other images: 30 (first video/img0.png)") for text in dataset.card.remarks)
    assert "left out: folders without CollectedData_*.csv: 1 (first unlabelled)" in dataset.card.remarks
    assert "left out: images without a line in their csv: 2 (first video/zz.JPG)" in dataset.card.remarks


def test_empty_cells_are_missing_and_frames_without_labels_are_left_out(tmp_path: Path) -> None:
    rows = ROWS | {"some.png": ",,12,8", "none.png": ", ,,", "nan.png": "NaN,nan,,"}
    dataset = open_dlc(str(write_dlc(tmp_path / "video", rows)))
    assert ids_of(dataset) == {f"video/{name}" for name in (*ROWS, "some.png")}
    assert dataset.annotation("video/some.png").visible.tolist() == [False, True]


def test_few_videos_are_split_by_frame_and_many_by_video(tmp_path: Path) -> None:
    def video(number: int) -> None:
        rows = {f"img{frame}.png": f"{frame},{number},30,20" for frame in range(1, 6)}
        write_dlc(tmp_path / "labeled-data" / f"video{number}", rows)

    for number in range(4):
        video(number)
    few = open_dlc(str(tmp_path))
    assert len(few.split("test")) == 4
    assert any("fewer than 5 videos" in text for text in few.card.remarks)
    assert few.annotation("video0/img1.png").group == "video0/img1.png"
    for number in range(4, 10):
        video(number)
    many = open_dlc(str(tmp_path))
    tested = {image_id.partition("/")[0] for image_id in many.split("test")}
    learned = {image_id.partition("/")[0] for image_id in many.split("fit")}
    assert (len(tested), len(learned), tested & learned) == (2, 8, set())
    assert any("a fifth of the 10 folders of images" in text for text in many.card.remarks)
    assert many.annotation("video0/img1.png").group == "video0"


@pytest.mark.parametrize("videos", [1, 3, 7])
@pytest.mark.parametrize("prefix", ["", "labeled-data/", "C:\\project\\labeled-data\\"])
def test_the_same_labels_in_cocos_format_have_the_same_splits_and_landmarks(
    tmp_path: Path, videos: int, prefix: str
) -> None:
    document = coco(0)
    for video in range(videos):
        rows = {f"img{frame}.png": f"{frame},{video},30,20" for frame in range(1, 9)}
        write_dlc(tmp_path / "labeled-data" / f"m{video}", rows)
        for name, cells in rows.items():
            number, (x, y, *tail) = len(document["images"]), map(float, cells.split(","))
            names = f"{prefix}m{video}/{name}".replace("/", "\\" if "\\" in prefix else "/")
            document["images"].append({"id": number, "file_name": names})
            points = [x, y, 2, *tail, 2]
            document["annotations"].append({"id": number, "image_id": number, "category_id": 1, "keypoints": points})
    (tmp_path / "labeled-data" / "a.json").write_text(json.dumps(document))
    (tmp_path / "a.json").write_text(json.dumps(document))
    theirs = open_dlc(str(tmp_path))
    ours = open_coco(str(tmp_path / ("a.json" if prefix == "labeled-data/" else "labeled-data/a.json")))
    for name in SPLITS:
        ids = [image_id.replace("\\", "/") for image_id in ours.split(name)]
        assert [image_id.rpartition("labeled-data/")[2] for image_id in ids] == list(theirs.split(name))
        np.testing.assert_array_equal(ours.table(name).landmarks, theirs.table(name).landmarks)
    for image_id in ours.split("test"):
        other = image_id.replace("\\", "/").rpartition("labeled-data/")[2]
        np.testing.assert_array_equal(ours.image(image_id, 32), theirs.image(other, 32))


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    found, message = open_dlc(str(tmp_path / "gone")).available()
    assert not found
    assert f"dlc: no {tmp_path / 'gone'}; expected a DeepLabCut project" in message
