"""Own data labelled with DeepLabCut that is broken: what is refused or left out, in one line naming file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.base import DatasetError
from datasets.dlc import open_dlc
from tests.custom_data import write_dlc
from tests.dataset_plugins.test_dlc import ROWS, csv_of, edit, ids_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_dlc(tmp_path / "labeled-data" / "video", ROWS)
    return tmp_path


Corrupt = Callable[[Path], object]


def _replace(old: str, new: str) -> Corrupt:
    return lambda project: edit(project, old, new)


def _second_scorer(project: Path) -> None:
    csv_of(project).with_name("CollectedData_you.csv").write_text(csv_of(project).read_text())


def _other_parts(project: Path) -> None:
    write_dlc(project / "labeled-data" / "zebra", ROWS, parts=("wing", "hoof"))


def _no_labels(project: Path) -> None:
    write_dlc(project / "labeled-data" / "video", {"img0.png": ",,,"})


IN_CSV: list[tuple[Corrupt, str]] = [
    (_replace("scorer", "score"), 'line 1: got "score", expected scorer'),
    (_replace("coords", "likelihood"), 'line 3: got "likelihood", expected coords'),
    (lambda project: csv_of(project).write_text(""), 'line 1: got "nothing", expected scorer'),
    (_replace("x,y,x,y", "x,y,x,x"), 'line 3: got "coords,x,y,x,x", expected x and y of each bodypart'),
    (_replace("x,y,x,y", "x,y,x"), 'line 3: got "coords,x,y,x", expected x and y of each bodypart'),
    (_replace("nose,nose", "nose,tail"), "line 3: got .*expected x and y of each bodypart in turn"),
    (_replace("nose,nose", "tail,tail"), 'line 2: got "tail", expected each name once'),
    (lambda project: csv_of(project).write_text('scorer,"' + "a" * 200_000), "cannot read .*field"),
    (_no_labels, "no frame has a labelled part"),
]
IN_LINES: list[tuple[str, str, str]] = [
    ("12.0,5.0,", "12.0,", "line 6: got 4 columns, expected 5, as in the heading"),
    ("12.0,5.0", "twelve,5.0", 'line 6: got "nose twelve, 5.0", expected two numbers'),
    ("12.0,5.0", "12.0,", 'line 6: got "nose 12.0, ", expected two numbers, or two empty cells'),
    ("12.0,5.0", "inf,5.0", 'line 6: got "nose inf, 5.0", expected two numbers'),
    ("img2", "img1", 'line 6: got "img1.png", expected the path of an image that has no line yet'),
    ("img2.png", "", 'line 6: got "", expected the path of an image'),
    ("12.0,5.0", "1e7,5.0", r"line 6 of .*: got a keypoint at \(1e\+07, 5\), expected"),
]


@pytest.mark.parametrize(("old", "new", "message"), IN_LINES)
def test_a_line_that_cannot_be_used_is_left_out_and_named(project: Path, old: str, new: str, message: str) -> None:
    edit(project, old, new)
    dataset = open_dlc(str(project))
    assert ids_of(dataset) == {f"video/{name}" for name in ROWS if name != "img2.png"}
    (remark,) = [text for text in dataset.card.remarks if "cannot be used" in text]
    assert remark.startswith("left out: lines that cannot be used: 1 (first ") and re.search(message, remark)


def test_most_lines_broken_refuse_the_csv(project: Path) -> None:
    for number in range(1, 4):
        edit(project, f"{10 + number}.0,5.0,", "x,y,")
    with pytest.raises(DatasetError, match=r'line 5: got "nose x, y", .* \(and 2 more of the lines\)$'):
        open_dlc(str(project)).available()


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
            r"zebra/CollectedData_me\.csv, line 2: got wing, hoof, expected bodyparts of .*: nose, tail",
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
