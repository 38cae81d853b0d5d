"""The show command on a tiny run that the run command made: its pictures, their sources, and what is missing."""

import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks.cli import main
from benchmarks.drawing import page
from benchmarks.drawing.colours import palette
from benchmarks.records import store as storage
from benchmarks.registry import open_dataset
from benchmarks.run import overlay
from benchmarks.run.images import DatasetImages, ImageCache
from benchmarks.show.attention import maximum
from leaderboard.load import load_records
from methods.stable_keypoints import StableKeypoints, StableKeypointsConfig
from tests.kept_records import rewrite

TASK, LIMIT, SELECTED = "cub_001", 6, 5
SETTINGS = ("steps=4", f"selection_images={SELECTED}", "predict_batch=2")
PICTURES = ("attention.png", "choices.png", "losses.png")


def call(*arguments):
    """Exit status of the command line in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code


def run(output, *arguments, settings=SETTINGS):
    command = ["run", "--profile", "mini", "--task", TASK, "--limit", LIMIT, "--device", "cpu", "--output", output]
    changed = [part for setting in settings for part in ("--set", f"stable_keypoints.{setting}")]
    return call(*command, "--no-mlflow", "--method", "stable_keypoints", *changed, *arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two fits, one read from the image itself and one from three views of it."""
    output = tmp_path_factory.mktemp("show") / "runs"
    assert run(output, "--no-floors") == 0
    assert run(output, "--no-floors", settings=(*SETTINGS, "test_augmentations=3")) == 0
    return output


@pytest.fixture
def runs(finished, tmp_path):
    """A copy of that run to draw in."""
    return shutil.copytree(finished, tmp_path / "runs")


@pytest.fixture
def show(capsys):
    """Run ``show`` on the CPU; gives exit status, stdout and stderr."""

    def shown(*arguments):
        capsys.readouterr()
        status = call("show", *arguments, "--device", "cpu")
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return shown


def pictures(out):
    """The pictures that were named; the other lines begin with a cell's id."""
    return [line for line in out.splitlines() if line.startswith("/")]


def cells(output):
    return sorted(path for path in (output / "cells").iterdir())


def method_of(output, record):
    """The method with the fit of a cell, loaded anew."""
    method = StableKeypoints(StableKeypointsConfig(**record.method_config))
    method.load(output / "fits" / record.provenance["fit_id"])
    return method


def images(split, ids, size):
    dataset = open_dataset(f"mini_{TASK}", None)
    return DatasetImages(dataset, (ids or dataset.split(split))[:LIMIT], size, ImageCache())


def test_every_picture_is_drawn_and_named(runs, show):
    status, out, err = show(runs, "--images", "3")
    assert (status, err) == (0, "")
    drawn = [str(folder / name) for folder in cells(runs) for name in PICTURES]
    assert pictures(out) == [*drawn, str(runs / "pictures" / f"losses--{TASK}--mini.png")]
    for line in pictures(out):
        with Image.open(line) as picture:
            assert picture.format == "PNG"
            assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    folder = cells(runs)[0]
    few = Image.open(folder / "attention.png")
    show(folder, "--images", "5")
    many = Image.open(folder / "attention.png")
    assert many.width == few.width and many.height > 1.4 * few.height


def test_the_maxima_of_the_maps_are_the_keypoints_on_record(runs):
    records = load_records(runs)
    assert sorted(record.method_config["test_augmentations"] for record in records) == [0, 3]
    for record in records:
        method = method_of(runs, record)
        ids, keypoints = storage.read_predictions(runs / "cells" / record.cell_id, "test")
        maps = method.attention(images("test", ids, method.image_size).load(range(len(ids)))).maps
        assert maps.shape == (LIMIT, record.num_keypoints, method.image_size, method.image_size)
        found = np.array([[maximum(each) for each in attention] for attention in maps])
        np.testing.assert_allclose(found, keypoints, atol=1e-9)


def test_the_tokens_counted_most_often_are_those_the_fit_chose(runs):
    record = load_records(runs)[0]
    method = method_of(runs, record)
    stream = images("fit", None, method.image_size)
    found = method.choices(stream, 100)
    assert (found.seen, found.total) == (SELECTED, SELECTED)
    assert found.counts.sum() == SELECTED * record.num_keypoints and found.counts.max() <= SELECTED
    assert tuple(np.argsort(-found.counts, kind="stable")[: record.num_keypoints].tolist()) == found.chosen
    fewer = method.choices(stream, 3)
    assert (fewer.seen, fewer.total) == (3, SELECTED)
    assert fewer.counts.sum() == 3 * record.num_keypoints and (fewer.counts <= found.counts).all()


def test_one_cell_by_its_folder_by_its_id_or_by_a_pattern(runs, show):
    first, second = cells(runs)
    status, out, _ = show(second)
    assert status == 0 and pictures(out) == [str(second / name) for name in PICTURES]
    assert pictures(show(runs, first.name)[1]) == [str(first / name) for name in PICTURES]
    assert pictures(show(runs, f"*{TASK}*{first.name[-8:]}")[1]) == [str(first / name) for name in PICTURES]


def test_rows_of_images_with_their_keypoints(runs, show, tmp_path):
    path = tmp_path / "new" / "rows.png"
    assert show(runs, "--rows", path)[:2] == (0, f"{path}\n")
    picture = np.asarray(Image.open(path))
    side, step, head = overlay.LARGE, overlay.LARGE + page.GAP, page.CAPTION_LINE + 8
    records = load_records(runs)
    line = head + side + page.MARGIN
    assert picture.shape[0] == page.MARGIN + 6 + len(records) * line
    for row, record in enumerate(records):
        _, keypoints = storage.read_predictions(runs / "cells" / record.cell_id, "test")
        for column, points in enumerate(keypoints):
            x, y = points[-1] * side  # the last keypoint lies on top of the others
            top, left = page.MARGIN + 6 + row * line + head, page.MARGIN + column * step
            pixel = picture[min(int(y), side - 1) + top, min(int(x), side - 1) + left]
            assert np.abs(pixel.astype(int) - palette(len(points))[-1]).max() < 30


def test_pictures_may_go_elsewhere(runs, show, tmp_path):
    before = set(runs.rglob("*"))
    folder = cells(runs)[0]
    status, out, _ = show(runs, folder.name, "--output", tmp_path / "drawn")
    assert status == 0
    assert pictures(out) == [str(tmp_path / "drawn" / folder.name / name) for name in PICTURES]
    assert set(runs.rglob("*")) == before


def test_a_fit_that_is_gone_is_one_line_and_leaves_the_curves(runs, show):
    shutil.rmtree(runs / "fits")
    folder = cells(runs)[0]
    status, out, err = show(folder)
    assert status == 1
    assert pictures(out) == [str(folder / "losses.png")]
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines] == [folder.name] * 2
    assert all("the saved fit is missing" in line and "--overwrite all" in line for line in lines)


@pytest.mark.parametrize(
    ("changes", "picture", "reason"),
    [
        ({"dataset": "cub_001"}, "attention.png", "cub_001"),
        ({"fit_dataset": "cub_001"}, "choices.png", "cub_001"),
        ({"dataset_digests": {"fit": "0" * 64, "regress": "", "test": "0" * 64}}, "attention.png", "has changed since"),
        ({"method_identity": {"weights_sha256": "0" * 64}}, "attention.png", "the weights are"),
        ({"method_config": {"stepps": 3}}, "attention.png", "has no setting 'stepps'"),
        ({"provenance": {}}, "choices.png", "does not name its fit"),
    ],
)
def test_what_is_no_longer_as_it_was_is_said_in_one_line(runs, show, changes, picture, reason):
    folder = cells(runs)[0]
    rewrite(folder, **changes)
    status, out, err = show(folder)
    assert status == 1
    assert str(folder / "losses.png") in out and str(folder / picture) not in out
    (line,) = [line for line in err.splitlines() if f"no {picture}" in line]
    assert line.startswith(f"{folder.name}: ") and reason in line


def test_keypoints_on_record_that_are_elsewhere_are_remarked_on(runs, show):
    folder = cells(runs)[0]
    ids, keypoints = storage.read_predictions(folder, "test")
    storage.write_predictions(folder, "test", ids, (keypoints + 0.5) % 1)
    rewrite(folder)
    status, _, err = show(folder, "--images", "2")
    assert status == 0
    assert "8 of 8 keypoints are not where the record has them" in err


def test_failures_are_named(runs, show):
    rewrite(cells(runs)[0], status="failed", failure={"type": "ValueError", "message": "it broke", "traceback": ""})
    status, out, err = show(runs)
    assert status == 1
    assert err.splitlines() == [f"{cells(runs)[0].name}: it failed: it broke"]
    assert len(pictures(out)) == 3


def test_mistakes_are_one_line(runs, show, tmp_path):
    status, _, err = show(runs, "stable_keypoints--cub_002--mini--s0--00000000")
    assert status == 2 and "did you mean 'stable_keypoints--cub_001" in err and len(err.splitlines()) == 1
    status, _, err = show(tmp_path / "nowhere")
    assert status == 2 and "nowhere" in err and len(err.splitlines()) == 1
    status, _, err = show(cells(runs)[0], cells(runs)[1].name)
    assert status == 2 and "the folder of one cell" in err
    status, out, err = show(runs, "--data-root", tmp_path / "nodata")
    assert (status, out) == (2, "") and "is not a folder" in err


def test_pictures_reach_mlflow_with_the_next_show_or_mirror(runs, show, capsys):
    from mlflow import MlflowClient

    from benchmarks.records.mlflow_mirror import mirror
    from benchmarks.records.mlflow_store import store_uri

    def kept(cell_id):
        client = MlflowClient(store_uri(runs))
        (experiment,) = [one for one in client.search_experiments() if one.name == "keypoint-benchmarks"]
        found = client.search_runs([experiment.experiment_id], f"tags.cell_id = '{cell_id}'")
        assert len(found) == 1
        return {item.path for item in client.list_artifacts(found[0].info.run_id)}

    first, second = cells(runs)
    assert mirror(runs) == (2, 0)
    assert "overlay.png" in kept(first.name) and not kept(first.name) & set(PICTURES)
    assert "pictures of 1 cells added to MLflow" in show(first)[1]
    assert kept(first.name) >= set(PICTURES) and not kept(second.name) & set(PICTURES)
    assert "MLflow" not in show(first)[1]
    assert "MLflow" not in show(second, "--no-mlflow")[1]
    assert mirror(runs) == (1, 0)
    assert kept(second.name) >= set(PICTURES)
    assert mirror(runs) == (0, 0)
