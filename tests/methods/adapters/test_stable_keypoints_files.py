"""Folders of the released Stable Keypoints: rows in random order, joined to images by their landmarks."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.importing.joining import join
from methods.adapters.base import SplitTruth
from methods.adapters.stable_keypoints import StableKeypointsFiles
from methods.stable_keypoints import StableKeypoints
from tests.dataset_plugins.reading.frame_files import Does
from tests.methods.adapters.requests import refusal, request, truth
from tests.methods.test_checkpoints import images
from tests.methods.tiny_pipeline import TOKEN_WIDTH

K, L, N = 4, 5, 40


def keypoints_for(found: SplitTruth) -> np.ndarray:
    """Keypoints (N, 4, 2), (x, y), pixel centres of 512, that landmarks are nearly linear in."""
    rng = np.random.default_rng(len(found.ids))
    points = found.landmarks[:, :K] + rng.normal(0, 0.01, (len(found.ids), K, 2))
    return (np.clip(np.floor(points * 512), 0, 511) + 0.5) / 512


def save(folder: Path, found: SplitTruth, order="yx", visible=None, **files) -> np.ndarray:
    """Write a run's folder as the released code does; gives the order of the rows. ``files`` replace or remove some."""
    folder.mkdir(exist_ok=True)
    rows = np.random.default_rng(7).permutation(len(found.ids))
    source = keypoints_for(found)[rows][..., ::-1].astype(np.float32)
    target = found.landmarks[rows].astype(np.float32)
    target = target[..., ::-1] if order == "yx" else target
    x, y = (array.reshape(len(rows), -1).astype(np.float64) - 0.5 for array in (source, target))
    made = {
        "source_keypoints": source,
        "target_keypoints": target,
        "regressor": (np.linalg.pinv(x.T @ x) @ x.T @ y).astype(np.float32),
        "indices": np.array([3, 77, 401, 12]),
        "embedding": np.zeros((1, 500, 8), np.float32),
    }
    if visible is not None:
        made["visible"] = visible[rows]
    for name, values in (made | files).items():
        if values is not None:
            torch.save(torch.tensor(np.ascontiguousarray(values)), folder / f"{name}.pt")
    return rows


@pytest.fixture
def splits():
    return {"regress": truth("regress", N, L), "test": truth("test", 12, L)}


@pytest.fixture
def both(tmp_path, splits):
    """A request for a folder of each split."""
    save(tmp_path / "train", splits["regress"])
    save(tmp_path / "test", splits["test"])
    return request(
        tmp_path / "train", tmp_path / "test", splits=splits, num_keypoints=K, split_of={tmp_path / "test": "test"}
    )


def test_shuffled_rows_find_their_images(both, splits):
    joined = join(StableKeypointsFiles().read(both), splits)
    for found in splits.values():
        np.testing.assert_allclose(joined.of(found.ids), keypoints_for(found), atol=1e-7)
    assert joined.notes == ()


def test_targets_written_x_first_are_told_by_their_landmarks(tmp_path, splits, both):
    save(tmp_path / "train", splits["regress"], order="xy")
    joined = join(StableKeypointsFiles().read(both), splits)
    np.testing.assert_allclose(joined.of(splits["regress"].ids), keypoints_for(splits["regress"]), atol=1e-7)
    assert any("(x, y), like that of cub_aligned" in note for note in joined.notes)


def test_landmarks_that_do_not_count_are_left_out_of_the_joining(tmp_path, splits, both):
    """Where a landmark does not count, the file may hold anything, such as -1/256; and it may count one less."""
    found = splits["regress"]
    hidden = np.random.default_rng(0).random((N, L)) < 0.2
    hidden[:, :2] = False
    given = SplitTruth(found.ids, np.where(hidden[..., None], -1 / 256, found.landmarks), ~hidden)
    counted = ~hidden
    counted[3, 0] = False
    save(tmp_path / "train", given, visible=counted, regressor=None)
    known = {**splits, "regress": SplitTruth(found.ids, np.where(hidden[..., None], 0.0, found.landmarks), ~hidden)}
    rows = save(tmp_path / "train", given, visible=counted, regressor=None)
    joined = join(StableKeypointsFiles().read(request(*both.paths, splits=known, split_of=both.split_of)), known)
    assert sorted(rows) == list(range(N))
    np.testing.assert_allclose(joined.of(found.ids), keypoints_for(given), atol=1e-7)


def test_images_that_share_all_landmarks_are_reported(tmp_path, both, splits):
    """Which of two is which cannot be told, and the pairs of keypoints and landmarks are the same either way."""
    found = splits["regress"]
    landmarks = found.landmarks.copy()
    landmarks[9] = landmarks[4]
    known = {**splits, "regress": SplitTruth(found.ids, landmarks, found.visible)}
    save(tmp_path / "train", known["regress"])
    joined = join(StableKeypointsFiles().read(request(*both.paths, splits=known, split_of=both.split_of)), known)
    assert any("2 rows are of images that share all their landmarks" in note for note in joined.notes)
    twins = {tuple(row) for row in joined.of([found.ids[4], found.ids[9]]).reshape(2, -1).tolist()}
    assert twins == {tuple(row) for row in keypoints_for(known["regress"])[[4, 9]].reshape(2, -1).tolist()}


GRID = (np.random.default_rng(3).integers(0, 512, (N, K, 2)) + 0.5) / 512


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"target_keypoints": None}, "no target_keypoints.pt"),
        ({"source_keypoints": GRID[:, :3]}, "K=3 keypoints per image, the task has K=4"),
        ({"source_keypoints": GRID * 512}, "expected 0 to 1"),
        ({"source_keypoints": GRID * 2 - 1}, "expected 0 to 1"),
        ({"source_keypoints": np.where(GRID == GRID[5, 1], np.nan, GRID)}, "row 5, keypoint 1 is not finite"),
        ({"source_keypoints": GRID / 4}, "pixels of 128 divided by 512"),
        ({"source_keypoints": GRID - 0.5 / 512}, "expected pixel centres (i + 0.5) / 512"),
        ({"source_keypoints": GRID[:-1]}, "got 40 rows, expected 39"),
        ({"target_keypoints": np.zeros((N, L + 1, 2))}, "expected (40, 5, 2) for this task"),
        ({"target_keypoints": np.random.default_rng(9).random((N, L, 2))}, "no row has the landmarks of an image"),
        ({"visible": np.ones((N, L + 1))}, "visible.pt: got"),
        ({"visible": np.full((N, L), 2)}, "expected 0 and 1"),
        ({"indices": np.array([3, 3, 1, 2])}, "4 different tokens"),
        ({"indices": np.array([3, 500, 1, 2])}, "tokens 1 to 500"),
        ({"embedding": np.zeros((500, 8))}, "expected (1, N, width)"),
        ({"regressor": np.zeros((8, 12))}, "expected (8, 10) for K keypoints and L landmarks"),
        ({"regressor": np.random.default_rng(2).normal(0, 3, (8, 10))}, "the files are of different runs"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, both, splits, files, says):
    (tmp_path / "train" / "target_keypoints.pt").unlink()
    save(tmp_path / "train", splits["regress"], **files)
    assert says in refusal(StableKeypointsFiles(), both)


def test_a_pickle_that_would_run_something_is_refused_and_not_run(tmp_path, both):
    mark = tmp_path / "ran"
    torch.save(Does(os.mkdir, str(mark)), tmp_path / "train" / "source_keypoints.pt")
    assert "code in a file is never run" in refusal(StableKeypointsFiles(), both)
    assert not mark.exists()


def test_a_run_without_test_keypoints_is_told_where_to_get_them(tmp_path, both, splits):
    alone = request(tmp_path / "train", splits=splits)
    assert "add --option test=predict" in refusal(StableKeypointsFiles(), alone)
    (tmp_path / "train" / "embedding.pt").unlink()
    message = refusal(StableKeypointsFiles(), alone)
    assert "test:FOLDER" in message and "predict" not in message
    assert "expected test=predict" in refusal(StableKeypointsFiles(), request(tmp_path, options={"test": "yes"}))


def test_a_model_that_is_not_there_is_asked_for_by_the_option_of_the_import(tmp_path, splits):
    embedding = np.random.default_rng(0).normal(0, 1, (1, 30, TOKEN_WIDTH)).astype(np.float32)
    save(tmp_path / "train", splits["regress"], embedding=embedding, indices=np.array([3, 7, 20, 12]))
    options = {"test": "predict", "model": str(tmp_path / "nowhere")}
    given = request(tmp_path / "train", splits=splits, images=lambda split, size: images(1), options=options)
    message = refusal(StableKeypointsFiles(), given)
    assert "--option model=FOLDER" in message and "--set" not in message


def test_test_images_are_found_with_the_runs_tokens_on_request(pipeline, tmp_path, splits):
    """The keypoints are those that this repository's Stable Keypoints gives with the same tokens."""
    embedding = torch.randn(1, 30, TOKEN_WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    save(tmp_path / "train", splits["regress"], embedding=None, indices=np.array([3, 7, 20, 12]))
    torch.save(embedding, tmp_path / "train" / "embedding.pt")
    stream, asked = images(1), []

    def given(split, size):
        asked.append((split, size))
        return stream

    options = {"test": "predict", "model": str(pipeline)}
    _, found = StableKeypointsFiles().read(request(tmp_path / "train", splits=splits, images=given, options=options))
    method = StableKeypoints(
        StableKeypoints.config_for("paper", {"model": str(pipeline), "tokens": str(tmp_path / "train")})
    )
    method.fit(stream, K, 0, lambda *_, **__: None)
    expected = np.concatenate([method.predict(batch) for batch in stream])
    np.testing.assert_array_equal(found.keypoints, expected)
    assert (found.split, found.names) == ("test", stream.ids)
    assert asked == [("test", method.image_size)]
    assert "found with the tokens in train" in found.notes[0]
