"""Numbers that are not finite are told with their cause, and the cure fits the cause."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from methods.base import MethodError
from methods.training import TrainedConfig
from methods.training.loop import record_steps
from tests.methods.tiny_pipeline import ArrayImages, blobs
from tests.methods.training.test_base import Parabola, learn, toy


def test_a_diverging_loss_is_told_with_its_step() -> None:
    method = Parabola(TrainedConfig(learning_rate=1e200, steps=9, batch_size=1, image_size=16))
    with pytest.raises(MethodError, match=r"parabola: the loss is (inf|nan) at step \d+; lower learning_rate"):
        learn(method)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_only_after_the_first_step_is_the_learning_rate_to_blame(loss: float) -> None:
    def advice(*before: list[float], dtype: str = "float32") -> str:
        with pytest.raises(MethodError) as caught:
            record_steps([], [*before, [loss]], ["loss"], "toy", 9, None, dtype)
        return str(caught.value)

    assert "at step 1; nothing is learned yet" in advice() and "learning_rate" not in advice()
    assert advice([1.0]).endswith("at step 2; lower learning_rate")
    for half in ("float16", "bfloat16"):
        assert advice(dtype=half) == advice() + ", or set dtype to float32"
        assert advice([1.0], dtype=half) == advice([1.0]) + ", or set dtype to float32"
    assert "dtype" not in advice(dtype="float64")


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        ("pixels", "image 'new/2.png' are not finite: so are its pixels; check the file"),
        (
            "trained",
            "image 'new/0.png' are not finite: so is 0.weight of the network; training went wrong: fit again with a",
        ),
        ("untrained", "so is 0.weight of the network; nothing is learned yet: check the images and the weights"),
        ("overflow", "values overflow in the network, whose weights are finite; fit again with a lower learning_rate"),
    ],
)
def test_keypoints_that_are_not_finite_are_told_with_their_cause(damage: str, cause: str) -> None:
    method = toy(steps=0) if damage == "untrained" else toy()
    learn(method)
    batch = ArrayImages(blobs(3, 16, seed=1), prefix="new").load(range(3))
    weight = method._learned().state_dict()["0.weight"]
    if damage == "pixels":
        batch.pixels[2, 0, 0, 0] = np.nan
    elif damage == "overflow":
        weight[:] = 3e38
    else:
        weight[0, 0, 0, 0] = math.nan
    with pytest.raises(MethodError, match=re.escape(cause)):
        method.predict(batch)
