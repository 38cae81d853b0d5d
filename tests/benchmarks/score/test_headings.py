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
