"""The trained methods of the repository resume an interrupted fit bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from methods.autolink import AutoLink, AutoLinkConfig
from methods.imm import IMM, IMMConfig
from methods.lmdis import LMDIS, LMDISConfig
from methods.ppl import PPL, PPLConfig
from methods.supervised import Supervised, SupervisedConfig
from methods.thewlis import Thewlis, ThewlisConfig
from methods.training import TrainedMethod
from tests.methods.labelled_images import LabelledArrayImages
from tests.methods.tiny_pipeline import blobs

K = 3
STEPS = 5
COMMON: dict[str, Any] = {"preset": "mini", "image_size": 32, "steps": STEPS, "batch_size": 3}
IMM_SMALL: dict[str, Any] = {**COMMON, "channels": 8, "decoder_channels": 16, "least_channels": 8, "features": "pixels"}
LMDIS_SMALL: dict[str, Any] = {
    **COMMON,
    "padding": 4,
    "stem": 0,
    "detector_channels": 4,
    "feature_channels": 4,
    "most_channels": 8,
}


def make(name: str, **settings: Any) -> TrainedMethod:
    if name == "autolink":
        return AutoLink(AutoLinkConfig(**COMMON, width=4, flip=True, **settings))
    if name == "ppl":
        return PPL(PPLConfig(**COMMON, width=4, flip=True, **settings))
    if name == "supervised":
        return Supervised(SupervisedConfig(**COMMON, width=8, levels=2, **settings))
    if name.startswith("thewlis_"):
        norm = name.removeprefix("thewlis_")
        return Thewlis(ThewlisConfig(**COMMON, channels=(4, 4, 4, 4, 8), normalisation=norm, colour=0.1, **settings))
    if name.startswith("lmdis"):
        return LMDIS(LMDISConfig(**LMDIS_SMALL, normalisation=name.removeprefix("lmdis_"), **settings))
    norm = name.removeprefix("imm_")
    return IMM(IMMConfig(**IMM_SMALL, normalisation=norm, **settings))


def images() -> LabelledArrayImages:
    landmarks = np.random.default_rng(0).uniform(0.2, 0.8, (5, K, 2))
    return LabelledArrayImages(blobs(5, 32), landmarks, batch_size=2)


def bits(method: TrainedMethod) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in method._learned().state_dict().items()}


NAMES = [
    "autolink",
    "ppl",
    "supervised",
    *(f"{name}_{norm}" for name in ("imm", "thewlis", "lmdis") for norm in ("batch", "group")),
]


class Broken(Exception):
    """Interrupts a fit."""


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_broken_off_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    whole = make(name)
    expected: list[dict[str, float]] = []
    whole.fit(images(), K, 1, lambda done, total, **scalars: expected.append(scalars))

    def give_up(done: int, total: int, **scalars: float) -> None:
        if done == STEPS - 1:
            raise Broken

    first = make(name, checkpoint_every=2)
    first.checkpoints = tmp_path / "kept"
    with pytest.raises(Broken):
        first.fit(images(), K, 1, give_up)
    assert first.checkpoints.exists()
    again = make(name, checkpoint_every=2)
    again.checkpoints = first.checkpoints
    rows: list[dict[str, float]] = []
    again.fit(images(), K, 1, lambda done, total, **scalars: rows.append(scalars))
    assert rows == expected
    assert bits(again) == bits(whole)
