"""What every registered method must do, whoever wrote it. A method of another package is held to it too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.describe.settings_table import settings
from benchmarks.registry import DATASETS, METHODS, method_class
from methods import presence
from methods.base import Method, MethodError
from methods.stable_keypoints import StableKeypoints
from tests.conformance_settings import SETTINGS, STABLE_KEYPOINTS
from tests.methods.labelled_images import fit_images
from tests.methods.tiny_pipeline import ArrayImages, blobs, build_pipeline

ROOT = Path(__file__).parents[1]
K = 4
TOLERANCE = 1e-4  # of the image side, between batch sizes
TOTAL = "the total is known at the first call and reached by the last, such as len(images), the number of fit images"
ALONE = "the keypoints of an image depend on the other images of its batch, or on their order"
every_method = pytest.mark.parametrize("name", list(METHODS.entries))


def test_no_plugin_needs_torch_to_be_described() -> None:
    modules = {
        entry.target.partition(":")[0] for registry in (METHODS, DATASETS) for entry in registry.entries.values()
    }
    imports = "; ".join(f"import {module}" for module in sorted(modules))
    code = f"import sys; {imports}; print([name for name in ('torch', 'diffusers') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


Make = Callable[[str], Method]
Fit = Callable[..., Method]


class Progress:
    """Keeps every report of a fit."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, dict[str, float]]] = []

    def __call__(self, done: int, total: int, **scalars: float) -> None:
        self.calls.append((done, total, scalars))


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a method that has learned nothing yet."""
    model = str(build_pipeline(tmp_path_factory.mktemp("pipeline")))

    def make(name: str) -> Method:
        cls = method_class(name)
        tiny = issubclass(cls, StableKeypoints)
        settings = {**STABLE_KEYPOINTS, "model": model} if tiny else SETTINGS.get(name, {})
        return cls(cls.config_for("mini", settings))

    return make


@pytest.fixture(scope="module")
def fit(make: Make) -> Fit:
    """Makes a method that has learned from six images."""

    def fit(name: str, seed: int = 5, batch_size: int = 6, report: Progress | None = None) -> Method:
        method = make(name)
        images = fit_images(method, 6, K, batch_size)
        method.fit(images, K, seed, report or Progress())
        return method

    return fit


@pytest.fixture(scope="module")
def fitted(fit: Fit) -> Callable[[str], Method]:
    """As ``fit`` with its defaults, once for each method."""
    return cache(fit)


def new_images(method: Method) -> ArrayImages:
    """Five images that were not learned from."""
    return ArrayImages(blobs(5, method.image_size, seed=1), prefix="new")


def predict(method: Method, *indices: int) -> np.ndarray:
    """Keypoints (B, K, 2), or (B, K, 3) with scores in units of the largest one; -1 where no keypoint was found."""
    found = presence.predict(method, new_images(method).load(indices or range(5)), K)
    if found.scores is None:
        return found.keypoints
    scores = found.scores / np.nanmax(np.abs(found.scores), initial=1.0)
    return np.nan_to_num(np.concatenate([found.keypoints, scores[..., None]], axis=2), nan=-1.0)


@every_method
def test_method_card_is_complete(name: str) -> None:
    card = method_class(name).card
    assert card.id == name, "the card's id is the name under which the method is registered"
    assert card.name.strip()
    entry = METHODS.entry(name)
    assert card.summary.strip()
    if not entry.owner.startswith("package "):
        assert entry.summary == card.summary, f"write the same summary on the card and in {entry.owner}, for `list`"
    assert card.supervision.strip()
    if not card.is_floor:
        missing = [key for key in ("paper", "year", "licence", "trained_on") if not getattr(card, key)]
        assert missing == [], "fill these in on the card"


@every_method
def test_every_setting_is_described(name: str) -> None:
    found = settings(method_class(name).Config)
    undescribed = [setting for setting, field in found if not (field.description or "").strip()]
    assert undescribed == [], "say what each means, in which unit: Field(default=..., description=...)"


@every_method
@pytest.mark.parametrize("profile", ["mini", "paper"])
def test_config_is_frozen_plain_and_refuses_unknown_names(name: str, profile: str) -> None:
    cls = method_class(name)
    config = cls.config_for(profile, {})
    assert isinstance(config, cls.Config)
    assert type(config)(**json.loads(config.model_dump_json())) == config
    with pytest.raises(ValidationError, match="no_such_setting"):
        cls.config_for(profile, {"no_such_setting": 1})
    for field in cls.Config.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(config, field, getattr(config, field))
    assert cls.config_for(profile, {}) == config


@every_method
def test_predictions_have_the_contract_shape_and_range(name: str, fitted: Fit) -> None:
    method = fitted(name)
    found = method.predict(new_images(method).load(range(5)))
    assert not isinstance(found, tuple) or len(found) == 2, "predict returns keypoints, or keypoints and scores"
    keypoints, scores = found if isinstance(found, tuple) else (found, None)
    assert (keypoints.shape, keypoints.dtype) == ((5, K, 2), np.float64), "predict returns float64 of shape (B, K, 2)"
    known = np.isfinite(keypoints).all(axis=2)
    assert ((keypoints >= 0) & (keypoints <= 1))[known].all(), "keypoints are (x, y) in [0, 1]: divide by the image"
    if scores is None:
        assert known.all(), "a method that leaves keypoints out gives scores: return keypoints and scores (B, K)"
    else:
        assert (scores.shape, scores.dtype) == ((5, K), np.float64), "scores are float64 of shape (B, K)"
        assert np.isfinite(scores)[known].all(), "the score of a keypoint that was found is a number"
        assert np.isnan(keypoints)[~known].all(), "x and y of a keypoint that was not found are both NaN"


@every_method
def test_same_seed_same_bytes(name: str, fit: Fit, fitted: Fit) -> None:
    again = predict(fit(name)).tobytes() == predict(fitted(name)).tobytes()
    assert again, "a second fit with the same seed found other keypoints: draw all random numbers from `seed`"
    twice = predict(fitted(name)).tobytes() == predict(fitted(name)).tobytes()
    assert twice, "predicting twice gave other keypoints: predict must not change the method, nor draw random numbers"


@every_method
def test_batch_size_does_not_matter(name: str, fit: Fit, fitted: Fit) -> None:
    expected = predict(fitted(name))
    smaller = np.abs(predict(fit(name, batch_size=2)) - expected).max()
    assert smaller <= TOLERANCE, "fit learns something else from batches of another size"
    split = np.concatenate([predict(fitted(name), 0, 1), predict(fitted(name), 2, 3, 4)])
    assert np.abs(split - expected).max() <= TOLERANCE, ALONE
    alone = np.concatenate([predict(fitted(name), index) for index in range(5)])
    assert np.abs(alone - expected).max() <= TOLERANCE, ALONE


@every_method
def test_order_does_not_matter(name: str, fitted: Fit) -> None:
    order = [3, 0, 4, 2, 1]
    assert np.abs(predict(fitted(name), *order) - predict(fitted(name))[order]).max() <= TOLERANCE, ALONE


@every_method
def test_what_is_saved_and_loaded_predicts_the_same(name: str, make: Make, fitted: Fit, tmp_path: Path) -> None:
    fitted(name).save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files, "save writes what fit has learned"
    assert {path.suffix for path in files} <= {".json", ".safetensors"}, "save as json or safetensors, never as pickle"
    loaded = make(name)
    loaded.load(tmp_path)
    same = predict(loaded).tobytes() == predict(fitted(name)).tobytes()
    assert same, "a method that was loaded finds other keypoints: save all that predict reads, such as self.learned"
    assert loaded.parameters() == fitted(name).parameters()


@every_method
def test_parameters_and_training_data_are_stated_as_the_contract_says(name: str, fitted: Fit) -> None:
    method = fitted(name)
    found = method.parameters()
    assert found is None or min(found.own, found.frozen) >= 0
    frozen = method.frozen_data(method.config)
    if found is not None and frozen is not None:
        assert (found.frozen > 0) == (frozen.name != "none")


@every_method
def test_images_are_left_as_they_were(name: str, make: Make) -> None:
    method = make(name)
    images = fit_images(method, 6, K, batch_size=4)
    before = images.pixels.copy()
    method.fit(images, K, 0, Progress())
    batch = images.load(range(6))
    method.predict(batch)
    unchanged = images.pixels.tobytes() == batch.pixels.tobytes() == before.tobytes()
    assert unchanged, "fit or predict changed batch.pixels, which others read too: work on a copy"


@every_method
def test_progress_counts_up_to_its_total(name: str, fit: Fit) -> None:
    progress = Progress()
    fit(name, report=progress)
    done = [call[0] for call in progress.calls]
    assert done == sorted(set(done)), "report(done, total): each call has a larger `done` than the one before"
    for number, total, scalars in progress.calls:
        assert 0 < number <= total == done[-1], (
            f"report({number}, {total}), but the last call had done={done[-1]}: {TOTAL}"
        )
        finite = all(type(value) is float and np.isfinite(value) for value in scalars.values())
        assert finite, f"report's scalars are finite and of type float, got {scalars}"


@every_method
def test_identity_is_plain_data_and_stable(name: str, make: Make) -> None:
    identity = make(name).identity()
    assert json.loads(json.dumps(identity)) == identity == make(name).identity()


@every_method
def test_the_own_baseline_is_a_registered_baseline(name: str) -> None:
    floor = method_class(name).floor
    assert floor is None or method_class(floor).card.is_floor


@every_method
def test_the_maxima_of_its_attention_are_its_keypoints(name: str, fitted: Fit) -> None:
    method = fitted(name)
    batch = new_images(method).load(range(5))
    if "attention" not in method.pictures(method.config):
        with pytest.raises(MethodError, match=name):
            method.attention(batch)
        return
    found = method.attention(batch)
    assert len(found.names) == K
    assert (found.maps.shape[:2], found.maps.dtype) == ((5, K), np.float32)
    rows, columns = np.divmod(found.maps.reshape(5, K, -1).argmax(axis=-1), found.maps.shape[-1])
    places = (np.stack([columns, rows], axis=-1) + 0.5) / found.maps.shape[-1]
    keypoints = presence.predict(method, batch, K).keypoints
    known = ~presence.absent(keypoints)
    np.testing.assert_allclose(places[known], keypoints[known], atol=1e-9)


@every_method
def test_its_choices_count_k_candidates_an_image(name: str, fitted: Fit) -> None:
    method = fitted(name)
    images = fit_images(method, 6, K, batch_size=6)
    if "choices" not in method.pictures(method.config):
        with pytest.raises(MethodError, match=name):
            method.choices(images, 4)
        return
    found = method.choices(images, 4)
    assert (found.seen, len(found.chosen)) == (4, K)
    assert found.counts.sum() == K * found.seen <= K * found.total
    assert 0 <= found.counts.min() <= found.counts.max() <= found.seen
    assert max(found.chosen) < len(found.counts)


@every_method
def test_predicting_without_having_learned_is_a_clear_error(name: str, make: Make, tmp_path: Path) -> None:
    method = make(name)
    for attempt in (lambda: predict(method), lambda: method.save(tmp_path), lambda: method.load(tmp_path)):
        with pytest.raises(MethodError, match="fit") as error:
            attempt()
        assert "\n" not in str(error.value)
