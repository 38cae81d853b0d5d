"""What is remembered of a run directory changes the time of reading it, never what is read."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.records import checks, memory
from benchmarks.records.checks import examine
from benchmarks.records.digests import FitRecord, fit_digest, write_fit
from benchmarks.records.image_errors import errors_of
from benchmarks.records.memory import Memory, fingerprint, memory_of
from benchmarks.records.store import ERRORS, KEPT, RESULT, write_record, write_table
from leaderboard.image_errors import CellErrors
from leaderboard.records import ResultRecord
from tests.leaderboard.synthetic import record

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take files as settled as soon as they are written."""
    monkeypatch.setattr(memory, "SETTLED_NS", 0)


@pytest.fixture
def output(tmp_path) -> Path:
    for seed in range(3):
        made = record("imm", "cub_001", 4.0, seed)
        folder = tmp_path / "cells" / made.cell_id
        columns = {
            "protocol": ["sk/side"] * 4,
            "image_id": [f"{number}" for number in range(4)],
            "group": ["a", "a", "b", "c"],
            "error": [3.0, 5.0, 1 / 3, 8 - 1 / 3],
            "weight": [1.0] * 4,
        }
        folder.mkdir(parents=True)
        write_table(folder / ERRORS, columns)
        write_record(folder, made)
    return tmp_path


def whole(output: Path) -> list[str]:
    with memory_of(output) as known:
        return [each.cell_id for each in examine(output, known).records]


def hashed(monkeypatch) -> list[str]:
    """The cells whose files are checked."""
    found: list[str] = []
    original = checks.cell_fault

    def noted(output, record):
        found.append(record.cell_id)
        return original(output, record)

    monkeypatch.setattr(checks, "cell_fault", noted)
    return found


def test_whole_cells_are_checked_once(output, monkeypatch):
    seen = hashed(monkeypatch)
    first = whole(output)
    assert len(seen) == len(first) == 3
    assert whole(output) == first == [each.cell_id for each in examine(output).records]
    assert len(seen) == 3 + 3  # the last call had no memory


@pytest.mark.parametrize("name", [RESULT, ERRORS])
@pytest.mark.parametrize("put_back", [False, True])
def test_a_change_is_found_even_with_the_old_size_and_time(output, name, put_back):
    first = whole(output)
    path = output / "cells" / first[1] / name
    before, content = path.stat(), bytearray(path.read_bytes())
    place = content.index(b"4.0") if name == RESULT else 8
    content[place] ^= 1
    path.write_bytes(content)
    if put_back:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert whole(output) == [first[0], first[2]]


@pytest.mark.parametrize("added", [*KEPT, "other.txt"])
def test_a_new_or_removed_file_is_noticed(output, added, monkeypatch):
    first = whole(output)
    path = output / "cells" / first[0] / added
    path.unlink() if path.exists() else path.write_text("x")
    seen = hashed(monkeypatch)
    assert whole(output) == (first[1:] if added == ERRORS else first)
    assert seen == [first[0]]


def test_a_record_under_another_name_is_left_out(output):
    first = whole(output)
    (output / "cells" / first[0]).rename(output / "cells" / "other")
    assert whole(output) == first[1:]


def test_errors_are_the_same_to_the_last_bit(output, monkeypatch):
    (first, *_) = examine(output).records

    def read(known: Memory | None = None) -> CellErrors:
        errors = errors_of(output, known)
        assert errors is not None
        found = errors(first, "sk/side")
        assert found is not None
        return found

    found = read()
    with memory_of(output) as known:
        read(known)
    monkeypatch.setattr("benchmarks.records.image_errors._read", lambda path: pytest.fail("read again"))
    with memory_of(output) as known:
        again = read(known)
    assert again[:2] == found[:2]
    np.testing.assert_array_equal(again.errors, found.errors)
    np.testing.assert_array_equal(again.weights, found.weights)


def test_files_that_have_just_changed_are_not_remembered(output, monkeypatch):
    monkeypatch.setattr(memory, "SETTLED_NS", 10**12)
    assert fingerprint(output / "cells") == b""
    seen = hashed(monkeypatch)
    assert whole(output) == whole(output)
    assert len(seen) == 6


def file_of_the_memory() -> Path:
    (path,) = (Path(os.environ["XDG_CACHE_HOME"]) / "keypoint-benchmarks" / "cells").iterdir()
    return path


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 half"])
def test_a_broken_memory_is_none(output, content):
    first = whole(output)
    path = file_of_the_memory()
    assert Memory(output, path).record(first[0]) is not None
    path.write_bytes(content)
    assert Memory(output, path).record(first[0]) is None
    assert whole(output) == first


def test_a_damaged_byte_of_a_record_is_noticed(output):
    first = whole(output)
    path = file_of_the_memory()
    content = bytearray(path.read_bytes())
    content[content.index(b'"value":4.0') + 8] = ord("9")
    path.write_bytes(content)
    assert Memory(output, path).record(first[0]) is None
    assert whole(output) == first


def test_a_memory_of_other_code_is_none(output, monkeypatch):
    first = whole(output)
    seen = hashed(monkeypatch)
    monkeypatch.setattr(memory, "_code", lambda: b"of another version")
    assert whole(output) == first == seen


def test_a_remembered_record_has_all_that_tables_show(output):
    (first, *_) = examine(output).records
    whole(output)
    with memory_of(output) as known:
        found = known.record(first.cell_id)
    assert found is not None
    bare = [score.model_copy(update={"rows": (), "per_landmark": (), "curve": ()}) for score in first.scores]
    assert list(found.scores) == bare
    assert found.model_copy(update={"scores": first.scores}) == first


@pytest.mark.parametrize("change", ["added", "removed", "replaced"])
def test_a_cell_counts_again_only_while_its_fit_is_as_it_was(output, change, monkeypatch):
    (cell, *_) = (output / "cells").iterdir()
    fit = output / "fits" / "imm--mini"
    fit.mkdir(parents=True)
    (fit / "weights").write_bytes(b"1")
    write_fit(fit, fit.name, FitRecord(seconds=1.0))
    plain = json.loads((cell / RESULT).read_text("utf-8"))
    plain |= {"provenance": {"fit_id": fit.name}, "digests": {"fit": fit_digest(fit)}}
    write_record(cell, ResultRecord.model_validate(plain))
    first = whole(output)
    seen = hashed(monkeypatch)
    assert whole(output) == first and seen == []
    if change == "added":
        (fit / "more").write_bytes(b"1")
    elif change == "removed":
        shutil.rmtree(fit)
    else:
        (fit / "weights").write_bytes(b"2")
    assert whole(output) == ([each for each in first if each != cell.name] if change == "replaced" else first)
    assert seen == [cell.name]


def test_a_cache_folder_that_cannot_be_written_is_no_error(output, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(output / "cells" / "none" / "\0"[:0] / RESULT))
    (output / "cells" / "none").write_text("a file")
    assert len(whole(output)) == 3
