"""Who sees landmarks: a supervised method those of its fit images, in their order; every other method none at all."""

import json
import sys
from typing import ClassVar

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.errors import UserError
from benchmarks.records.store import read_predictions
from benchmarks.registry import METHODS, Entry, method_class, opener
from benchmarks.run.distributed import fit_images
from benchmarks.run.images import DatasetImages, ImageCache, LabelledImages
from benchmarks.run.plan import Request, make_plan
from benchmarks.run.supervision import keypoints_given, learns_from_landmarks, stated_landmarks
from benchmarks.tasks import TASKS
from leaderboard.records import ResultRecord
from methods.base import ImageBatch, LabelledBatch, Method, MethodCard, MethodError

SIDE = 32
SEEN: list[str] = []


class Told(Method):
    """Gives what it was told: the mean of each landmark over the images in which it is visible."""

    card: ClassVar[MethodCard] = MethodCard(id="told", name="Told", summary="means", saw_landmarks=True)
    too_few: ClassVar[int] = 0

    def fit(self, images, num_keypoints, seed, report):
        batches = list(images)
        assert {type(batch) for batch in [*batches, images.load([1, 0])]} == {LabelledBatch}
        landmarks = np.concatenate([batch.landmarks for batch in batches])
        visible = np.concatenate([batch.visible for batch in batches])
        assert landmarks.shape[1] == num_keypoints
        self.mean = (landmarks * visible[..., None]).sum(0) / visible.sum(0)[:, None]
        report(1, 1)

    def predict(self, batch):
        assert type(batch) is ImageBatch
        return np.repeat(self.mean[None, self.too_few :], len(batch.ids), axis=0)

    def save(self, folder):
        (folder / "state.json").write_text(json.dumps(self.mean.tolist()))

    def load(self, folder):
        try:
            self.mean = np.array(json.loads((folder / "state.json").read_text()))
        except OSError as error:
            raise MethodError("told: nothing there; fit again") from error


class Short(Told):
    """Leaves a landmark out."""

    card: ClassVar[MethodCard] = Told.card.model_copy(update={"id": "short"})
    too_few: ClassVar[int] = 1


class Curious(Method):
    """Keeps everything that it can get at of what it is given, and when it looks."""

    card: ClassVar[MethodCard] = MethodCard(id="curious", name="Curious", summary="looks")

    def look(self, given):
        assert type(given) is ImageBatch
        assert set(vars(given)) == {"ids", "pixels"}

    def fit(self, images, num_keypoints, seed, report):
        SEEN.append("fit begins")
        self.num_keypoints = num_keypoints
        assert {name for name in dir(images) if not name.startswith("_")} == {"ids", "load", "given"}
        for batch in [*images, images.load([0, 0, 1])]:
            self.look(batch)
        report(1, 1)
        SEEN.append("fit ends")

    def predict(self, batch):
        SEEN.append("predict begins")
        self.look(batch)
        SEEN.append("predict ends")
        return np.random.default_rng(0).random((len(batch.ids), self.num_keypoints, 2))


@pytest.fixture(autouse=True)
def known(toys, monkeypatch):
    """Register the three methods."""
    for cls in (Told, Short, Curious):
        entry = Entry(cls.card.id, f"{__name__}:{cls.__name__}", cls.card.summary, "the tests")
        monkeypatch.setitem(METHODS.entries, cls.card.id, entry)
    SEEN.clear()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line in this process; gives exit status, output and the records by method."""
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)

    def call(*arguments):
        command = ["run", "--output", str(tmp_path / "runs"), "--data-root", str(tmp_path), "--device", "cpu"]
        command += ["--no-mlflow", "--no-floors"]
        monkeypatch.setattr(sys, "argv", ["benchmarks", *command, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        paths = (tmp_path / "runs" / "cells").glob("*/result.json")
        found = [ResultRecord.model_validate_json(path.read_bytes()) for path in paths]
        printed = capsys.readouterr()
        return ended.value.code, printed.out + printed.err, {record.method: record for record in found}

    return call


def cells(*methods, task="toy", datasets=None):
    request = Request(methods, [TASKS[task]], "paper", floors=False, datasets=datasets or opener(None))
    return make_plan(request).cells


def test_labelled_images_are_the_same_images_with_the_annotation_of_each(toys):
    dataset = toys.squares(None)
    ids = dataset.split("regress")
    labelled = LabelledImages(dataset, ids, SIDE, ImageCache(), batch_size=5)
    plain = DatasetImages(dataset, ids, SIDE, ImageCache(), batch_size=5)
    batches = [*labelled, labelled.load([7, 2, 7]), labelled.load([])]
    for batch, other in zip(batches, [*plain, plain.load([7, 2, 7]), plain.load([])], strict=True):
        assert batch.ids == other.ids
        np.testing.assert_array_equal(batch.pixels, other.pixels)
        assert batch.landmarks.shape == (len(batch.ids), 4, 2)
        assert (batch.landmarks.dtype, batch.visible.dtype) == (np.float64, np.bool_)
        for row, image_id in enumerate(batch.ids):
            np.testing.assert_array_equal(batch.landmarks[row], dataset.annotation(image_id).landmarks)
            np.testing.assert_array_equal(batch.visible[row], dataset.annotation(image_id).visible)


def test_a_supervised_method_gives_a_keypoint_a_landmark_whatever_the_task_asks_for(run, toys, tmp_path):
    assert TASKS["toy"].num_keypoints == 3
    status, out, records = run("--method", "told", "--method", "curious", "--task", "toy")
    assert status == 0, out
    assert {name: record.num_keypoints for name, record in records.items()} == {"told": 4, "curious": 3}
    dataset = toys.squares(None)
    expected = np.mean([dataset.annotation(image_id).landmarks for image_id in dataset.split("fit")], axis=0)
    ids, keypoints = read_predictions(tmp_path / "runs" / "cells" / records["told"].cell_id, "test")
    np.testing.assert_allclose(keypoints, np.repeat(expected[None], len(ids), axis=0))
    again = run("--method", "told", "--task", "toy_transfer")[2]["told"]
    assert again.provenance["fit_reused"], "what was learned is kept as any method's is"


def test_keypoints_of_another_number_are_refused(run):
    status, _, records = run("--method", "short", "--task", "toy")
    assert status != 0
    assert "short: predict gave (12, 3, 2)" in records["short"].failure.message
    assert "expected finite numbers of shape (12, 4, 2)" in records["short"].failure.message


def test_no_annotation_is_read_while_another_method_works(run, toys, monkeypatch):
    """Annotations are read to score, after the last prediction; a supervised method's are read in its fit."""
    original = toys.Squares.annotation

    def annotation(self, image_id):
        SEEN.append("annotation")
        return original(self, image_id)

    monkeypatch.setattr(toys.Squares, "annotation", annotation)
    status, _, records = run("--method", "curious", "--task", "toy")
    assert (status, records["curious"].failure) == (0, None)
    assert SEEN[:2] == ["fit begins", "fit ends"]
    last = len(SEEN) - 1 - SEEN[::-1].index("predict ends")
    assert "annotation" not in SEEN[:last]
    assert "annotation" in SEEN[last:]


@pytest.mark.parametrize("name", [name for name in METHODS.entries if name != "supervised"])
def test_every_registered_method_but_the_supervised_gets_images_alone(name):
    card = method_class(name).card
    assert not card.saw_landmarks
    (cell,) = cells("curious")
    cell = cell.model_copy(update={"method": name, "saw_landmarks": card.saw_landmarks})
    images = fit_images(cell, Curious(), opener(None), ImageCache())
    assert type(images.load([0, 1])) is ImageBatch
    assert keypoints_given(cell, opener(None)) == 3


def test_the_method_of_the_repository_is_declared_supervised():
    assert method_class("supervised").card.saw_landmarks


def test_the_field_of_the_card_gives_landmarks_and_its_words_do_not():
    (cell,) = cells("told")
    assert learns_from_landmarks(cell)
    words = {"saw_landmarks": False, "supervision": "supervised"}
    assert not learns_from_landmarks(cell.model_copy(update=words))


@pytest.mark.parametrize("words", ["supervised", "Semi-supervised", "few-shot (10 labels)"])
def test_words_for_landmarks_need_the_option_that_says_so(words):
    with pytest.raises(UserError, match="--saw-landmarks .* or --no-saw-landmarks"):
        stated_landmarks(words, None)
    assert stated_landmarks(words, True)
    assert not stated_landmarks(words, False)


@pytest.mark.parametrize("words", ["unsupervised", "not supervised", "self-supervised", "silhouettes", ""])
def test_other_words_mean_no_landmarks_unless_the_option_says_so(words):
    assert not stated_landmarks(words, None)
    assert stated_landmarks(words, True)


def test_imported_keypoints_of_a_supervised_system_keep_their_number():
    (cell,) = cells("told")
    imported = cell.model_copy(update={"made_by": {"format": "neutral"}})
    assert (keypoints_given(cell, opener(None)), keypoints_given(imported, opener(None))) == (4, 3)


def test_images_without_landmarks_are_refused_in_one_line(run, tmp_path):
    from tests.custom_data import photo

    for number in range(3):
        photo(tmp_path / "photos" / f"{number}.png", (10, 10))
    status, out, records = run("--method", "told", "--dataset", f"folder:{tmp_path / 'photos'}", "--keypoints", "3")
    assert (status, records) == (2, {})
    message = out.strip().splitlines()[-1]
    assert message.startswith("error: told learns from landmarks, and folder:")
    assert "has none; take a dataset" in message
    assert "Traceback" not in out


def test_a_changed_annotation_gives_another_fit(tmp_path):
    from tests.custom_data import coco, write_coco

    document = coco(20)
    path = write_coco(tmp_path / "birds.json", document)
    name = f"coco:{path}"

    def fit_id():
        datasets = opener(None)
        task = TASKS["toy"].model_copy(update={"dataset": name, "protocols": ("strict/side",)})
        (cell,) = make_plan(Request(["told"], [task], "paper", floors=False, datasets=datasets)).cells
        return cell.fit_id, datasets(name).split("fit")

    before, ids = fit_id()
    path.write_text(json.dumps(document, indent=1))
    assert fit_id() == (before, ids), "the same annotations written otherwise"
    moved = next(entry for entry in document["annotations"] if f"{entry['image_id']}.png" in ids[0])
    moved["keypoints"][0] += 1
    path.write_text(json.dumps(document))
    after, same_ids = fit_id()
    assert same_ids == ids
    assert after != before
    moved["keypoints"][0] -= 1
    moved["keypoints"][2] = 0
    path.write_text(json.dumps(document))
    hidden, _ = fit_id()
    assert len({before, after, hidden}) == 3
