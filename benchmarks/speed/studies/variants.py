"""Every fast path off in turn beside all of them on, timed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.speed.compare import Inputs, Options, Ours
from benchmarks.speed.measure import Rounds, Say, in_turns, platform_name
from benchmarks.speed.models import build, copied
from benchmarks.speed.sizes import SIZES
from methods import switches
from methods.diffusion.fast.installation import install
from methods.diffusion.loading import Parts

ALL_ON = "all on"


def variants(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """Seconds of a fit step and of a prediction with all fast paths, without each of them, and without any.

    Further variants: group norms by ``torch.compile`` in place of the kernels of ``norms``, and no fast path with
    contiguous maps in place of channels last. Paths in ``options.without`` are off in all. On a CPU no fast path is
    used, and all times are those of the plain path.
    """
    options = options.resolved()
    parts = build(SIZES[options.size], options.device, getattr(torch, options.dtype))
    inputs = Inputs(options, parts.token_width)
    names = [name for name in switches.NAMES if name not in options.without]
    off = {ALL_ON: (), **{f"without {name}": (name,) for name in names}, "without all": tuple(names)}
    sides = {name: Ours(options, copied(parts), inputs, (*options.without, *paths)) for name, paths in off.items()}
    if options.device.startswith("cuda"):
        sides |= _further(options, parts, inputs, tuple(names))
    rounds = Rounds(options.warm_up, options.steps)
    tasks = {"fit": {name: side.fit for name, side in sides.items()}}
    if options.predict:
        tasks["predict"] = {name: side.predict for name, side in sides.items()}
    found: dict[str, Any] = {}
    for task, works in tasks.items():
        timings = in_turns(works, rounds, options.device, say, task)
        base = timings[ALL_ON].median
        found[task] = {name: {**each.plain(), "times_all_on": each.median / base} for name, each in timings.items()}
    return {
        "options": options.plain(),
        "platform": platform_name(options.device),
        "switches_have_an_effect": options.device.startswith("cuda"),
        "tasks": found,
    }


def _further(options: Options, parts: Parts, inputs: Inputs, names: Sequence[str]) -> dict[str, Ours]:
    """The variants without a switch; ``names`` are the fast paths that are on otherwise."""
    contiguous = Ours(options, copied(parts), inputs, (*options.without, *names))
    backbone = contiguous.learner.backbone
    backbone.memory_format = torch.contiguous_format
    for part in (backbone.unet, backbone.autoencoder):
        part.to(memory_format=torch.contiguous_format)
    found = {"without all, contiguous": contiguous}
    if "blocks" in names:
        compiled = Ours(options, copied(parts), inputs, options.without)
        backbone = compiled.learner.backbone
        install(backbone.parts, backbone.settings.timestep, norms="compiled")
        found["norms compiled"] = compiled
    return found
