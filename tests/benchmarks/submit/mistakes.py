"""Mistaken and hostile submissions by name: what spoils a good one, and the line that must name it."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.submit.folders import PREDICTIONS, rows_of, write_card, write_csv

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
        ".0, 'format': unknown field; known: bytes, file, sha256, url",
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
