"""Predictions while they are being made: whole batches stay, what is damaged goes, a full disk is one line."""

import resource
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks.errors import UserError
from benchmarks.run.predictions import PartialPredictions

IDS = [f"image/{index}" for index in range(10)]
KEYPOINTS = np.random.default_rng(0).random((10, 3, 2))
KEYPOINTS[0, 0] = [-0.0, 1e-320]  # every float64 stays what it is


@pytest.fixture
def partial(tmp_path):
    """Made anew as after a crash: nothing is remembered but the file."""
    return lambda **changes: PartialPredictions(
        **({"folder": tmp_path / "partial", "belongs_to": {"fit": "a"}, "ids": IDS, "num_keypoints": 3} | changes)
    )


def fill(partial, *sizes):
    """Add batches of these sizes, each of half a second; gives the file."""
    predictions = partial()
    first = len(predictions.take_up()[0])
    for size in sizes:
        predictions.add(first, KEYPOINTS[first : first + size], 0.5)
        first += size
    return predictions._path


def taken_up(partial, **changes):
    keypoints, seconds = partial(**changes).take_up()
    return keypoints.tobytes(), seconds


def test_what_was_added_is_taken_up_bit_for_bit(partial):
    assert taken_up(partial) == (b"", 0)
    fill(partial, 4, 3)
    assert taken_up(partial) == (KEYPOINTS[:7].tobytes(), 1.0)
    fill(partial, 3)
    assert taken_up(partial) == (KEYPOINTS.tobytes(), 1.5)
    assert partial().take_up()[0].shape == (10, 3, 2)


@pytest.mark.parametrize("changes", [{"belongs_to": {"fit": "b"}}, {"ids": IDS[:9]}, {"ids": IDS[::-1]}])
def test_predictions_of_anything_else_are_not_taken_up(partial, changes):
    fill(partial, 4)
    assert taken_up(partial, **changes) == (b"", 0)
    assert taken_up(partial) == (KEYPOINTS[:4].tobytes(), 0.5)


def test_every_way_of_being_cut_off_leaves_whole_batches(partial):
    path = fill(partial, 2)
    one = len(path.read_bytes())
    whole = fill(partial, 2).read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        kept = 0 if length < one else 2
        assert taken_up(partial) == (KEYPOINTS[:kept].tobytes(), kept / 4), length
        fill(partial, 4 - kept)  # and what is added next follows on
        assert taken_up(partial)[0] == KEYPOINTS[:4].tobytes(), length


def test_every_damaged_byte_drops_its_batch_and_what_follows(partial):
    path = fill(partial, 2, 2)
    whole = path.read_bytes()
    second = (len(whole) - path.read_bytes().index(b"\n") - 1) // 2
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        kept = 2 if place >= len(whole) - second else 0
        assert taken_up(partial)[0] == KEYPOINTS[:kept].tobytes(), place


def test_a_batch_that_does_not_follow_is_dropped(partial):
    predictions = partial()
    predictions.take_up()
    predictions.add(0, KEYPOINTS[:4], 0.5)
    predictions.add(6, KEYPOINTS[6:], 0.5)  # another run cut the file in between
    assert taken_up(partial) == (KEYPOINTS[:4].tobytes(), 0.5)


def test_a_batch_is_kept_where_another_run_has_cleared_the_folder(partial):
    predictions = partial()
    predictions.take_up()
    predictions._path.unlink()
    predictions._path.parent.rmdir()
    predictions.add(0, KEYPOINTS[:4], 0.5)
    assert taken_up(partial) == (b"", 0)  # without its first line nobody knows whose it is


@contextmanager
def no_file_longer_than(size):
    """The system itself refuses to write on, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_costs_no_batch_but_the_last(partial):
    path = fill(partial, 4)
    with no_file_longer_than(path.stat().st_size + 60), pytest.raises(UserError) as error:
        partial().add(4, KEYPOINTS[4:7], 0.5)
    assert str(error.value) == (
        f"cannot keep predictions in {path}: File too large; make room, "
        "then the same command goes on from what is there"
    )
    assert taken_up(partial) == (KEYPOINTS[:4].tobytes(), 0.5)


def test_a_folder_that_cannot_be_made_is_one_line(partial, tmp_path):
    (tmp_path / "partial").write_text("")
    with pytest.raises(UserError, match=r"cannot keep predictions in .*/partial/.*: (File exists|Not a directory)"):
        partial().take_up()
