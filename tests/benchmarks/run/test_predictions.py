"""Predictions while they are being made: whole parts stay, damaged ones are made again, a full disk is one line."""

import resource
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.errors import UserError
from benchmarks.run import predictions
from benchmarks.run.predictions import PartialPredictions, predict_rows
from benchmarks.run.worker import seconds_waiting
from methods.base import MethodError
from methods.presence import Found

IDS = [f"image/{index}" for index in range(10)]
KEYPOINTS = np.random.default_rng(0).random((10, 3, 2))
KEYPOINTS[0, 0] = [-0.0, 1e-320]  # every float64 stays what it is


@pytest.fixture
def partial(tmp_path):
    """Made anew as after a crash: nothing is remembered but the files."""
    return lambda **changes: PartialPredictions(
        **({"folder": tmp_path / "partial", "belongs_to": {"fit": "a"}, "ids": IDS, "num_keypoints": 3} | changes)
    )


def fill(partial, *sizes):
    """Add parts of these sizes, each of half a second; gives the files of all parts."""
    added = partial()
    first = len(added.resume())
    for size in sizes:
        added.add(Found(KEYPOINTS[first : first + size]), 0.5)
        added.flush()
        first += size
    return sorted(added._folder.glob("*"))


def resumed(partial, **changes):
    rows = partial(**changes).resume()
    return rows.keypoints.tobytes(), rows.seconds


def test_what_was_added_is_resumed_bit_for_bit(partial):
    assert resumed(partial) == (b"", 0)
    fill(partial, 4, 3)
    assert resumed(partial) == (KEYPOINTS[:7].tobytes(), 1.0)
    fill(partial, 3)
    assert resumed(partial) == (KEYPOINTS.tobytes(), 1.5)
    assert partial().resume().keypoints.shape == (10, 3, 2)


def test_a_part_can_be_read_by_anything_that_reads_parquet(partial):
    first, second = fill(partial, 4, 3)
    assert pq.read_table(first)["image_id"].to_pylist() == IDS[:4]
    assert pq.read_table(second)["keypoints"].to_pylist() == KEYPOINTS[4:7].reshape(3, 6).tolist()


def test_parts_say_how_long_the_method_waited_and_older_ones_do_not(partial):
    added = partial()
    for first in (0, 4):
        added.add(Found(KEYPOINTS[first : first + 4]), 0.5, 0.25)
        added.flush()
    rows = partial().resume()
    assert rows.waited == 0.5
    assert seconds_waiting(2.0, [rows, rows]) == {"seconds_waiting": {"fit": 2.0, "predict": 1.0}}
    assert seconds_waiting(None, [rows]) == {"seconds_waiting": {"predict": 0.5}}
    older = sorted(added._folder.glob("*"))[0]
    pq.write_table(pq.read_table(older).drop_columns("seconds_waiting"), older)
    assert resumed(partial) == (KEYPOINTS[:8].tobytes(), 1.0)
    assert seconds_waiting(2.0, [partial().resume(), rows]) == {"seconds_waiting": {"fit": 2.0}}
    assert seconds_waiting(None, [partial().resume()]) == {}


@pytest.mark.parametrize("changes", [{"belongs_to": {"fit": "b"}}, {"ids": IDS[:9]}, {"ids": IDS[::-1]}])
def test_predictions_of_anything_else_are_not_resumed(partial, changes):
    fill(partial, 4)
    assert resumed(partial, **changes) == (b"", 0)
    assert resumed(partial) == (KEYPOINTS[:4].tobytes(), 0.5)


def test_a_torn_part_is_made_again_and_no_other(partial):
    _, second, _ = fill(partial, 2, 2, 2)
    whole = second.read_bytes()
    for length in range(0, len(whole), 7):
        second.write_bytes(whole[:length])
        assert resumed(partial) == (KEYPOINTS[:2].tobytes(), 0.5), length
    fill(partial, 2)
    assert resumed(partial) == (KEYPOINTS[:6].tobytes(), 1.5)


def test_a_part_with_a_flipped_bit_is_made_again_or_says_the_same(partial):
    (part,) = fill(partial, 4)
    whole = part.read_bytes()
    found = []
    for place in range(0, len(whole), 3):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        found.append(resumed(partial))
    assert set(found) == {(b"", 0), (KEYPOINTS[:4].tobytes(), 0.5)}
    assert found.count((b"", 0)) >= KEYPOINTS[:4].nbytes // 3


@pytest.mark.parametrize("change", ["another method's", "a later row's", "no numbers", "another layout", "not parquet"])
def test_a_foreign_part_is_made_again(partial, tmp_path, change):
    first, second = fill(partial, 4, 4)
    if change == "another method's":
        other = partial(folder=tmp_path / "other", num_keypoints=2)
        other.add(Found(KEYPOINTS[:4, :2]), 0.5)
        other.flush()
        (path,) = other._folder.iterdir()
        first.write_bytes(path.read_bytes())
    elif change == "a later row's":
        first.write_bytes(second.read_bytes())
    elif change == "no numbers":
        other = partial(folder=tmp_path / "other")
        other.add(Found(np.full((4, 3, 2), np.nan)), 0.5)
        other.flush()
        (path,) = other._folder.iterdir()
        first.write_bytes(path.read_bytes())
    elif change == "another layout":
        pq.write_table(pq.read_table(first).drop_columns("seconds"), first)
    else:
        first.write_text("no parquet")
    assert resumed(partial) == (b"", 0)
    fill(partial, 4)
    assert resumed(partial) == (KEYPOINTS[:8].tobytes(), 1.0)


def test_parts_are_made_again_where_another_run_has_removed_the_folder(partial):
    added = partial()
    added.add(Found(KEYPOINTS[:4]), 0.5)
    added.flush()
    for path in added._folder.iterdir():
        path.unlink()
    added._folder.rmdir()
    added.add(Found(KEYPOINTS[4:8]), 0.5)
    added.flush()
    assert resumed(partial) == (b"", 0)  # the first images are not there


def predicted(partial, until=10, pause=0.0, rows=(0, 10)):
    """Predict in batches of two, with a method that is stopped before image ``until``; the rows that it was given."""
    given, clock = [], SimpleNamespace(now=0.0)

    def predict(batch):
        clock.now += pause
        found = [IDS.index(name) for name in batch.ids]
        if found[0] >= until:
            raise KeyboardInterrupt
        given.extend(found)
        return KEYPOINTS[found]

    def images(first, last):
        return [SimpleNamespace(ids=IDS[row : min(row + 2, last)]) for row in range(first, last, 2)]

    method: Any = SimpleNamespace(predict=predict, card=SimpleNamespace(id="toy"))
    with (
        patch.object(predictions, "BATCH_SIZE", 2),
        patch("time.perf_counter", lambda: clock.now),
        pytest.raises(KeyboardInterrupt) if until < 10 else nullcontext(),
    ):
        predict_rows(method, images, rows[0], rows[1], partial(), Mock())
        assert partial().resume(*rows).keypoints.tobytes() == KEYPOINTS[slice(*rows)].tobytes()
    return given


def test_a_part_has_many_images_and_a_stopped_run_keeps_the_rest_too(partial, monkeypatch):
    monkeypatch.setattr(predictions, "PART_IMAGES", 4)
    assert predicted(partial, until=6) == [*range(6)]
    assert [len(pq.read_table(path)) for path in fill(partial)] == [4, 2]
    assert predicted(partial) == [*range(6, 10)]
    assert [len(pq.read_table(path)) for path in fill(partial)] == [4, 2, 4]
    assert predicted(partial) == []


def test_a_slow_method_writes_smaller_parts(partial, monkeypatch):
    assert predicted(partial, pause=predictions.PART_SECONDS / 2) == [*range(10)]
    assert [len(pq.read_table(path)) for path in fill(partial)] == [4, 4, 2]


@pytest.mark.parametrize("size", [1, 3, 4, 10])
def test_rows_are_predicted_in_the_batches_of_the_whole_split(partial, size):
    """A model may round differently in another batch, so that a row must not depend on where its shard begins."""
    shards = [(first, min(first + size, 10)) for first in range(0, 10, size)]
    for rows in reversed(shards):
        given = predicted(partial, rows=rows)
        assert given == [*range(rows[0] - rows[0] % 2, min(rows[1] + rows[1] % 2, 10))]
        assert predicted(partial, rows=rows) == []
    assert resumed(partial)[0] == KEYPOINTS.tobytes()
    assert len(fill(partial)) == len(shards)


def test_rows_are_read_from_parts_of_other_shards(partial):
    fill(partial, 4, 4)
    found = partial()
    assert found.resume(0, 6).keypoints.tobytes() == KEYPOINTS[:6].tobytes()
    assert found.resume(4, 6).keypoints.tobytes() == KEYPOINTS[4:6].tobytes()
    assert len(found.resume(5, 6)) == len(found.resume(8, 10)) == 0
    predicted(partial, rows=(5, 10))
    assert resumed(partial)[0] == KEYPOINTS[:8].tobytes(), "the part of row 5 does not begin where another ends"
    predicted(partial, rows=(8, 10))
    assert resumed(partial)[0] == KEYPOINTS.tobytes()


def test_a_part_says_where_it_was_made(partial):
    for row, machine in ((0, ("a", 2.0)), (4, ("b", 5.0)), (8, ("a", 1.0))):
        part = partial(made_on=lambda machine=machine: ({"cpu": machine[0]}, machine[1]))
        part.resume(row, row + 4)
        part.add(Found(KEYPOINTS[row : row + 4]), 0.5)
        part.flush()
    found = partial().resume()
    assert found.machines == {'{"cpu": "a"}', '{"cpu": "b"}'} and found.peak_memory_mb == 5.0 and found.seconds == 1.5


def method_that_gives(answer):
    return SimpleNamespace(
        predict=lambda batch: answer([IDS.index(name) for name in batch.ids]), card=SimpleNamespace(id="toy")
    )


def pairs(first, last):
    return [SimpleNamespace(ids=IDS[row : row + 2]) for row in range(first, last, 2)]


def test_scores_and_keypoints_that_were_not_found_are_kept_bit_for_bit(partial):
    scores = np.random.default_rng(1).normal(size=(10, 3))
    keypoints = np.where(scores[..., None] < -0.5, np.nan, KEYPOINTS)
    method: Any = method_that_gives(lambda rows: (keypoints[rows], scores[rows]))
    with patch.object(predictions, "BATCH_SIZE", 2), patch.object(predictions, "PART_IMAGES", 4):
        predict_rows(method, pairs, 3, 8, partial(), Mock())
        predict_rows(method, pairs, 8, 10, partial(), Mock())
        predict_rows(method, pairs, 0, 3, partial(), Mock())
    found = partial().resume().found
    assert (found.keypoints.tobytes(), found.scores.tobytes()) == (keypoints.tobytes(), scores.tobytes())


def test_scores_of_some_images_only_are_one_line(partial):
    method: Any = method_that_gives(lambda rows: KEYPOINTS[rows] if rows[0] > 3 else (KEYPOINTS[rows], np.ones((2, 3))))
    with (
        patch.object(predictions, "BATCH_SIZE", 2),
        pytest.raises(MethodError, match="toy: predict gave scores for some images only .*image/4.*, expected"),
    ):
        predict_rows(method, pairs, 0, 10, partial(), Mock())


@contextmanager
def no_file_longer_than(size):
    """The system itself refuses to write on, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_costs_no_part_but_the_last(partial):
    (path,) = fill(partial, 4)
    added = partial()
    added.resume()
    added.add(Found(KEYPOINTS[4:7]), 0.5)
    with no_file_longer_than(60), pytest.raises(UserError) as error:
        added.flush()
    assert str(error.value) == (
        f"cannot write {path.with_name('00000004-00000007.parquet')}: File too large; raise the limit on the size of "
        "files, then run the same command again"
    )
    assert list(path.parent.iterdir()) == [path]
    assert resumed(partial) == (KEYPOINTS[:4].tobytes(), 0.5)


def test_a_folder_that_cannot_be_made_is_one_line(partial, tmp_path):
    (tmp_path / "partial").write_text("")
    added = partial()
    added.add(Found(KEYPOINTS[:4]), 0.5)
    with pytest.raises(UserError, match=r"cannot write .*/partial/.*: (File exists|Not a directory)"):
        added.flush()
