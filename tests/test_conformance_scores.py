"""The conformance suite on methods that give scores: right ones pass, and each breach of the contract fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.arrays import ArrayMethod
from methods.base import ImageBatch, ImageStream, MethodCard, MethodError, Report
from tests import test_conformance as suite
from tests.methods.labelled_images import fit_images


class Sure(ArrayMethod):
    """Keypoints at fixed places, with the image's brightness as score; the last one is not found in dark images."""

    card: ClassVar[MethodCard] = MethodCard(id="sure", name="Sure", summary="fixed places with scores")
    breach: ClassVar[str] = ""

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        self.learned = {"places": np.random.default_rng(seed).uniform(0.2, 0.8, (num_keypoints, 2))}
        report(len(images), len(images))

    def predict(self, batch: ImageBatch) -> Any:
        keypoints = np.repeat(self.array("places")[None], len(batch.ids), axis=0)
        bright = batch.pixels.reshape(len(batch.ids), -1).mean(axis=1).astype(np.float64)
        scores = bright[:, None] * np.arange(1.0, keypoints.shape[1] + 1)
        keypoints[bright < 0.3, -1] = np.nan
        return self.broken(keypoints, scores)

    def broken(self, keypoints: NDArray[np.float64], scores: NDArray[np.float64]) -> Any:
        """The answer with the breach that a test asks for."""
        half = keypoints.copy()
        half[0, 0, 1] = np.nan
        return {
            "": (keypoints, scores),
            "no scores": keypoints,
            "half a keypoint": (half, scores),
            "scores of another shape": (keypoints, scores[..., None]),
            "no score of a keypoint": (keypoints, np.where(scores == scores[0, 0], np.nan, scores)),
            "scores that are no numbers": (keypoints, scores.astype(str).astype(object) + "?"),
            "three parts": (keypoints, scores, scores),
        }[self.breach]


BREACHES = {
    "no scores": "expected finite numbers",
    "half a keypoint": "row 0, keypoint 0 is not finite",
    "scores of another shape": r"its scores have the shape \(5, 4, 1\), expected \(5, 4\)",
    "no score of a keypoint": "row 0, keypoint 0 was found, but its score is nan",
    "scores that are no numbers": "expected an array of shape",
    "three parts": "expected an array of shape",
}


def fitted(name: str, **more: Any) -> Sure:
    cls = type("Breach", (Sure,), {"breach": name})
    method = cls()
    method.fit(fit_images(method, 6, suite.K, more.get("batch_size", 6)), suite.K, 5, suite.Progress())
    return method


def test_a_method_with_scores_and_absent_keypoints_conforms(tmp_path: Path) -> None:
    assert np.isnan(fitted("").predict(suite.new_images(fitted("")).load(range(5)))[0]).any()
    suite.test_predictions_have_the_contract_shape_and_range("", fitted)
    suite.test_same_seed_same_bytes("", fitted, fitted)
    suite.test_batch_size_does_not_matter("", fitted, fitted)
    suite.test_order_does_not_matter("", fitted)
    suite.test_what_is_saved_and_loaded_predicts_the_same("", lambda name: Sure(), fitted, tmp_path)


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_of_the_contract_fails_the_suite_and_is_one_line_in_a_run(breach: str) -> None:
    with pytest.raises((AssertionError, AttributeError, MethodError)):
        suite.test_predictions_have_the_contract_shape_and_range(breach, fitted)
    with pytest.raises(MethodError, match=f"sure: predict gave .*{BREACHES[breach]}") as error:
        suite.predict(fitted(breach))
    assert "\n" not in str(error.value)
