"""Own data labelled with DeepLabCut: every layout of the csv, where labels end up, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.base import SPLITS, DatasetError
from datasets.dlc import DeepLabCut, open_dlc
from tests.custom_data import lay_down, photo, write_dlc

ROWS = {f"img{number}.png": f"{10 + number}.0,5.0,30.0,20.0" for number in range(5)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_dlc(tmp_path / "labeled-data" / "video", ROWS)
    return tmp_path


def csv_of(project: Path) -> Path:
    return project / "labeled-data" / "video" / "CollectedData_me.csv"


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
        assert message.startswith(f"dlc: no {csv_of(project).with_name('img1.png')} and 1 more; expected a DeepLabCut")
    assert dataset.card.counts == {"fit": 4, "regress": 4, "test": 1}
    with pytest.raises(DatasetError, match=r"cannot read image .*img[13]\.png: .*No such") as error:
        [dataset.table(name) for name in SPLITS]
    assert len(str(error.value).splitlines()) == 1


def test_a_broken_image_is_named_when_its_split_is_read(project: Path) -> None:
    csv_of(project).with_name("img1.png").write_bytes(b"GIF")
    dataset = open_dlc(str(project))
    assert dataset.available() == (True, "")
    with pytest.raises(DatasetError, match=r"cannot read image .*img1\.png") as error:
        [dataset.table(name) for name in SPLITS]
    assert len(str(error.value).splitlines()) == 1


def test_empty_cells_are_missing_and_frames_without_labels_are_left_out(tmp_path: Path) -> None:
    rows = ROWS | {"some.png": ",,12,8", "none.png": ", ,,", "nan.png": "NaN,nan,,"}
    dataset = open_dlc(str(write_dlc(tmp_path / "video", rows)))
    assert ids_of(dataset) == {f"video/{name}" for name in (*ROWS, "some.png")}
    assert dataset.annotation("video/some.png").visible.tolist() == [False, True]


def test_few_videos_are_split_by_frame_and_many_by_video(tmp_path: Path) -> None:
    for number in range(4):
        write_dlc(tmp_path / "labeled-data" / f"video{number}", ROWS)
    few = open_dlc(str(tmp_path))
    assert len(few.split("test")) == 4
    assert "fewer than 5 videos" in few.card.remarks[0]
    assert few.annotation("video0/img0.png").group == "video0/img0.png"
    for number in range(4, 10):
        write_dlc(tmp_path / "labeled-data" / f"video{number}", ROWS)
    many = open_dlc(str(tmp_path))
    tested = {image_id.partition("/")[0] for image_id in many.split("test")}
    learned = {image_id.partition("/")[0] for image_id in many.split("fit")}
    assert (len(tested), len(learned), tested & learned) == (2, 8, set())
    assert many.card.remarks == ()
    assert many.annotation("video0/img0.png").group == "video0"


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    found, message = open_dlc(str(tmp_path / "gone")).available()
    assert not found
    assert f"dlc: no {tmp_path / 'gone'}; expected a DeepLabCut project" in message


Corrupt = Callable[[Path], object]


def _replace(old: str, new: str) -> Corrupt:
    def change(project: Path) -> None:
        text = csv_of(project).read_text()
        assert old in text
        csv_of(project).write_text(text.replace(old, new, 1))

    return change


def _more_animals(project: Path) -> None:
    scorer, rest = csv_of(project).read_text().split("\n", 1)
    csv_of(project).write_text(f"{scorer}\nindividuals,a,a,b,b\n{rest}")


def _second_scorer(project: Path) -> None:
    csv_of(project).with_name("CollectedData_you.csv").write_text(csv_of(project).read_text())


def _other_parts(project: Path) -> None:
    write_dlc(project / "labeled-data" / "zebra", ROWS, parts=("nose", "hoof"))


def _no_labels(project: Path) -> None:
    write_dlc(project / "labeled-data" / "video", {"img0.png": ",,,"})


IN_CSV: list[tuple[Corrupt, str]] = [
    (_more_animals, "line 2: got 'individuals', expected bodyparts: labels of several animals are not read"),
    (_replace("scorer", "score"), "line 1: got 'score', expected scorer"),
    (_replace("coords", "likelihood"), "line 3: got 'likelihood', expected coords"),
    (lambda project: csv_of(project).write_text(""), "line 1: got 'nothing', expected scorer"),
    (_replace("x,y,x,y", "x,y,x,x"), "line 3: got 'coords,x,y,x,x', expected x and y of each bodypart"),
    (_replace("x,y,x,y", "x,y,x"), "line 3: got 'coords,x,y,x', expected x and y of each bodypart"),
    (_replace("nose,nose", "nose,tail"), "line 3: got .*expected x and y of each bodypart in turn"),
    (_replace("nose,nose", "tail,tail"), "line 2: got tail, expected each name once"),
    (_replace("12.0,5.0,", "12.0,"), "line 6: got '4 columns', expected 5, as in the heading"),
    (_replace("12.0,5.0", "twelve,5.0"), "line 6: got 'nose twelve, 5.0', expected two numbers"),
    (_replace("12.0,5.0", "12.0,"), "line 6: got 'nose 12.0, ', expected two numbers, or two empty cells"),
    (_replace("12.0,5.0", "inf,5.0"), "line 6: got 'nose inf, 5.0', expected two numbers"),
    (_replace("img3", "img2"), "line 7: got 'img2.png', expected the path of an image that has no line yet"),
    (_replace("img3.png", ""), "line 7: got '', expected the path of an image"),
    (lambda project: csv_of(project).write_text('scorer,"' + "a" * 200_000), "cannot read .*field"),
    (_no_labels, "no frame has a labelled part"),
]


@pytest.mark.parametrize(("corrupt", "message"), IN_CSV)
def test_a_corrupt_csv_is_one_line_naming_file_and_line(project: Path, corrupt: Corrupt, message: str) -> None:
    corrupt(project)
    dataset = open_dlc(str(project))
    for use in (dataset.available, lambda: dataset.card, lambda: dataset.split("test")):
        with pytest.raises(DatasetError, match=message) as error:
            use()
        assert str(csv_of(project)) in str(error.value)
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (lambda project: csv_of(project).unlink(), r"no CollectedData_\*\.csv in "),
        (_second_scorer, r"CollectedData_you\.csv: CollectedData_me\.csv lies beside it, expected one scorer"),
        (
            _other_parts,
            r"zebra/CollectedData_me\.csv, line 2: got nose, hoof, expected the bodyparts of .*: nose, tail",
        ),
    ],
)
def test_a_broken_project_is_one_line_naming_the_file(project: Path, corrupt: Corrupt, message: str) -> None:
    corrupt(project)
    with pytest.raises(DatasetError, match=message) as error:
        open_dlc(str(project)).available()
    assert str(project) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_one_frame_is_not_enough(tmp_path: Path) -> None:
    folder = write_dlc(tmp_path / "video", {"img0.png": "1,2,3,4"})
    with pytest.raises(DatasetError, match=r"only video/img0\.png is annotated, expected 2 images"):
        open_dlc(str(folder)).available()
