"""Mistaken and hostile submissions: each is refused with status 2 and a line that names it, and nothing is kept."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.submit.folders import PREDICTIONS, rows_of, submission, write_card, write_csv

GIGABYTE = 1 << 30
SHA = "0" * 64


def fields(predictions=PREDICTIONS, **changed):
    return lambda folder, toys: write_card(folder, predictions, **changed)


def file(text):
    """The card names this in place of its file."""
    return fields({"toy_many": text})


def rows(change):
    """The rows of the file, ids and keypoints, are changed."""

    def spoil(folder, toys):
        ids, points = rows_of(toys)
        write_csv(folder / "points.csv", *change(list(ids), points.copy()))

    return spoil


def table(text):
    return lambda folder, toys: (folder / "points.csv").write_text(text)


def at(row, value):
    def change(ids, points):
        points[row, 1, 0] = value
        return ids, points

    return rows(change)


def sparse(name, size):
    """A file without content that takes no room on the disk."""

    def spoil(folder, toys):
        with (folder / name).open("wb") as handle:
            handle.truncate(size)

    return spoil


def link(name, target):
    def spoil(folder, toys):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return spoil


def pipe(name):
    def spoil(folder, toys):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return spoil


def other_file(name, write):
    """The card names a file of another kind, which ``write`` makes of a path, ids and keypoints."""

    def spoil(folder, toys):
        (folder / "points.csv").unlink()
        write_card(folder, {"toy_many": f'"{name}"'})
        write(folder / name, *rows_of(toys))

    return spoil


class Touch:
    """Unpickled, it would make a file."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def with_landmarks(path, ids, points):
    pq.write_table(pa.table({"image_id": ids, "landmarks": points.reshape(len(ids), -1).tolist()}), path)


CARDS = {
    "no card": (lambda folder, toys: (folder / "card.toml").unlink(), "my_method has no card.toml"),
    "no TOML": (lambda folder, toys: (folder / "card.toml").write_text("name: mine"), "card.toml: Expected '='"),
    "no text": (lambda folder, toys: (folder / "card.toml").write_bytes(b"\xff\xfe"), "card.toml: is not UTF-8"),
    "two names": (
        lambda folder, toys: (folder / "card.toml").write_text('name = "a"\nname = "b"\n'),
        "Cannot overwrite a value (at line 2",
    ),
    "nested deeply": (
        lambda folder, toys: (folder / "card.toml").write_text(f"a = {'[' * 5000}{']' * 5000}"),
        "card.toml: tables are nested too deeply",
    ),
    "large card": (sparse("card.toml", 100_000), "card.toml: has 100,000 bytes, expected at most 64,000"),
    "gigabyte card": (sparse("card.toml", GIGABYTE), "card.toml: has 1,073,741,824 bytes, expected at most 64,000"),
    "linked card": (link("card.toml", "/etc/passwd"), "card.toml: [Errno"),
    "a score in the card": (fields(score="1.5"), "card.toml, 'score': unknown field"),
    "a mistyped field": (fields(license='"MIT"'), "'license': unknown field; did you mean 'licence'?"),
    "no licence": (fields(licence=None), "card.toml, licence: is missing, expected the licence of the predictions"),
    "no authors": (fields(authors="[]"), "card.toml, authors: got []"),
    "an author of another type": (fields(authors="[3]"), "card.toml, authors.0: got 3"),
    "a word for true": (fields(saw_landmarks='"no"'), "card.toml, saw_landmarks: got 'no'"),
    "facts that differ": (fields(saw_landmarks="true"), "got true beside the supervision 'unsupervised'"),
    "a supervised method without landmarks": (
        fields(supervision='"Supervised"'),
        "got false beside the supervision 'supervised'",
    ),
    "a year long ago": (fields(date="0001-01-01"), "date: got 0001-01-01, expected a day from 2000-01-01 to today"),
    "a time": (fields(date="2026-11-27T10:00:00"), "date: got datetime.datetime(2026, 11, 27, 10, 0), expected"),
    "a quoted date": (fields(date='"2026-11-27"'), "card.toml, date: got '2026-11-27', expected the day"),
    "tomorrow's date": (fields(date="2999-01-01"), "date: got 2999-01-01, expected a day from 2000-01-01 to today"),
    "an unknown profile": (fields(profile='"large"'), "card.toml, profile: got 'large'"),
    "an empty name": (fields(name='" "'), "card.toml, name: got ' ': is empty"),
    "a name of two lines": (fields(name='"My\\nmethod"'), "name: got 'My\\nmethod': has the character U+000A"),
    "a name that writes to the terminal": (fields(name='"\\u001b]0;x\\u0007"'), "has the character U+001B"),
    "a name to the left": (fields(name='"My \\u202emethod"'), "has the character U+202E"),
    "a long name": (fields(name=f'"{"a" * 201}"'), "has 201 characters, expected at most 200"),
    "a name that calls people": (fields(name='"My method @all"'), "has an @, which would notify a person"),
    "a name without letters": (fields(name='"!!!"'), "expected a name with letters a to z or digits"),
    "another's folder": (fields(name='"Your method"'), "'Your method' is in the folder 'my_method', expected a folder"),
    "a name of the benchmark": (fields(name='"Stable  keypoints"'), "is a row that the benchmark makes itself"),
    "a floor's name": (fields(name='"Mean pose (constant grid)"'), "is a row that the benchmark makes itself"),
    "a supervision of two lines": (fields(supervision='"none\\n"'), "card.toml, supervision: got 'none\\n'"),
    "no predictions": (fields({}), "card.toml, predictions: got {}"),
    "an unknown task": (
        fields(PREDICTIONS | {"toy_mny": '"a.csv"'}),
        "unknown task 'toy_mny'; did you mean 'toy_many'?",
    ),
    "no file": (file("[]"), "card.toml, predictions.toy_many: got []"),
    "a list in a list": (file('[["points.csv"]]'), "card.toml, predictions.toy_many.0: got a list, expected for each"),
    "no table of predictions": (
        lambda folder, toys: (folder / "card.toml").write_text('predictions = "points.csv"\n'),
        "card.toml, predictions: got 'points.csv', expected for each task a file",
    ),
    "a task that writes to the terminal": (
        fields({'"\\u001b[31m"': '"points.csv"'}),
        "unknown task '\\x1b[31m'; known:",
    ),
    "a number as file": (file("3"), "card.toml, predictions.toy_many.0: got 3"),
    "code without https": (fields(code='"ftp://a.org/b"'), "card.toml, code: got 'ftp://a.org/b': is no address"),
}
FILES = {
    "a path out of the folder": (file('"../points.csv"'), "'../points.csv' is not the name of such a file"),
    "an absolute path": (file('"/etc/passwd.csv"'), "'/etc/passwd.csv' is not the name of such a file"),
    "a Windows path": (file('"C:\\\\points.csv"'), "is not the name of such a file in the folder itself"),
    "a file in a folder": (file('"a/points.csv"'), "'a/points.csv' is not the name of such a file"),
    "a hidden file": (file('".points.csv"'), "'.points.csv' is not the name of such a file"),
    "a pickle": (file('"points.pkl"'), "'points.pkl' is not the name of such a file"),
    "a record as predictions": (file('"result.json"'), "'result.json' is not the name of such a file"),
    "a missing file": (file('"pionts.csv"'), "card.toml, predictions: no file 'pionts.csv'; add it"),
    "a file twice": (file('["points.csv", "points.csv"]'), "names 'points.csv' 2 times, expected each file once"),
    "too many files": (file(str([f"{number}.csv" for number in range(201)])), "names 201 files, expected at most 200"),
    "a link": (link("points.csv", "/etc/passwd"), "'points.csv': is a link, expected plain files alone"),
    "a link in a circle": (link("points.csv", "points.csv"), "'points.csv': is a link"),
    "a pipe": (
        pipe("points.csv"),
        "'points.csv': is a folder or a device",
    ),
    "a folder": (lambda folder, toys: (folder / "cells").mkdir(), "'cells': is a folder or a device"),
    "a made-up record": (
        lambda folder, toys: (folder / "result.json").write_text('{"value": 0.1}'),
        "'result.json': is not named by card.toml; remove it",
    ),
    "a program": (lambda folder, toys: (folder / "conftest.py").write_text("1/0"), "'conftest.py': is not named"),
    "a gigabyte": (sparse("points.csv", GIGABYTE), "bytes, expected at most 20,000,000 in one folder"),
    "http": (file(f'{{ url = "http://a.org/b.csv", sha256 = "{SHA}", bytes = 9 }}'), "is no address that starts with"),
    "a file address": (file(f'{{ url = "file:///a.csv", sha256 = "{SHA}", bytes = 9 }}'), "is no address that starts"),
    "a password": (
        file(f'{{ url = "https://me:secret@a.org/b.csv", sha256 = "{SHA}", bytes = 9 }}'),
        "https://***@a.org/b.csv': is no address",
    ),
    **{
        f"the machine {host}": (
            file(f'{{ url = "https://{host}/b.csv", sha256 = "{SHA}", bytes = 9 }}'),
            "names a machine by its number or without a domain",
        )
        for host in ("169.254.169.254", "[::1]", "127.1", "0x7f.0x1", "2130706433", "localhost.")
    },
    "this machine": (file(f'{{ url = "https://localhost/b.csv", sha256 = "{SHA}", bytes = 9 }}'), "without a domain"),
    "no digest": (file('{ url = "https://a.org/b.csv", bytes = 9 }'), "the sha256 is missing or not 64 digits"),
    "no size": (file(f'{{ url = "https://a.org/b.csv", sha256 = "{SHA}" }}'), "the bytes are missing or not from 1"),
    "a gigabyte elsewhere": (
        file(f'{{ url = "https://a.org/b.csv", sha256 = "{SHA}", bytes = {GIGABYTE} }}'),
        "the bytes are missing or not from 1 to 200,000,000",
    ),
    "another kind elsewhere": (
        file(f'{{ url = "https://a.org/b.pt", sha256 = "{SHA}", bytes = 9 }}'),
        "the address does not end in .parquet, .npz, .csv",
    ),
    "a file and an address": (
        file('{ file = "points.csv", url = "https://a.org/b.csv" }'),
        "is neither the name of a file nor { url, sha256, bytes }",
    ),
    "an unknown field of a file": (
        file('{ file = "points.csv", format = "imm" }'),
        "card.toml, 'format': unknown field; known: bytes, file, sha256, url",
    ),
}
KEYPOINTS = {
    "another K": (
        rows(lambda ids, points: (ids, points[:, :2])),
        "points.csv: has K=2 keypoints per image, expected K=3",
    ),
    "no number": (at(4, np.nan), "1 rows have a number that is not finite, first row 4"),
    "infinity": (at(5, np.inf), "1 rows have a number that is not finite, first row 5"),
    "pixels": (rows(lambda ids, points: (ids, points * 32)), "outside [0, 1], first row 0; the numbers run from"),
    "a repeated id": (
        rows(lambda ids, points: ([*ids, ids[3]], np.concatenate([points, points[3:4]]))),
        "1 ids stand in several rows, first 'regress/3', expected one row per image",
    ),
    "two answers": (
        rows(lambda ids, points: ([*ids, ids[3]], np.concatenate([points, points[4:5]]))),
        "1 ids stand in several rows, first 'regress/3'",
    ),
    "an unknown id": (
        rows(lambda ids, points: ([*ids, "train/0"], np.concatenate([points, points[:1]]))),
        "1 ids are of no image that is scored, first 'train/0', expected ids of the splits regress and test",
    ),
    "ids of the fit images": (
        rows(lambda ids, points: ([*ids, "fit/0"], np.concatenate([points, points[:1]]))),
        "1 ids are of no image that is scored, first 'fit/0'",
    ),
    "a script as id": (
        rows(lambda ids, points: (["<script>\u202e", *ids[1:]], points)),
        "no image that is scored, first '<script>\\u202e'",
    ),
    "no test images": (
        rows(lambda ids, points: (ids[:40], points[:40])),
        "no keypoints for 44 of 44 images of the split test, first 'test/0'",
    ),
    "a missing image": (
        rows(lambda ids, points: (ids[1:], points[1:])),
        "no keypoints for 1 of 40 images of the split regress, first 'regress/0'",
    ),
    "shifted rows": (
        rows(lambda ids, points: (ids, np.roll(points, 1, axis=0))),
        "% moved up by 1 in the order of the files; write each image's keypoints beside its own image_id",
    ),
    "y before x": (rows(lambda ids, points: (ids, points[..., ::-1])), "y seems to come before x"),
    "three numbers a point": (
        other_file("p.npz", lambda path, ids, points: np.savez(path, image_id=ids, keypoints=np.zeros((84, 3, 3)))),
        "p.npz: got an array of shape (84, 3, 3), expected (N, K, 2)",
    ),
    "ids in two columns": (
        other_file(
            "p.npz", lambda path, ids, points: np.savez(path, image_id=[[each] for each in ids], keypoints=points)
        ),
        "p.npz: ",
    ),
    "complex numbers": (
        other_file("p.npz", lambda path, ids, points: np.savez(path, image_id=ids, keypoints=points + 0j)),
        "p.npz: got an array of complex128, expected numbers",
    ),
    "an odd number of columns": (table("image_id,x0,y0,x1\ntest/0,0,0,0\n"), "points.csv: "),
    "no headings": (table("test/0,0.1,0.1,0.2,0.2,0.3,0.3\n"), "expected image_id, x0, y0, x1, y1"),
    "no ids": (table("x0,y0,x1,y1,x2,y2\n0.1,0.1,0.2,0.2,0.3,0.3\n"), "points.csv: names no images"),
    "an empty file": (table(""), "points.csv: line 1: is empty"),
    "words for numbers": (
        table("image_id,x0,y0\ntest/0,left,0\n"),
        "points.csv: line 2: got 'left', expected a",
    ),
    "a formula": (table("image_id,x0,y0\ntest/0,=1+1,0\n"), "points.csv: line 2: got '=1+1', expected a number"),
    "landmarks in place of keypoints": (other_file("p.parquet", with_landmarks), "p.parquet: no array 'keypoints'"),
    "no parquet": (
        other_file("p.parquet", lambda path, ids, points: path.write_bytes(b"PAR1")),
        "p.parquet: ",
    ),
    "no archive": (other_file("p.npz", lambda path, ids, points: path.write_bytes(b"PK")), "p.npz: "),
    "code in an archive": (
        other_file(
            "p.npz",
            lambda path, ids, points: np.savez(path, image_id=ids, keypoints=np.array([Touch()], dtype=object)),
        ),
        "p.npz: arrays of numbers could not be read",
    ),
}
CASES = CARDS | FILES | KEYPOINTS


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
