"""Mistaken and hostile submissions: each is refused with status 2 and a line that names it, and nothing is kept."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.submit.folders import PREDICTIONS, rows_of, submission, write_card, write_csv
from tests.benchmarks.submit.mistakes import CASES, other_file, rows


@pytest.mark.parametrize("case", CASES)
def test_each_is_refused_with_a_line_that_names_it(call, toys, tmp_path, case):
    folder = submission(tmp_path / "submissions", toys)
    spoil, says = CASES[case]
    spoil(folder, toys)
    status, out, err = call("submit", folder, "--output", "runs")
    assert (status, out) == (2, "")
    assert says in err, err
    assert "Traceback" not in err and str(tmp_path / "tmp") not in err
    assert err.isascii() or all(character.isprintable() for character in err.replace("\n", ""))
    assert not (tmp_path / "runs").exists() and not Path("executed").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda places: places[::-1], "in the reverse order"),
        (lambda places: np.roll(places, -2), "moved down by 2 in the order"),
    ],
)
def test_keypoints_of_the_test_images_alone_may_be_in_the_wrong_order(call, toys, tmp_path, change, says):
    folder = submission(tmp_path, toys)
    rows(lambda ids, points: (ids, points[[*range(40), *change(np.arange(40, 84))]]))(folder, toys)
    status, _, err = call("submit", folder)
    assert status == 2
    assert "points.csv, split test of toy_many: the keypoints explain" in err and says in err
    assert err.startswith("1 mistake in")


def test_everything_that_is_wrong_is_said_at_once(call, toys, tmp_path):
    folder = submission(tmp_path, toys)
    named = PREDICTIONS | {"toy_mny": '"b.csv"', "toy": '["a.csv", "c.csv"]'}
    write_card(folder, named, date="2999-01-01", name='"Other"')
    ids, points = rows_of(toys)
    points[7, 0, 0], points[8, 0, 0] = np.nan, 3
    write_csv(folder / "points.csv", [*ids[:-1], "nobody"], points[:, :2])
    write_csv(folder / "a.csv", ["regress/0", "regress/0", "x"], points[:3])
    (folder / "notes.txt").write_text("hello")
    status, _, err = call("submit", folder)
    assert status == 2
    for says in (
        "'Other' is in the folder 'my_method'",
        "date: got 2999-01-01",
        "unknown task 'toy_mny'",
        "no file 'b.csv'",
        "no file 'c.csv'",
        "'notes.txt': is not named by card.toml",
        "points.csv: has K=2 keypoints per image",
        "points.csv: 1 rows have a number that is not finite, first row 7",
        "points.csv: 1 rows have numbers outside [0, 1], first row 8",
        "a.csv: 1 ids stand in several rows, first 'regress/0'",
    ):
        assert says in err
    assert err.startswith("10 mistakes in the submission 'my_method':\n- ") and err.count("\n") == 11


def test_all_wrong_fields_of_a_card_are_named_together(call, toys, tmp_path):
    folder = submission(tmp_path, toys)
    write_card(folder, {"toy_many": '"../a.csv"'}, date="1", licence=None, extra="2", name='"a@b"')
    _, _, err = call("submit", folder)
    assert all(f"card.toml, {name}" in err for name in ("date", "licence", "'extra'", "name", "predictions.toy_many"))


def test_as_json_each_mistake_has_its_parts(call, toys, tmp_path):
    import json

    folder = submission(tmp_path, toys, licence=None)
    status, out, err = call("submit", folder, "--format", "json")
    assert (status, err) == (2, "")
    (problem,) = json.loads(out)["problems"]
    assert problem["where"] == "card.toml, licence" and problem["got"] == "is missing" and problem["remedy"] == "add it"
    assert problem["expected"].startswith("the licence of the predictions")


@pytest.mark.parametrize(
    ("task", "says"),
    [("toy_absent", "toy_absent: nothing under"), ("toy_malformed", "parts.txt: line 7 has 4 columns")],
)
def test_data_that_are_not_there_are_said_plainly_and_the_files_are_checked(call, toys, tmp_path, task, says):
    folder = submission(tmp_path, toys, predictions={task: '"points.csv"'})
    rows(lambda ids, points: (ids, points[:, :2]))(folder, toys)
    status, _, err = call("submit", folder)
    assert status == 2
    assert f"task {task}: cannot be scored here" in err and says in err
    assert "has K=2 keypoints per image, expected K=3" in err


@pytest.mark.parametrize("name", ["p.npz", "p.parquet"])
def test_a_small_file_that_unpacks_to_much_is_not_read(call, toys, tmp_path, monkeypatch, name):
    """The limit of readers is 512 MB; here it is a thousandth, so that the file is made quickly."""
    monkeypatch.setenv("KEYPOINTS_LIMITS", "0.001")

    def write(path, ids, points):
        many = 100_000
        if path.suffix == ".npz":
            np.savez_compressed(path, image_id=ids, keypoints=np.zeros((many, 3, 2)))
        else:
            rows = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(6 * many)), 6)
            pq.write_table(pa.table({"image_id": ["a"] * many, "keypoints": rows}), path)
        assert path.stat().st_size < 100_000

    other_file(name, write)(submission(tmp_path, toys), toys)
    status, _, err = call("submit", tmp_path / "my_method")
    assert status == 2
    assert f"{name}: " in err and ", expected at most" in err and "bytes" in err, err


def test_a_long_list_of_mistakes_is_cut(call, toys, tmp_path):
    folder = submission(tmp_path, toys)
    for number in range(150):
        (folder / f"{number}.txt").touch()
    _, _, err = call("submit", folder)
    assert err.startswith("150 mistakes") and err.endswith("and 50 more\n") and err.count("\n") == 102


@pytest.mark.parametrize("make", ["absent", "file", "link"])
def test_the_folder_must_be_one(call, toys, tmp_path, make):
    right = submission(tmp_path, toys)
    folder = tmp_path / "other"
    if make == "file":
        folder.touch()
    elif make == "link":
        folder.symlink_to(right)
    status, _, err = call("submit", folder)
    assert status == 2
    assert ("is a link" if make == "link" else "is no folder") in err and err.count("\n") == 1
