"""The numbers of ``score`` against float64 formulas, in every format and convention."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

from tests.benchmarks.score.faces import EYES, ROWS, WORLD, K, L, interocular, predicted, save, scores


@pytest.mark.parametrize("kind", ["npy", "npz", "mat", "pt", "csv", "parquet"])
def test_every_format_scores_as_the_formula_does(score, tmp_path, kind):
    status, out, err = score(*save(tmp_path, WORLD, kind), *EYES, "--format", "json", "--resamples", "50")
    assert (status, err) == (0, "")
    found = scores(out)
    assert found["sk/interocular"]["value"] == pytest.approx(interocular(WORLD), rel=1e-9)
    assert found["autolink/interocular"]["value"] == pytest.approx(interocular(WORLD, origin=0.0), rel=1e-9)
    assert all(name.partition("/")[2].startswith("interocular") or "sanchez" in name for name in found)


def test_one_matlab_file_in_the_layout_that_scops_keeps(score, tmp_path):
    """Points (y, x) about the centre, all four arrays in one file."""
    moved = {name: values[..., ::-1] - 0.5 for name, values in WORLD.items()}
    path = tmp_path / "kp.mat"
    keys = {"fit-pred": "train_pred_kp", "fit-gt": "train_gt_kp", "test-pred": "test_pred_kp", "test-gt": "test_gt_kp"}
    scipy.io.savemat(path, {key: moved[name] for name, key in keys.items()})
    options = [part for name, key in keys.items() for part in (f"--{name}", f"{path}:{key}")]
    convention = ("--order", "yx", "--range", "centred")
    status, out, _ = score(*options, *convention, *EYES, "--protocol", "sk/interocular", "--format", "json")
    assert status == 0
    (found,) = scores(out).values()
    assert found["value"] == pytest.approx(interocular(WORLD), rel=1e-9)
    assert found["ci_low"] < found["value"] < found["ci_high"]
    assert (found["n_fit"], found["n_test"], found["rank"], found["rank_deficient"]) == (60, 25, 2 * K, False)
    assert found["rows"] == [60] * L
    truth = WORLD["test-gt"]
    errors = np.hypot(*np.moveaxis(predicted(WORLD) - truth, -1, 0))
    between = np.hypot(*(truth[:, 0] - truth[:, 1]).T)
    np.testing.assert_allclose(found["per_landmark"], 100 * (errors / between[:, None]).mean(0), rtol=1e-9)


@pytest.mark.parametrize(
    ("range_", "to"),
    [
        ("unit", lambda p: p),
        ("centred", lambda p: p - 0.5),
        ("symmetric", lambda p: 2 * p - 1),
        ("pixels:178,218", lambda p: p * (178, 218)),
    ],
)
@pytest.mark.parametrize("order", ["xy", "yx"])
def test_every_convention_gives_the_same_number(score, tmp_path, range_, to, order):
    step = 1 if order == "xy" else -1
    arrays = {name: to(values)[..., ::step] for name, values in WORLD.items()}
    options = ("--range", range_, "--order", order, "--protocol", "sk/interocular", "--format", "json")
    _, out, _ = score(*save(tmp_path, arrays), *options, *EYES, "--resamples", "20")
    assert scores(out)["sk/interocular"]["value"] == pytest.approx(interocular(WORLD), rel=1e-9)


def test_landmarks_may_have_a_convention_of_their_own(score, tmp_path):
    """Keypoints (y, x) in -1 to 1 beside landmarks (x, y) in pixels."""
    arrays = {name: (2 * values - 1)[..., ::-1] if "pred" in name else values * 128 for name, values in WORLD.items()}
    own = ("--order", "yx", "--range", "symmetric", "--gt-order", "xy", "--gt-range", "pixels:128")
    _, out, _ = score(*save(tmp_path, arrays), *own, *EYES, "--format", "json", "--resamples", "20")
    assert scores(out)["sk/interocular"]["value"] == pytest.approx(interocular(WORLD), rel=1e-9)


def side(arrays, fit_visible, test_visible):
    errors = np.hypot(*np.moveaxis(predicted(arrays, fit_visible) - arrays["test-gt"], -1, 0))
    return 100 * float(
        np.mean([row[seen].mean() for row, seen in zip(errors, test_visible, strict=True) if seen.any()])
    )


@pytest.mark.parametrize("value", [0.0, -1.0, -999.0, 1e6])
def test_landmarks_that_may_stand_for_missing_are_counted(score, tmp_path, value):
    world = {name: values * 100 for name, values in WORLD.items()}
    world["test-gt"][::3, 1] = value
    options = save(tmp_path, world)
    status, out, _ = score(*options, "--range", "pixels:100,100", "--protocol", "strict/side", "--resamples", "20")
    count, total = len(world["test-gt"][::3]), world["test-gt"].size // 2
    text = f"{count} of {total} landmarks lie exactly on ({value:g}, {value:g})"
    assert status == 0 and text in " ".join(out.split())


@pytest.mark.parametrize("how", ["two files", "one file", "two options", "nan"])
def test_missing_landmarks_however_they_are_marked(score, tmp_path, how):
    generator = np.random.default_rng(3)
    visible = {name: generator.random((rows, L)) < 0.7 for name, rows in ROWS.items()}
    arrays, options = dict(WORLD), []
    for name, seen in visible.items():
        rubbish = np.nan if how == "nan" else 77.0
        arrays[f"{name}-gt"] = np.where(seen[..., None], WORLD[f"{name}-gt"], rubbish)
        np.save(tmp_path / f"{name}-seen.npy", seen if name == "fit" else seen.astype(np.uint8))
    np.savez(tmp_path / "seen.npz", fit=visible["fit"], test=visible["test"])
    fit, test = tmp_path / "fit-seen.npy", tmp_path / "test-seen.npy"
    options = {
        "two files": ["--visible", f"{fit},{test}"],
        "one file": ["--visible", tmp_path / "seen.npz"],
        "two options": ["--fit-visible", fit, "--test-visible", test],
        "nan": [],
    }[how]
    status, out, err = score(*save(tmp_path, arrays), *options, "--format", "json", "--resamples", "20")
    assert (status, err) == (0, "")
    found = scores(out)
    assert found["sk/side"]["value"] == pytest.approx(side(WORLD, visible["fit"], visible["test"]), rel=1e-9)
    assert found["sk/side"]["rows"] == visible["fit"].sum(0).tolist()
    assert not any(name.startswith("sk/pck") for name in found)  # counts every landmark
    missing = int((~visible["fit"]).sum())
    noted = [note for note in json.loads(out)["notes"] if f"{missing} of {60 * L} landmarks are NaN" in note]
    assert len(noted) == (how == "nan")


def test_rows_are_joined_by_name_where_both_files_have_names(score, tmp_path):
    order = np.random.default_rng(4).permutation(ROWS["test"])
    options = save(tmp_path, WORLD, "parquet")
    shuffled = WORLD["test-pred"][order].reshape(len(order), -1).tolist()
    pq.write_table(
        pa.table({"image_id": [f"{row}.png" for row in order], "p": shuffled}), tmp_path / "test-pred.parquet"
    )
    _, out, _ = score(*options, *EYES, "--format", "json", "--resamples", "20")
    assert scores(out)["sk/interocular"]["value"] == pytest.approx(interocular(WORLD), rel=1e-9)


def test_what_is_known_decides_which_protocols_apply(score, tmp_path):
    options = [*save(tmp_path, WORLD), "--format", "json", "--resamples", "20"]
    plain = set(scores(score(*options)[1]))
    assert "sk/side" in plain and "sk/cumulative" in plain
    assert not any("interocular" in name or "human36m" in name or "box" in name for name in plain)
    with_pairs = set(scores(score(*options, "--pairs", "0-1,3-4")[1]))
    assert "sk/human36m" in with_pairs and "strict/human36m_17" not in with_pairs
    for name, rows in ROWS.items():
        np.save(tmp_path / f"{name}-boxes.npy", np.tile([0.1, 0.1, 0.8, 0.8], (rows, 1)))
    boxes = f"{tmp_path / 'fit-boxes.npy'},{tmp_path / 'test-boxes.npy'}"
    assert set(scores(score(*options, "--boxes", boxes)[1])) == plain | {"strict/box", "scops/box", "label_free/in_box"}
    only = set(scores(score(*options, "--boxes", boxes, "--normalizer", "box")[1]))
    assert only == {"strict/box", "scops/box"}
    assert all(name.endswith(("/side", "/side_micro")) for name in scores(score(*options, "--normalizer", "side")[1]))
    pixels = set(scores(score(*options, "--normalizer", "none")[1]))
    assert "sk/pck6" in pixels and not pixels & {"sk/side", "strict/side"}


def test_protocols_are_chosen_by_id_and_family_in_the_order_given(score, tmp_path):
    options = [*save(tmp_path, WORLD), *EYES, "--format", "json", "--resamples", "20"]
    found = list(scores(score(*options, "--protocol", "sk/relative", "--protocol", "strict")[1]))
    assert found[0] == "sk/relative"
    assert found[1:] == ["strict/interocular", "strict/interocular_bias"]
    everything = list(scores(score(*options, "--protocol", "all")[1]))
    assert everything == list(scores(score(*options)[1]))


def test_groups_widen_the_interval(score, tmp_path):
    """Five persons of five images each: fewer independent draws than 25 images."""
    options = [*save(tmp_path, WORLD), *EYES, "--protocol", "sk/interocular", "--format", "json"]
    (tmp_path / "who.txt").write_text("\n".join(f"person {row % 5}" for row in range(ROWS["test"])))
    alone = scores(score(*options)[1])["sk/interocular"]
    grouped = scores(score(*options, "--groups", tmp_path / "who.txt")[1])["sk/interocular"]
    assert grouped["value"] == alone["value"]
    assert (grouped["ci_low"], grouped["ci_high"]) != (alone["ci_low"], alone["ci_high"])


def test_the_same_seed_gives_the_same_bytes(score, tmp_path):
    options = [*save(tmp_path, WORLD), *EYES, "--format", "json", "--resamples", "100"]
    assert score(*options)[1] == score(*options)[1] != score(*options, "--seed", "1")[1]


def test_the_table_shows_what_a_reader_needs(score, tmp_path):
    arrays = WORLD | {name: WORLD[name].copy() for name in ("fit-pred", "test-pred")}
    for name in ("fit-pred", "test-pred"):
        arrays[name][:, 1] = arrays[name][:, 0]  # two keypoints that coincide: a rank-deficient fit
    status, out, _ = score(*save(tmp_path, arrays), *EYES, "--resamples", "200")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "60 images to fit on, 25 to test; K=4, L=5"
    assert max(map(len, lines)) <= 80
    headline, regression = [line.split() for line in lines if line.startswith("sk/interocular ")]
    assert headline[1].endswith("†") and headline[-3:] == ["%", "IOD", "↓"]
    assert regression[1:] == ["6", "–", "60"]  # rank, condition, rows
    assert any(line.startswith("†") for line in lines)
    assert "landmark (strict/interocular)" in out
    marked = [line.split()[0] for line in lines if " * " in line and not line.startswith("*")]
    assert marked == ["strict/interocular"]
    text = " ".join(lines)
    assert "scops/interocular, sanchez/forward" in text
    assert "have a bias in the regression, the others have none" in text
    assert any(line.startswith("labelled images") and "sanchez/forward" in line for line in lines)


def test_a_protocol_that_is_solved_in_float32_shows_three_digits(score, tmp_path):
    options = [*save(tmp_path, WORLD), *EYES, "--resamples", "200"]
    table = score(*options)[1].partition("landmark (")[0]
    lines = [line.split() for line in table.splitlines() if line.startswith("autolink")]
    exact = {found["protocol"]: found for found in json.loads(score(*options, "--format", "json")[1])["scores"]}
    decimals = {}
    for name, value, low, _, high, *_ in lines:
        decimals[name] = {len(text.partition(".")[2]) for text in (value, low, high)}
        assert float(value) == pytest.approx(exact[name]["value"], rel=0.005)
        if name.startswith("autolink_released"):
            assert value == f"{exact[name]['value']:#.3g}".rstrip(".")
    assert decimals["autolink/interocular"] == {3}
    assert len(decimals["autolink_released/interocular"]) == 1 and max(decimals["autolink_released/interocular"]) <= 2


def test_output_writes_the_file_and_nothing_else(score, tmp_path):
    options = [*save(tmp_path, WORLD), *EYES, "--resamples", "20"]
    for format_ in ("table", "json"):
        printed = score(*options, "--format", format_)[1]
        status, out, err = score(*options, "--format", format_, "--output", tmp_path / "new" / format_)
        assert (status, out, err) == (0, "", "")
        assert (tmp_path / "new" / format_).read_text() == printed


def test_json_is_strict(score, tmp_path):
    arrays = WORLD | {"fit-gt": WORLD["fit-gt"].copy(), "test-gt": WORLD["test-gt"].copy()}
    arrays["fit-gt"][:, 2] = arrays["test-gt"][:, 2] = np.nan  # a landmark that no image shows
    _, out, _ = score(*save(tmp_path, arrays), "--protocol", "sk/side", "--format", "json", "--resamples", "20")
    found = json.loads(out, parse_constant=pytest.fail)
    assert found["scores"][0]["per_landmark"][2] is None
    assert found["scores"][0]["rows"][2] == 0


@pytest.mark.parametrize("format_", ["table", "json"])
def test_an_image_without_both_eyes_is_left_out_with_a_note(score, tmp_path, format_):
    arrays = WORLD | {"test-gt": WORLD["test-gt"].copy()}
    arrays["test-gt"][3, 0] = np.nan
    options = [*save(tmp_path, arrays), *EYES, "--protocol", "strict/interocular", "--resamples", "20"]
    status, out, err = score(*options, "--format", format_)
    assert (status, err) == (0, "")
    assert "strict/interocular leaves out 1 of 25 test images, first '3': an eye is not visible" in out
    truth = WORLD["test-gt"]
    errors = np.hypot(*np.moveaxis(predicted(WORLD) - truth, -1, 0)).mean(axis=1)
    between = np.hypot(*(truth[:, 0] - truth[:, 1]).T)
    expected = 100 * np.delete(errors / between, 3).mean()
    if format_ == "json":
        assert scores(out)["strict/interocular"]["value"] == pytest.approx(expected, rel=1e-9)
    else:
        assert f" {expected:.3f} " in out and "nan" not in out


def test_one_group_has_a_dash_and_a_footnote(score, tmp_path):
    (tmp_path / "who.txt").write_text("anna\n" * ROWS["test"])
    options = [*save(tmp_path, WORLD), "--groups", tmp_path / "who.txt", "--protocol", "sk/side", "--resamples", "20"]
    _, out, _ = score(*options)
    assert "bias in the regression" not in out and "recommended" not in out  # one protocol, and not one to cite
    line, _ = [line.split() for line in out.splitlines() if line.startswith("sk/side ")]
    assert line[2] == "–" and "– no interval, because nothing varies: one test image, one group" in out
    found = json.loads(score(*options, "--format", "json")[1], parse_constant=pytest.fail)["scores"][0]
    assert (found["ci_low"], found["ci_high"]) == (None, None)


def test_help_imports_nothing_heavy(repository):
    code = (
        "import sys\nfrom benchmarks.cli import main\ntry:\n    main()\nfinally:\n"
        "    print([n for n in 'torch scipy pyarrow pandas rich.table'.split() if n in sys.modules])"
    )
    command = [sys.executable, "-c", code, "score", "--help"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True, timeout=600)
    assert "FILE[:KEY]" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("value", [-999.0, 1e6])
@pytest.mark.parametrize(("span", "factor"), [("unit", 1), ("pixels:100,100", 100)])
def test_keypoints_that_stand_for_not_found_are_counted(score, tmp_path, value, span, factor):
    world = {name: values * factor for name, values in WORLD.items()}
    world["test-pred"][::3, 1] = value
    status, out, err = score(*save(tmp_path, world), "--range", span, "--protocol", "strict/side")
    count, total = len(world["test-pred"][::3]), world["test-pred"].size // 2
    assert (status, out) == (2, "")
    assert f"{count} of {total} keypoints lie exactly on ({value:g}, {value:g}), as where none was found" in err
