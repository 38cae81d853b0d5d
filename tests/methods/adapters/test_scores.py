"""Scores and absent keypoints in the formats that have them: each comes back as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.errors import UserError
from benchmarks.importing.joining import join
from methods.adapters.base import Outputs
from methods.adapters.coco_results import CocoResults
from methods.adapters.dlc import Dlc
from methods.adapters.neutral import Neutral, NeutralRow
from tests.methods.adapters.requests import refusal, request
from tests.methods.adapters.test_coco_results import World
from tests.methods.adapters.test_dlc import FRAMES, SCORER, labels, pixels, task, write_csv, write_h5_table

IDS = ["a/1.png", "a/2.png", "a/3.png"]
POINTS = np.random.default_rng(0).uniform(size=(3, 4, 2))
POINTS[1, 2] = POINTS[0, 0] = np.nan
SCORES = np.random.default_rng(1).normal(size=(3, 4))
FORMS = ("lists.parquet", "nulls.parquet", "columns.parquet", "a.npz", "numbered.csv", "named.csv", "empty.csv")


def write(path: Path, points: Any = POINTS, scores: Any = SCORES) -> Path:
    """The keypoints, and scores if any, in one of ``FORMS``."""
    columns: dict[str, Any] = {}
    for k in range(points.shape[1]):
        columns |= {f"x{k}": points[:, k, 0], f"y{k}": points[:, k, 1]}
        columns |= {} if scores is None else {f"score{k}": scores[:, k]}
    flat = points.reshape(len(points), -1)
    if path.name == "a.npz":
        np.savez(path, image_id=IDS, keypoints=points, **({} if scores is None else {"scores": scores}))
    elif path.name == "columns.parquet":
        pq.write_table(pa.table({"image_id": IDS, **columns}), path)
    elif path.suffix == ".parquet":
        lists = {"keypoints": flat} if scores is None else {"scores": scores, "keypoints": flat}
        empty = None if path.name == "nulls.parquet" else np.nan
        rows = {
            name: [[empty if np.isnan(value) else value for value in row] for row in values.tolist()]
            for name, values in lists.items()
        }
        pq.write_table(pa.table({"image_id": IDS, **rows}), path)
    else:
        names = list(columns)
        if path.name == "named.csv":
            names = [f"kp{name[-1]}_{'likelihood' if name.startswith('s') else name[0]}" for name in names]
        empty_field = "" if path.name == "empty.csv" else "nan"
        table = np.stack(list(columns.values()), axis=1).tolist()
        fields = [[empty_field if np.isnan(value) else repr(value) for value in row] for row in table]
        lines = [["image_id", *names], *([name, *row] for name, row in zip(IDS, fields, strict=True))]
        path.write_text("".join(",".join(line) + "\n" for line in lines))
    return path


def read(path: Path) -> Outputs:
    (found,) = Neutral().read(request(path))
    return found


@pytest.mark.parametrize("form", FORMS)
def test_the_neutral_format_returns_scores_and_gaps(tmp_path: Path, form: str) -> None:
    if form == "columns.parquet":
        assert "no array 'keypoints'" in refusal(Neutral(), request(write(tmp_path / form)))
        return
    found = read(write(tmp_path / form))
    np.testing.assert_array_equal(found.keypoints, POINTS)
    np.testing.assert_array_equal(found.scores, SCORES)
    without = read(write(tmp_path / form, scores=None))
    np.testing.assert_array_equal(without.keypoints, POINTS)
    assert without.scores is None
    assert not any("not used" in note for note in found.notes)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (SCORES[:, :3], "its scores have the shape (3, 3), expected (3, 4)"),
        (SCORES[:2], "its scores have the shape (2, 4), expected (3, 4)"),
        (SCORES.ravel(), "its scores have the shape (12,), expected (3, 4)"),
        (np.where(SCORES == SCORES[2, 3], np.nan, SCORES), "row 2, keypoint 3 was found, but its score is nan"),
        (np.where(SCORES == SCORES[2, 3], np.inf, SCORES), "row 2, keypoint 3 was found, but its score is inf"),
        (SCORES.astype(str), "got an array of <U"),
    ],
)
def test_wrong_scores_are_one_clear_line(tmp_path: Path, scores: Any, says: str) -> None:
    np.savez(tmp_path / "a.npz", image_id=IDS, keypoints=POINTS, scores=scores)
    assert says in refusal(Neutral(), request(tmp_path / "a.npz"))


def test_lists_of_scores_of_several_lengths_are_refused(tmp_path: Path) -> None:
    rows = {"image_id": IDS, "keypoints": POINTS.reshape(3, -1).tolist(), "scores": [[1.0], [1.0, 2.0], [1.0]]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    assert "expected the same number in every row" in refusal(Neutral(), request(tmp_path / "a.parquet"))


def test_a_row_of_the_schema_may_have_scores_and_nulls() -> None:
    row = NeutralRow(image_id="a", keypoints=[0.5, 0.5, None, None], scores=[0.9, None])
    assert NeutralRow.model_validate_json(row.model_dump_json()) == row


def test_coco_results_have_a_score_for_each_keypoint_and_0_0_0_for_none(tmp_path: Path) -> None:
    world = World()
    expected: dict[Any, Any] = {}
    for number, entry in enumerate(world.results):
        triples = np.reshape(entry["keypoints"], (-1, 3))
        triples[:, 2] = np.random.default_rng(number).uniform(-3, 9, len(triples))
        if number % 5 == 0:
            triples[number % 4] = 0
        entry["keypoints"] = triples.ravel().tolist()
        if entry["score"] > 0.5:
            expected[entry["image_id"]] = triples
    joined = join(CocoResults().read(request(*world.save(tmp_path), splits=world.splits)), world.splits)
    numbers = {image["file_name"]: image["id"] for image in world.annotations["images"]}
    assert joined.scores is not None
    for image_id, points, scores in zip(joined.ids, joined.keypoints, joined.scores, strict=True):
        triples = expected[numbers[image_id]]
        assert np.isnan(points).tolist() == [[bool((triple == 0).all())] * 2 for triple in triples]
        np.testing.assert_array_equal(scores, triples[:, 2])
    assert np.isnan(joined.keypoints).any()


def test_coco_results_without_any_keypoint_are_refused(tmp_path: Path) -> None:
    world = World()
    for entry in world.results:
        entry["keypoints"] = [0.0] * 12
    message = refusal(CocoResults(), request(*world.save(tmp_path), splits=world.splits))
    assert "no keypoint was found in any image" in message


@pytest.mark.parametrize("form", ["csv", "h5"])
def test_deeplabcut_has_likelihoods_and_empty_cells(tmp_path: Path, form: str) -> None:
    made = task()
    generator = np.random.default_rng(1)
    points, likelihoods = generator.uniform(0.2, 0.8, (80, 4, 2)), generator.uniform(size=(80, 4))
    points[7, 1] = points[52] = np.nan
    table = np.concatenate([pixels(points), likelihoods[..., None]], axis=2).reshape(80, -1)
    path = tmp_path / f"bird one{SCORER}.{form}"
    (write_csv if form == "csv" else write_h5_table)(path, list(range(80)), table)
    joined = join(Dlc().read(request(path, labels(tmp_path, made), splits=made)), made)
    for split, frames in FRAMES.items():
        np.testing.assert_allclose(joined.of(made[split].ids), points[list(frames)], atol=1e-9)
        np.testing.assert_array_equal(joined.scores_of(made[split].ids), likelihoods[list(frames)])


def test_half_a_keypoint_of_deeplabcut_is_refused_by_its_image(tmp_path: Path) -> None:
    made = task()
    table = np.full((80, 12), 300.0)
    table[7, 4] = np.nan
    path = write_csv(tmp_path / f"bird one{SCORER}.csv", list(range(80)), table)
    message = refusal(Dlc(), request(path, labels(tmp_path, made), splits=made))
    assert "image 'bird one/img0007.png': row 0, keypoint 1 is not finite" in message


def test_files_with_and_without_scores_are_not_mixed_and_gaps_alone_give_scores() -> None:
    made = request().splits
    outputs = [
        Outputs(f"{split}.npz", np.random.default_rng(2).uniform(size=(len(truth.ids), 4, 2)), split, truth.ids)
        for split, truth in made.items()
    ]
    assert join(outputs, made).scores is None
    scored = Outputs("test.npz", outputs[1].keypoints, "test", outputs[1].names, scores=np.ones((12, 4)))
    with pytest.raises(UserError, match="test.npz has scores, regress.npz has none; expected scores in all files"):
        join([outputs[0], scored], made)
    outputs[1].keypoints[3, 2] = np.nan
    found = join(outputs, made).scores
    assert found is not None and np.argwhere(found != 1).tolist() == [[20 + 3, 2]] and found[23, 2] == 0


def test_rows_of_one_image_must_agree_in_gaps_and_scores() -> None:
    made = request().splits
    truth = made["test"]
    points = np.random.default_rng(2).uniform(size=(12, 4, 2))
    points[0, 0] = np.nan
    twice, names = np.concatenate([points, points[:1]]), (*truth.ids, truth.ids[0])
    scores = np.ones((13, 4))
    assert len(join([Outputs("a.npz", twice, "test", names, scores=scores)], {"test": truth}).ids) == 12
    scores[12, 1] = 0.5
    with pytest.raises(UserError, match="has other scores than in an earlier row"):
        join([Outputs("a.npz", twice, "test", names, scores=scores)], {"test": truth})
