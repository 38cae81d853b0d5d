"""This implementation beside the released code, timed in turns on the same images, tokens and random numbers."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.floors import floor
from benchmarks.speed.measure import (
    Results,
    Rounds,
    Say,
    Timing,
    copy_rate,
    in_turns,
    matmul_rate,
    platform_name,
    without_tf32,
)
from benchmarks.speed.models import build, copied, images, settings_of
from benchmarks.speed.released import Released
from benchmarks.speed.sizes import SIZES, Size
from methods import draws, switches
from methods.diffusion.loading import Parts
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig
from methods.stable_keypoints.learning import Learner

SEED = 0
# Largest differences of two float32 implementations, relative to the largest value.
WITHIN = {"losses": 1e-5, "gradient": 1e-4}
SAME_PIXEL = 1e-6


@dataclass(frozen=True)
class Options:
    """Options of the comparison; ``size`` is a name of ``SIZES``, and ``views`` below 0 stands for the size's own.

    ``dtype``, ``memory``, ``compile`` and ``without``, the fast paths that are off, concern this implementation.
    ``alone`` leaves the released code out, so that peak memory is that of this implementation. ``released_steps`` is
    the most rounds of the released code, 0 for as many as those of this implementation.
    """

    size: str = "sd15"
    device: str = "cpu"
    dtype: str = "float32"
    steps: int = 1
    warm_up: int = 0
    batch: int = 1
    views: int = -1
    memory: str = "auto"
    compile: bool = False
    predict: bool = True
    alone: bool = False
    without: Sequence[str] = ()
    released_steps: int = 0

    def resolved(self) -> Options:
        """The same options, with the number of views, and with all paths that are off anyway in ``without``."""
        return dataclasses.replace(
            self,
            views=self.views if self.views >= 0 else SIZES[self.size].views,
            without=tuple(name for name in switches.NAMES if name in self.without or not switches.is_on(name)),
        )

    def plain(self) -> dict[str, Any]:
        """The options as JSON."""
        return {**vars(self), "without": list(self.without)}

    def config(self, dtype: str) -> StableKeypointsConfig:
        """Settings of the size's preset, with the options of this comparison; the UNet has ``dtype``."""
        return settings_of(
            SIZES[self.size],
            test_augmentations=self.views,
            predict_batch=max(1, self.views),
            dtype=dtype,
            memory=self.memory,
            compile=self.compile,
        )


class Inputs:
    """Images, their ids and random keys, tokens with a gradient, and the ids of the tokens that are located."""

    def __init__(self, options: Options, token_width: int) -> None:
        size = SIZES[options.size]
        config = options.config("float32")
        self.pixels = torch.from_numpy(images(options.batch, size.image_size))
        self.names = [f"{index}.png" for index in range(options.batch)]
        self.keys = [(SEED, "fit", name, 0) for name in self.names]
        drawn = draws.generator(SEED, "tokens").standard_normal((config.num_tokens, token_width), dtype=np.float32)
        tokens = torch.from_numpy(drawn * np.float32(config.token_scale))
        self.tokens = tokens.to(options.device).requires_grad_(True)
        self.chosen = torch.arange(size.num_keypoints, device=options.device)

    def learned(self, losses: Tensor) -> Results:
        """The losses, and the gradient that the tokens have got."""
        gradient = torch.zeros_like(self.tokens) if self.tokens.grad is None else self.tokens.grad
        return {"losses": losses.clone(), "gradient": gradient.clone()}


class Ours:
    """This implementation, on parts that nothing else uses, with some fast paths off."""

    def __init__(self, options: Options, parts: Parts, inputs: Inputs, without: Sequence[str] = ()) -> None:
        self.inputs, self.without = inputs, tuple(without)
        self.rounds = itertools.count()
        with switches.without(*self.without):
            backbone = Backbone(options.config(str(parts.unet.dtype).removeprefix("torch.")), options.device, parts)
            self.learner = Learner(backbone, SIZES[options.size].num_keypoints, SEED)

    def fit(self) -> Results:
        """A step on images that were not seen before, so that each is encoded."""
        number = next(self.rounds)
        return self._step([f"{number}/{name}" for name in self.inputs.names])

    def fit_latents_kept(self) -> Results:
        """A step on images whose latents are kept from an earlier one."""
        return self._step(self.inputs.names)

    def predict(self) -> Results:
        """Keypoints of all images."""
        given = self.inputs
        with switches.without(*self.without):
            found = self.learner.locate(given.tokens.detach(), given.chosen, given.names, given.pixels)
        return {"keypoints": torch.from_numpy(found)}

    def _step(self, names: list[str]) -> Results:
        given = self.inputs
        given.tokens.grad = None
        with switches.without(*self.without):
            return given.learned(self.learner.accumulate(given.tokens, given.pixels, names, given.keys))


class Theirs:
    """The released code, on parts that nothing else uses."""

    def __init__(self, options: Options, parts: Parts, inputs: Inputs) -> None:
        config = dataclasses.replace(options, memory="auto", compile=False).config("float32")
        self.inputs, self.device = inputs, options.device
        self.released = Released(parts, config, SIZES[options.size].num_keypoints, SEED)

    def fit(self) -> Results:
        """A step on all images, one at a time."""
        given, config, total = self.inputs, self.released.config, torch.zeros(3)
        given.tokens.grad = None
        for image, key in zip(given.pixels.to(self.device), given.keys, strict=True):
            sharp, equivariant = self.released.losses(given.tokens, image, key)
            loss = config.sharpening_weight * sharp + config.equivariance_weight * equivariant
            (loss / len(given.keys)).backward()
            total += torch.stack([loss, sharp, equivariant]).detach().cpu() / len(given.keys)
        return given.learned(total)

    def predict(self) -> Results:
        """Keypoints of all images, one at a time."""
        given = self.inputs
        pixels = given.pixels.to(self.device)
        found = [
            self.released.locate(given.tokens, given.chosen, name, image)
            for name, image in zip(given.names, pixels, strict=True)
        ]
        return {"keypoints": torch.stack(found).cpu()}


class Bench:
    """Both implementations on the same inputs; ``run`` times every task and passes each time to ``say``."""

    def __init__(self, options: Options, say: Say = lambda line: None) -> None:
        self.options, self.say = options.resolved(), say
        options = self.options
        size, dtype = SIZES[options.size], getattr(torch, options.dtype)
        self.exact = dtype == torch.float32
        with self._digits():
            self._build(size, dtype)

    def _digits(self) -> AbstractContextManager[None]:
        """On a GPU float32 keeps all digits, without TF32; half precision takes what a run takes."""
        return without_tf32() if self.exact else nullcontext()

    def _build(self, size: Size, dtype: torch.dtype) -> None:
        options = self.options
        parts = build(size, options.device, dtype)
        self.inputs = Inputs(options, parts.token_width)
        self.theirs: Theirs | None = None
        if not options.alone:
            plain = copied(parts) if dtype == torch.float32 else build(size, options.device, torch.float32)
            self.theirs = Theirs(options, plain, self.inputs)
        self.ours = Ours(options, parts, self.inputs, options.without)

    def run(self) -> dict[str, Any]:
        """Time all tasks; returns the measurements as JSON."""
        with self._digits():
            rate = self._rate()
            tasks = {task: self._timed(task) for task in ("fit", "predict")[: 1 + self.options.predict]}
            found = {
                **self.facts(),
                "tasks": {task: {name: each.plain() for name, each in sides.items()} for task, sides in tasks.items()},
                "floor": self.floor(rate),
            }
        if self.theirs is None:
            return found
        for name, of in (("speed_up", _clock), ("speed_up_of_processor_time", _processor)):
            found[name] = {
                task: {side: of(sides["released"]) / of(timing) for side, timing in sides.items()}
                for task, sides in tasks.items()
            }
        found["agreement"] = {
            task: differences(sides["ours"].results, sides["released"].results, self.exact)
            for task, sides in tasks.items()
        }
        return found

    def facts(self) -> dict[str, Any]:
        """The options, the device and torch's version."""
        return {
            "options": self.options.plain(),
            "platform": platform_name(self.options.device),
            "torch": torch.__version__,
        }

    def floor(self, rate: float = 0.0) -> dict[str, Any]:
        """The least work, and its time at the rates of matrix products and of copies.

        Products are timed now; ``rate`` is an earlier measurement, as others may use the machine: the faster counts.
        """
        options = self.options
        kept = options.config("float32").kappa or SIZES[options.size].num_keypoints + 6
        dtype = getattr(torch, options.dtype)
        return floor(options.size, options.views, kept, dtype, max(rate, self._rate()), copy_rate(options.device))

    def _timed(self, task: str) -> dict[str, Timing]:
        """Time both implementations in turns, this one first, so that costs of a first run count against it."""
        options, works = self.options, {"ours": getattr(self.ours, task)}
        if task == "fit":
            works["ours_latents_kept"] = self.ours.fit_latents_kept
        if self.theirs is not None:
            works["released"] = getattr(self.theirs, task)
        fewer = {"released": options.released_steps} if options.released_steps else {}
        return in_turns(works, Rounds(options.warm_up, options.steps, fewer), options.device, self.say, task)

    def _rate(self) -> float:
        """FLOP per second of matrix products in this implementation's dtype."""
        return matmul_rate(self.options.device, getattr(torch, self.options.dtype))


def differences(left: Results, right: Results, float32: bool) -> dict[str, Any]:
    """Largest differences of losses, gradient and keypoints, relative to the largest value, and keypoints that moved.

    In float32 ``within`` says whether they are as small as two implementations of the same formulas should have them.
    In half precision random weights, with their near-ties, tell little.
    """
    found: dict[str, Any] = {}
    within = True
    for name, result in left.items():
        one, other = result.double().cpu(), right[name].double().cpu()
        found[name] = float((one - other).abs().max() / one.abs().max())
        if name == "keypoints":
            moved = int(((one - other).abs().amax(-1) > SAME_PIXEL).sum())
            found["keypoints_moved"] = moved
            within &= moved == 0
        else:
            within &= found[name] <= WITHIN[name]
    return {**found, "within": within} if float32 else found


def _clock(timing: Timing) -> float:
    return timing.median


def _processor(timing: Timing) -> float:
    return statistics.median(timing.processor_seconds)
