"""Refusals of ``score``: one line, status 2, no traceback, no file written."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.cli import main

RANDOM = np.random.default_rng(0)
FILES = ("fit-pred", "fit-gt", "test-pred", "test-gt")
ARRAYS = {
    "fit-pred": RANDOM.uniform(0.1, 0.9, (30, 4, 2)),
    "fit-gt": RANDOM.uniform(0.1, 0.9, (30, 5, 2)),
    "test-pred": RANDOM.uniform(0.1, 0.9, (12, 4, 2)),
    "test-gt": RANDOM.uniform(0.1, 0.9, (12, 5, 2)),
}


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run ``score`` on bad input; returns the line of the error."""
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["benchmarks", "score", "--resamples", "20", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert ended.value.code == 2
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        assert line.startswith("error: ") and "Traceback" not in line and len(line) < 400
        assert sorted(tmp_path.rglob("*")) == before
        return line

    return call


@pytest.fixture
def files(tmp_path):
    """The four arrays as npy, changed as asked, with the options that name them (None leaves one out)."""

    def make(**changes):
        options = []
        for name in FILES:
            values = changes.get(name.replace("-", "_"), ARRAYS[name])
            if values is None:
                continue
            if not isinstance(values, str):
                np.save(tmp_path / f"{name}.npy", values)
                values = f"{name}.npy"
            options += [f"--{name}", values]
        return options

    return make


def changed(name, place, value):
    values = ARRAYS[name].copy()
    values[place] = value
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit_pred": "nowhere.npz"}, "no file nowhere.npz"),
        ({"fit_pred": "points.xyz"}, "points.xyz: expected a file that ends in .npz, .npy, .mat"),
        ({"test_pred": None}, "no --test-pred: name keypoints with --fit-pred and --test-pred"),
        ({"fit_pred": None, "test_pred": None}, "no --fit-pred: name keypoints"),
        ({"test_gt": None}, "no --test-gt: name landmarks"),
        ({"fit_gt": None, "test_gt": None}, "no --fit-gt: name landmarks"),
        ({"fit_pred": np.array(8.0)}, "fit-pred.npy: got an array of shape (), expected (N, K, 2) or (N, 2K)"),
        ({"fit_pred": np.zeros(8)}, "fit-pred.npy: got an array of shape (8,), expected (N, K, 2) or (N, 2K)"),
        ({"fit_pred": np.zeros((2, 2, 2, 2))}, "fit-pred.npy: got an array of shape (2, 2, 2, 2)"),
        ({"fit_pred": np.zeros((0, 4, 2))}, "fit-pred.npy: got an array of shape (0, 4, 2)"),
        ({"fit_pred": np.zeros((30, 4, 3))}, "of three numbers per point keep the first two"),
        ({"fit_pred": np.zeros((30, 2, 4))}, "exchange the last two axes"),
        ({"fit_pred": np.zeros((30, 7))}, "the number of columns is odd"),
        ({"fit_pred": np.zeros((30, 4, 2), bool)}, "got true and false, expected coordinates"),
        (
            {"test_pred": ARRAYS["test-pred"][:, :3]},
            "differ in keypoints per image: 4 in fit-pred.npy, 3 in test-pred.npy",
        ),
        ({"test_gt": ARRAYS["test-gt"][:, :4]}, "differ in landmarks per image: 5 in fit-gt.npy, 4 in test-gt.npy"),
        ({"fit_pred": ARRAYS["fit-pred"][:-1]}, "fit-pred.npy has 29 rows, fit-gt.npy 30; expected one row per image"),
        ({"test_gt": ARRAYS["test-gt"][:-1]}, "test-pred.npy has 12 rows, test-gt.npy 11"),
        (
            {"fit_pred": changed("fit-pred", (7, 2, 1), np.nan)},
            "fit-pred.npy: row 7, keypoint 2 is not finite (1 of 120",
        ),
        ({"test_pred": changed("test-pred", (3, 0, 0), np.inf)}, "test-pred.npy: row 3, keypoint 0 is not finite"),
        ({"fit_pred": ARRAYS["fit-pred"] * 256}, "which is not --range unit; --range pixels:W,H"),
        ({"test_pred": ARRAYS["test-pred"] * 2 - 1}, "which is not --range unit; --range symmetric would fit"),
        ({"fit_gt": ARRAYS["fit-gt"] - 0.5}, "which is not --gt-range unit; --gt-range centred would fit"),
    ],
)
def test_arrays_that_cannot_be_scored(refused, files, changes, message):
    assert message in refused(*files(**changes))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--order", "xz"], "--order xz: expected xy or yx"),
        (["--gt-order", "ij"], "--gt-order ij: expected xy or yx"),
        (["--range", "pixel"], "--range pixel: expected unit, centred, symmetric or pixels:W,H"),
        (["--gt-range", "centered"], "--gt-range centered: expected unit, centred, symmetric or pixels:W,H; did you"),
        (["--range", "pixels:256"], "which is not --range pixels:256; --range unit would fit"),
        (["--gt-range", "symmetric"], "which is not --gt-range symmetric; --gt-range unit would fit"),
        (["--normalizer", "iod"], "--normalizer iod: expected interocular:A,B"),
        (["--normalizer", "interocular:0"], "--normalizer interocular:0: expected interocular:A,B"),
        (["--normalizer", "interocular:2,2"], "expected two different landmarks as eyes"),
        (["--normalizer", "interocular:0,5"], "(0, 5), expected two indices below 5"),
        (["--normalizer", "interocular"], "needs the two eye landmarks: --normalizer interocular:A,B"),
        (["--normalizer", "box"], "needs the objects' boxes: --boxes FIT,TEST"),
        (["--pairs", "1-2,3"], "--pairs 1-2,3: got '3', expected landmarks counted from 0, such as 1-6,2-7"),
        (["--pairs", "0-1,1-2"], "left/right pairs ((0, 1), (1, 2)), expected indices below 5, each at most once"),
        (["--protocol", "sk/sied"], "unknown protocol 'sk/sied'; did you mean 'sk/side'?"),
        (["--protocol", "strikt"], "unknown protocol 'strikt'; did you mean 'strict'?"),
        (["--protocol", "sk/human36m"], "protocol sk/human36m needs the left and right landmarks: --pairs A-B,C-D"),
        (["--protocol", "sanchez"], "no protocol of 'sanchez' applies; sanchez/forward, for one, needs the two eye"),
        (["--predictions", "a.parquet"], "--predictions beside --fit-pred or --test-pred"),
        (["--task", "celeba_alinged"], "unknown task 'celeba_alinged'; did you mean 'celeba_aligned'?"),
        (["--profile", "mini"], "--profile and --data-root say where a --task has its landmarks"),
        (["--method", "Mine"], "--method names the row that --record DIR keeps"),
        (["--record", "runs", "--method", "Mine"], "--record needs a --task"),
        (["--record", "runs", "--task", "celeba_aligned"], "--record needs --method NAME"),
        (
            ["--record", "runs", "--task", "celeba_aligned", "--method", "?"],
            "--method '?': the name names no folder; expected a name",
        ),
        (["--record", "runs", "--task", "celeba_aligned", "--method", "a\nb"], r"--method 'a\nb': the name has the"),
        (["--record", "runs", "--task", "celeba_aligned", "--method", "a\u202eb"], "the name has the character U+202E"),
        (["--record", "runs", "--task", "celeba_aligned", "--method", "a\udcedb"], "the name has the character U+DCED"),
        (["--record", "runs", "--task", "celeba_aligned", "--method", "Mine"], "leave out --fit-gt and --test-gt"),
        (["--visible", "fit-gt.npy,test-gt.npy"], "fit-gt.npy: visibility has shape (30, 5, 2), its landmarks need"),
        (["--visible", "a.npy,b.npy", "--fit-visible", "a.npy"], "--visible beside --fit-visible or --test-visible"),
        (["--fit-visible", "seen.npy"], "seen.npy: got 2.0 as visibility, expected 1 for visible and 0 for not"),
        (["--boxes", "fit-gt.npy,test-gt.npy"], "fit-gt.npy: boxes have shape (30, 5, 2), expected (30, 4)"),
        (
            ["--boxes", "boxes.npz"],
            "boxes.npz:fit, row 3: box [0.1, 0.1, 0.0, 0.5], expected a width and height above 0",
        ),
        (["--boxes", "boxes.npy"], "boxes.npy:fit: holds one array without a key"),
        (["--groups", "who.txt"], "who.txt: 2 groups, expected one per row of test-gt.npy: 12"),
        (["--groups", "nobody.txt"], "cannot read nobody.txt"),
    ],
)
def test_options_that_do_not_fit(refused, files, tmp_path, options, message):
    np.save(tmp_path / "seen.npy", np.full((30, 5), 2.0))
    boxes = np.tile([0.1, 0.1, 0.5, 0.5], (30, 1))
    np.save(tmp_path / "boxes.npy", boxes)
    boxes[3, 2] = 0
    np.savez(tmp_path / "boxes.npz", fit=boxes, test=boxes[:12])
    (tmp_path / "who.txt").write_text("anna\nbob\n")
    assert message in refused(*files(), *options)


def test_a_landmark_that_is_missing_is_no_landmark_that_counts(refused, files):
    line = refused(*files(fit_gt=changed("fit-gt", (4, 1), np.nan)), "--protocol", "sk/pck6")
    assert "protocol sk/pck6 needs every landmark to be visible, and some are not" in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": 3}, "a.parquet: no keypoints for 3 of 100 images of split 'test' of mini_celeba_aligned, first '"),
        (
            {"double": True},
            "a.parquet: image 'celeba_aligned/regress/00000' has other keypoints than",
        ),
        ({"rename": "x{}.png"}, "a.parquet: names no image of the task; it has 'x0.png'"),
        ({"names": "name"}, "a.parquet: names no images, expected a column image_id"),
    ],
)
def test_predictions_that_do_not_name_the_images_of_the_task(refused, tmp_path, changes, message):
    from datasets.mini import CELEBA_ALIGNED

    dataset = CELEBA_ALIGNED(None)
    ids = [*dataset.split("regress"), *dataset.split("test")]
    ids = ids[: len(ids) - changes.get("drop", 0)] + ids[:1] * changes.get("double", False)
    ids = [changes["rename"].format(row) for row in range(len(ids))] if "rename" in changes else ids
    keypoints = np.random.default_rng(0).uniform(0.1, 0.9, (len(ids), 20)).tolist()
    pq.write_table(pa.table({changes.get("names", "image_id"): ids, "keypoints": keypoints}), tmp_path / "a.parquet")
    assert message in refused("--task", "celeba_aligned", "--predictions", "a.parquet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--predictions", "a.parquet"], "--predictions are for the images of a --task"),
        (["--task", "celeba_aligned"], "no --fit-pred: name keypoints with"),
        (["--task", "celeba_aligned", "--profile", "paper"], "task celeba_aligned has no annotations here: celeba_al"),
        (["--task", "celeba_aligned", "--profile", "big"], "unknown profile 'big'"),
        (
            ["--task", "celeba_aligned", "--data-root", "nowhere"],
            "data root nowhere (from --data-root) is not a folder",
        ),
        (["--task", "celeba_aligned", "--groups", "a.txt"], "--groups goes with --test-gt; the task's own landmarks"),
        (["--task", "celeba_aligned", "--visible", "a.npz"], "--visible goes with --fit-gt; the task's own landmarks"),
    ],
)
def test_a_task_with_options_that_do_not_fit(refused, files, options, message):
    plain = [] if "no --fit-pred" in message or "--predictions" in options else files(fit_gt=None, test_gt=None)
    assert message in refused(*plain, *options)


def test_arrays_of_another_length_than_the_task(refused, files):
    line = refused(*files(fit_gt=None, test_gt=None), "--task", "celeba_aligned")
    assert "fit-pred.npy: names no images and has 30 rows; expected a row per image of split 'regress'" in line
    assert "(200, from 'celeba_aligned/regress/00000' to 'celeba_aligned/regress/00199'), in that order" in line


def test_arrays_of_different_numbers_of_keypoints_for_a_task(refused, files):
    rows = {"fit_pred": RANDOM.random((200, 10, 2)), "test_pred": RANDOM.random((100, 9, 2))}
    line = refused(*files(**rows, fit_gt=None, test_gt=None), "--task", "celeba_aligned")
    assert "differ in keypoints per image: 10 in fit-pred.npy, 9 in test-pred.npy" in line


def test_a_record_of_another_number_of_keypoints(refused, files):
    rows = {"fit_pred": RANDOM.random((200, 4, 2)), "test_pred": RANDOM.random((100, 4, 2))}
    options = ["--task", "celeba_aligned", "--record", "runs", "--method", "Mine"]
    line = refused(*files(**rows, fit_gt=None, test_gt=None), *options)
    assert "--record: 4 keypoints per image, task celeba_aligned has K=10; record under a task with that K" in line
