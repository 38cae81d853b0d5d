"""Keypoints that were not found, from a file to the row of a table: by every way in the same numbers and remarks."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.records.store import read_keypoints, read_predictions
from leaderboard.load import load_records
from metrics.points import Points
from metrics.scoring import score
from tests.benchmarks.importing.toys import run, truth
from tests.benchmarks.submit.folders import rows_of, submission, write_card

NOTE = "keypoints that were not found: 15 of 120 in split 'regress', 9 of 132 in split 'test'"


@pytest.fixture
def found(toys):
    """Ids, keypoints of which some were not found, and scores."""
    ids, points = rows_of(toys)
    generator = np.random.default_rng(0)
    points = np.clip(points + generator.normal(0, 0.03, points.shape), 0, 1)
    gaps = np.zeros(points.shape[:2], dtype=bool)
    gaps.ravel()[generator.permutation(120)[:15]] = True
    gaps.ravel()[120 + generator.permutation(132)[:9]] = True
    points[gaps] = np.nan
    return ids, points, generator.uniform(size=gaps.shape)


def save(path, ids, points, scores=None):
    columns = {"image_id": ids, "keypoints": points.reshape(len(ids), -1).tolist()}
    pq.write_table(pa.table(columns | ({} if scores is None else {"scores": scores.tolist()})), path)
    return path


def the_record(runs):
    (record,) = load_records(runs)
    return record


def expected(toys, ids, points, protocol):
    """The score of the keypoints with the image centre in place of absent ones."""
    filled = np.nan_to_num(points, nan=0.5)
    sides = []
    for split in ("regress", "test"):
        names = truth(toys, split, "many")[0]
        dataset = toys.many(None)
        landmarks = np.stack([dataset.annotation(name).landmarks for name in names])
        visible = np.stack([dataset.annotation(name).visible for name in names])
        groups = [dataset.annotation(name).group for name in names]
        rows = [ids.index(name) for name in names]
        sides.append(Points(filled[rows], landmarks, visible, groups, names))
    return score(protocol, *sides).value


def test_import_and_run_score_and_record_and_submit_give_one_row(call, toys, tmp_path, found):
    ids, points, scores = found
    path = save(tmp_path / "k.parquet", ids, points, scores)
    status, out, _ = call("import", "neutral", path, "--task", "toy_many", "--method", "My method", "--output", "a")
    assert status == 0 and f"note: {NOTE}" in out
    assert run(call, "imported:a/imports/my_method", tasks=("toy_many",), more=("--no-floors", "--output", "a"))[0] == 0
    kept = ("--record", "b", "--method", "My method")
    status, out, _ = call("score", "--task", "toy_many", "--predictions", path, *kept)
    assert status == 0 and NOTE in out
    folder = submission(tmp_path, toys)
    save(folder / "points.parquet", ids, points, scores)
    (folder / "points.csv").unlink()
    write_card(folder, {"toy_many": '"points.parquet"'})
    status, out, err = call("submit", folder, "--output", "c")
    assert (status, err) == (0, "") and f"note: toy_many: {NOTE}" in out
    assert ["ᵃ" in line.split("|")[1] for line in out.splitlines() if line.startswith("| My method ◊")] == [True]
    records = [the_record(tmp_path / name) for name in "abc"]
    for record, name in zip(records, "abc", strict=True):
        assert record.scores == records[0].scores
        assert record.provenance["absent_keypoints"] == {"regress": [15, 120], "test": [9, 132]}
        assert any(remark.startswith(NOTE) for remark in record.provenance["remarks"])
        cell = tmp_path / name / "cells" / record.cell_id
        for split in ("regress", "test"):
            there = read_keypoints(cell / f"predictions_{split}.parquet")[1]
            rows = [ids.index(image_id) for image_id in read_predictions(cell, split)[0]]
            np.testing.assert_array_equal(there.keypoints, points[rows])
            np.testing.assert_array_equal(there.scores, scores[rows])
        status, out, _ = call("verify-row", name, record.cell_id)
        assert status == 0 and f"{record.cell_id}: equal" in out
    headline = records[0].scores[0]
    assert headline.value == pytest.approx(expected(toys, ids, points, headline.protocol), rel=1e-12)


def test_tables_mark_the_row_and_say_how_many(call, toys, tmp_path, found):
    ids, points, _ = found
    path = save(tmp_path / "k.parquet", ids, points)
    call("import", "neutral", path, "--task", "toy_many", "--method", "My method")
    run(call, "imported:runs/imports/my_method", "toy_colours", tasks=("toy_many",))
    text = (tmp_path / "runs" / "leaderboard" / "own.paper.md").read_text()
    assert [line.split("|")[1].strip()[-1] for line in text.splitlines() if line.startswith("| My method")] == ["ᵃ"]
    assert "ᵃ some keypoints were not found" in text
    assert (
        text.count(f"toy_many: My method: {NOTE}".replace("_", "\\_")) + text.count(f"toy_many: My method: {NOTE}") == 1
    )
    status, out, _ = call("leaderboard", "--task", "toy_many", "--runs", "runs", "--format", "json")
    flags = {row["label"]: row["flags"] for row in json.loads(out) if row["kind"] != "published"}
    assert status == 0
    assert ["absent_keypoints" in each for name, each in flags.items() if "My method" in name] == [True]
    assert not any("absent_keypoints" in each for name, each in flags.items() if "My method" not in name)


def test_gaps_without_scores_are_kept_as_scores_of_0(call, toys, tmp_path, found):
    ids, points, _ = found
    save(tmp_path / "k.parquet", ids, points)
    call("import", "neutral", tmp_path / "k.parquet", "--task", "toy_many", "--method", "My method")
    kept = read_keypoints(tmp_path / "runs" / "imports" / "my_method" / "toy_many.paper.parquet")[1]
    assert kept.scores is not None
    np.testing.assert_array_equal(kept.scores == 0, np.isnan(kept.keypoints).all(axis=2))


def test_keypoints_that_are_all_found_are_kept_as_before(call, toys, tmp_path):
    ids, points = rows_of(toys)
    save(tmp_path / "k.parquet", ids, points)
    call("import", "neutral", tmp_path / "k.parquet", "--task", "toy_many", "--method", "My method")
    run(call, "imported:runs/imports/my_method", tasks=("toy_many",))
    record = the_record(tmp_path / "runs")
    assert "absent_keypoints" not in record.provenance
    for path in (
        tmp_path / "runs" / "imports" / "my_method" / "toy_many.paper.parquet",
        tmp_path / "runs" / "cells" / record.cell_id / "predictions_test.parquet",
    ):
        assert pq.read_table(path).column_names == ["image_id", "split", "keypoints"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda points, scores: (np.where(points == points[0, 1, 1], np.nan, points), scores), "is not finite"),
        (lambda points, scores: (points, scores[:, :2]), "its scores have the shape"),
        (lambda points, scores: (points, np.where(scores == scores[5, 1], np.nan, scores)), "but its score is nan"),
        (lambda points, scores: (np.full_like(points, np.nan), scores), "no keypoint was found in any image"),
    ],
)
def test_what_is_torn_is_one_line_by_every_way_in(call, toys, tmp_path, found, spoil, says):
    ids, points, scores = found
    points[[0, 5], 1] = 0.6, 0.5 + 0.01 * math.pi
    path = save(tmp_path / "k.parquet", ids, *spoil(points, scores))
    for command in (
        ("import", "neutral", path, "--task", "toy_many", "--method", "m"),
        ("score", "--task", "toy_many", "--predictions", path),
    ):
        status, _, err = call(*command)
        assert status == 2 and says in err and err.count("\n") == 1
    folder = submission(tmp_path, toys)
    (folder / "points.csv").unlink()
    path.rename(folder / "points.parquet")
    write_card(folder, {"toy_many": '"points.parquet"'})
    status, _, err = call("submit", folder)
    assert status == 2 and "1 mistake in the submission" in err
