"""Columns of csv and parquet files are taken by their headings."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.score.faces import EYES, ROWS, WORLD, L, interocular, save, scores


def named(path, points, form):
    """A table whose headings say which column is which: in the order xy, yx or grouped (all x, then all y)."""
    axes = "yx" if form == "yx" else "xy"
    names = [(axis, k) for k in range(points.shape[1]) for axis in axes]
    if form == "grouped":
        names.sort()
    columns = {f"{axis}{k}": points[:, k, "xy".index(axis)] for axis, k in names}
    ids = {"image_id": [f"{row}.png" for row in range(len(points))]}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(ids | columns), path)
    else:
        rows = zip(ids["image_id"], *(column.tolist() for column in columns.values()), strict=True)
        lines = [",".join(map(str, row)) for row in rows]
        path.write_text("\n".join([",".join(["image_id", *columns]), *lines]))
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("forms", [("grouped", "grouped"), ("yx", "grouped"), ("xy", "yx")])
def test_columns_are_taken_by_their_headings(score, tmp_path, kind, forms):
    options = save(tmp_path, WORLD)
    for name, form in zip(("fit-gt", "test-pred"), forms, strict=True):
        options[options.index(f"--{name}") + 1] = named(tmp_path / f"{name}.{kind}", WORLD[name], form)
    _, out, _ = score(*options, *EYES, "--format", "json", "--resamples", "20")
    assert scores(out)["sk/interocular"]["value"] == pytest.approx(interocular(WORLD), rel=1e-9)
    assert "the columns are taken by their headings" in out


def test_headings_with_y_first_agree_with_the_order_yx(score, tmp_path):
    flipped = {name: values[..., ::-1] for name, values in WORLD.items()}
    options = [*save(tmp_path, flipped), "--order", "yx", *EYES, "--format", "json", "--resamples", "20"]
    place = options.index("--fit-gt") + 1
    for form in ("yx", "xy"):
        options[place] = named(tmp_path / "gt.csv", WORLD["fit-gt"], form)
        status, out, err = score(*options)
        if form == "yx":
            assert scores(out)["sk/interocular"]["value"] == pytest.approx(interocular(WORLD), rel=1e-9)
        else:
            assert status == 2 and "the headings name x before y, the order is yx" in err


def test_visibility_boxes_and_points_follow_headings_or_contradict_each_other(score, tmp_path):
    generator = np.random.default_rng(3)
    options = [*save(tmp_path, WORLD), "--format", "json", "--resamples", "20"]
    expected = []
    for side in ROWS:
        seen = generator.random((ROWS[side], L)) < 0.7
        np.save(tmp_path / f"{side}-seen.npy", seen)
        turned = [",".join(f"v{k}" for k in reversed(range(L))), *(",".join(map(str, row[::-1] * 1)) for row in seen)]
        (tmp_path / f"{side}-seen.csv").write_text("\n".join(turned))
        box = generator.uniform(0.2, 0.5, (ROWS[side], 4))
        np.save(tmp_path / f"{side}-box.npy", box)
        lines = ["height,width,y,x", *(",".join(map(repr, row.tolist()[::-1])) for row in box)]
        (tmp_path / f"{side}-box.csv").write_text("\n".join(lines))
    for kind in ("npy", "csv"):
        shown, around = (",".join(f"{tmp_path / side}-{what}.{kind}" for side in ROWS) for what in ("seen", "box"))
        _, out, _ = score(*options, "--visible", shown, "--boxes", around, "--protocol", "strict/box")
        expected.append(scores(out)["strict/box"]["value"])
    assert expected[0] == pytest.approx(expected[1], rel=1e-12)
    other = named(tmp_path / "gt.csv", WORLD["test-gt"], "xy").read_text().replace("x4,y4", "x5,y5")
    (tmp_path / "other.csv").write_text(other)
    options[options.index("--test-gt") + 1] = tmp_path / "other.csv"
    options[options.index("--fit-gt") + 1] = named(tmp_path / "gt.csv", WORLD["fit-gt"], "xy")
    status, _, err = score(*options)
    assert status == 2 and "the headings name different landmarks, or the same in another order" in err


@pytest.mark.parametrize("turned", [False, True])
def test_columns_of_visibility_beside_landmarks_are_used(score, tmp_path, turned):
    """As with --visible; v of 0, 1 and 2 as in COCO."""
    generator = np.random.default_rng(4)
    options = [*save(tmp_path, WORLD), "--format", "json", "--resamples", "20", "--protocol", "strict/side"]
    pair = []
    for side in ROWS:
        seen = generator.integers(0, 3, (ROWS[side], L))
        np.save(tmp_path / f"{side}-seen.npy", seen > 0)
        pair.append(str(tmp_path / f"{side}-seen.npy"))
    expected = scores(score(*options, "--visible", ",".join(pair))[1])["strict/side"]["value"]
    generator = np.random.default_rng(4)
    for side in ROWS:
        seen = generator.integers(0, 3, (ROWS[side], L))
        points = WORLD[f"{side}-gt"]
        columns = {f"{axis}{k}": points[:, k, place] for k in range(L) for place, axis in enumerate("xy")}
        columns |= {f"v{k}": seen[:, k] for k in range(L)}
        names = sorted(columns) if turned else list(columns)
        lines = [",".join(map(repr, row)) for row in zip(*(columns[name].tolist() for name in names), strict=True)]
        (tmp_path / f"{side}.csv").write_text("\n".join([",".join(names), *lines]))
        options[options.index(f"--{side}-gt") + 1] = tmp_path / f"{side}.csv"
    status, out, err = score(*options)
    assert (status, err) == (0, "")
    assert scores(out)["strict/side"]["value"] == pytest.approx(expected, rel=1e-9)
    assert "visibility is taken from its columns" in out
    status, _, err = score(*options, "--visible", ",".join(pair))
    assert status == 2 and "has columns of visibility beside" in err


def test_unused_columns_are_said_and_a_visibility_without_a_heading_is_refused(score, tmp_path):
    options = [*save(tmp_path, WORLD), "--format", "json", "--resamples", "20", "--protocol", "strict/side"]
    expected = scores(score(*options)[1])["strict/side"]["value"]
    points = WORLD["test-pred"]
    place = options.index("--test-pred") + 1
    triples = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2).reshape(len(points), -1)
    names = [f"{axis}{k}" for k in range(points.shape[1]) for axis in ("x", "y", "v")]
    options[place] = tmp_path / "p.csv"
    lines = [",".join(map(repr, row)) for row in triples.tolist()]
    options[place].write_text("\n".join([",".join(names), *lines]))
    _, out, _ = score(*options)
    assert scores(out)["strict/side"]["value"] == pytest.approx(expected, rel=1e-12)
    assert f"columns that are not used, of visibility or likelihood: {points.shape[1]}" in out
    options[place].write_text("\n".join(lines))
    status, _, err = score(*options)
    assert status == 2 and "holds only 0, 1 and 2, as a visibility does" in err
