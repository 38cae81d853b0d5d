"""Timing of both implementations in turns, on the same images, tokens and random numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor

from benchmarks.speed.measure import flops, matmul_rate, peak_memory, platform_name, seconds
from benchmarks.speed.models import SIZES, Size, build, images
from benchmarks.speed.released import Released
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig
from methods.stable_keypoints.learning import Learner

SEED = 0


@dataclass(frozen=True)
class Options:
    """Options of the comparison; ``size`` is a name of ``SIZES``.

    ``dtype``, ``memory`` and ``compile`` are settings of this implementation. ``alone`` leaves the released code out,
    so that peak memory is that of this implementation.
    """

    size: str = "full"
    device: str = "cpu"
    dtype: str = "float32"
    steps: int = 1
    warm_up: int = 0
    batch: int = 1
    views: int = 10
    memory: str = "auto"
    compile: bool = False
    predict: bool = True
    alone: bool = False


@dataclass
class Timing:
    """Seconds of each repetition of a task, peak memory in bytes (None if unknown), and the last results."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    results: dict[str, Tensor] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The measurements as JSON."""
        return {
            "seconds": self.seconds,
            "median_seconds": self.median,
            "processor_seconds": self.processor_seconds,
            "peak_bytes": self.peak_bytes,
        }

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)


class Ours:
    """This implementation, on given parts of a model."""

    def __init__(self, options: Options, config: StableKeypointsConfig, parts: Any, num_keypoints: int) -> None:
        self.parts, self.num_keypoints = parts, num_keypoints
        self.backbone = Backbone(config, options.device, parts)
        self.learner = self.renew()

    def renew(self) -> Learner:
        """Replace the learner by a new one, without cached latents."""
        self.learner = Learner(self.backbone, self.num_keypoints, SEED)
        return self.learner

    def prepare(self) -> None:
        """Reset the parts to the state in which they were loaded; the other implementation may have changed it."""
        for module in (self.parts.unet, self.parts.autoencoder):
            module.set_attn_processor(AttnProcessor2_0())
            module.to(memory_format=self.backbone.memory_format)


class Bench:
    """Both implementations, the images and the tokens; ``run`` times every task and passes each time to ``say``."""

    def __init__(self, options: Options, say: Callable[[str], object] = lambda line: None) -> None:
        self.options, self.say = options, say
        self.size: Size = SIZES[options.size]
        dtype = getattr(torch, options.dtype)
        parts = build(self.size, options.device, dtype)
        plain = parts
        ours_differ = dtype != torch.float32 or options.compile or options.memory == "low"
        if ours_differ and not options.alone:
            plain = build(self.size, options.device, torch.float32)
        self.ours = Ours(options, self._config(options.dtype), parts, self.size.num_keypoints)
        self.released = Released(plain, self._config("float32"), self.size.num_keypoints, SEED)
        self.pixels = torch.from_numpy(images(options.batch, self.size.image_size))
        self.ids = [f"{index}.png" for index in range(options.batch)]
        self.keys = [(SEED, "fit", image_id, 0) for image_id in self.ids]
        self.tokens = self.ours.learner.initial_tokens().requires_grad_(True)
        self.chosen = torch.arange(self.size.num_keypoints, device=options.device)

    def run(self) -> dict[str, Any]:
        """Time all tasks; returns the measurements as JSON."""
        rate = self._rate()
        works = {"released": self._released_fit, "ours": self._new_fit, "ours_latents_kept": self._our_fit}
        tasks = {"fit": self._timed("fit", works, self.options.steps)}
        if self.options.predict:
            works = {"released": self._released_predict, "ours": self._our_predict}
            tasks["predict"] = self._timed("predict", works, 1)
        found: dict[str, Any] = {
            "options": vars(self.options),
            "platform": platform_name(self.options.device),
            "torch": torch.__version__,
            "tasks": {task: {side: timing.plain() for side, timing in sides.items()} for task, sides in tasks.items()},
            "floor": self._floor(max(rate, self._rate())),
        }
        if not self.options.alone:
            for name, of in (("speed_up", _clock), ("speed_up_of_processor_time", _processor)):
                found[name] = {
                    task: {side: of(sides["released"]) / of(timing) for side, timing in sides.items()}
                    for task, sides in tasks.items()
                }
            found["agreement"] = {task: _differences(sides["released"], sides["ours"]) for task, sides in tasks.items()}
        return found

    def _timed(self, task: str, works: dict[str, Callable[[], dict[str, Tensor]]], repeats: int) -> dict[str, Timing]:
        """Time each implementation in turn, this one first, so that costs of a first run count against it."""
        order = [side for side in works if side != "released"] + ["released"] * (not self.options.alone)
        timings = {side: Timing() for side in order}
        for number in range(self.options.warm_up + repeats):
            for side in order:
                (self.released if side == "released" else self.ours).prepare()
                self._time(f"{task}, {side}", works[side], timings[side], timed=number >= self.options.warm_up)
        return timings

    def _time(self, side: str, work: Callable[[], dict[str, Tensor]], timing: Timing, *, timed: bool) -> None:
        """Run one task of one implementation, and add the measurement to ``timing`` if it is ``timed``."""

        def keep() -> None:
            timing.results = work()

        self.tokens.grad = None
        with peak_memory(self.options.device) as peak:
            taken, of_processor = seconds(keep, self.options.device)
        self.say(f"{side}: {taken:.3g} s" + ("" if timed else ", warm-up"))
        if timed:
            timing.seconds.append(taken)
            timing.processor_seconds.append(of_processor)
            timing.peak_bytes = max(timing.peak_bytes or 0, peak.bytes or 0) or None

    def _new_fit(self) -> dict[str, Tensor]:
        self.ours.renew()
        return self._our_fit()

    def _our_fit(self) -> dict[str, Tensor]:
        losses = self.ours.learner.accumulate(self.tokens, self.pixels, self.ids, self.keys)
        return self._learned(losses)

    def _released_fit(self) -> dict[str, Tensor]:
        config, total = self.released.config, torch.zeros(3)
        for image, key in zip(self.pixels.to(self.options.device), self.keys, strict=True):
            sharp, equivariant = self.released.losses(self.tokens, image, key)
            loss = config.sharpening_weight * sharp + config.equivariance_weight * equivariant
            (loss / len(self.keys)).backward()
            total += torch.stack([loss, sharp, equivariant]).detach().cpu() / len(self.keys)
        return self._learned(total)

    def _learned(self, losses: Tensor) -> dict[str, Tensor]:
        gradient = self.tokens.new_zeros(()) if self.tokens.grad is None else self.tokens.grad
        return {"losses": losses, "gradient": gradient}

    def _our_predict(self) -> dict[str, Tensor]:
        found = self.ours.learner.locate(self.tokens.detach(), self.chosen, self.ids, self.pixels)
        return {"keypoints": torch.from_numpy(found)}

    def _released_predict(self) -> dict[str, Tensor]:
        tokens, pixels = self.tokens.detach(), self.pixels.to(self.options.device)
        found = [
            self.released.locate(tokens, self.chosen, image_id, image)
            for image_id, image in zip(self.ids, pixels, strict=True)
        ]
        return {"keypoints": torch.stack(found)}

    def _config(self, dtype: str) -> StableKeypointsConfig:
        """Settings of the released code, with the options of this comparison."""
        options = self.options
        return StableKeypointsConfig(
            preset="official",
            num_tokens=self.size.num_tokens,
            map_size=self.size.map_size,
            test_augmentations=options.views,
            predict_batch=max(1, options.views),
            **{"dtype": dtype, "memory": options.memory, "compile": options.compile},
        )

    def _rate(self) -> float:
        """FLOP per second of matrix products. It is measured before and after, as others may use the machine."""
        return matmul_rate(self.options.device, getattr(torch, self.options.dtype))

    def _floor(self, rate: float) -> dict[str, Any]:
        """Least FLOP per image, and their seconds at the rate of large matrix products.

        A fit encodes an image and its transformed view, and runs the UNet forward and backward up to its last map.
        Prediction encodes each view and runs it forward to the last map. Attention scores are computed before they are
        upsampled, and are left out: they cost little.
        """
        each = flops(self.size)
        fit_kept = each["encode"] + 4 * each["unet_to_last_map"]
        needed = {
            "fit": fit_kept + each["encode"],
            "fit_latents_kept": fit_kept,
            "predict": max(1, self.options.views) * (each["encode"] + each["unet_to_last_map"]),
        }
        return {
            "flop_of_parts": each,
            "matmul_flop_per_second": rate,
            "flop_per_image": needed,
            "seconds_per_image": {task: count / rate for task, count in needed.items()},
        }


def _clock(timing: Timing) -> float:
    return timing.median


def _processor(timing: Timing) -> float:
    return statistics.median(timing.processor_seconds)


def _differences(left: Timing, right: Timing) -> dict[str, float]:
    """Largest difference between the results of two implementations, relative to the largest value."""
    found = {}
    for name, result in left.results.items():
        one, other = result.double().cpu(), right.results[name].double().cpu()
        found[name] = float((one - other).abs().max() / one.abs().max())
    return found
