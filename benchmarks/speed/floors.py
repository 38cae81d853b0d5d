"""The least work of a fit step and of a prediction: FLOP, the bytes of norms and maps, and the seconds they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.models import build, settings_of
from benchmarks.speed.sizes import SIZES
from methods.stable_keypoints.attention import Recorder, choose_layers

MAP_BYTES = 4  # queries, keys and maps are float32


@dataclass(frozen=True)
class Counts:
    """What one image needs: FLOP of the parts, numbers of values that pass a norm, and of values around the maps.

    ``to_last_map`` is the UNet up to the last layer that is read. ``queries`` and ``keys`` have that many values,
    ``pixels`` and ``tokens`` are those of all maps.
    """

    encode: float
    unet: float
    to_last_map: float
    scores: float
    norms_of_encoder: int
    norms_to_last_map: int
    queries: int
    keys: int
    pixels: int
    tokens: int


@cache
def counts(name: str) -> Counts:
    """The counts of a size, from shapes alone."""
    size = SIZES[name]
    config = settings_of(size)
    parts = build(size, "meta", torch.float32)
    with torch.device("meta"):
        pixels = torch.empty(1, 3, size.image_size, size.image_size)
        latents = torch.empty(1, 4, parts.latent_side, parts.latent_side)
        context = torch.empty(1, config.num_tokens, parts.token_width)
    layers = choose_layers(parts.unet, parts.latent_side, None, config.max_layers, config.max_layer_side)
    recorder = Recorder(layers)

    def run() -> None:
        parts.unet(latents, 0, encoder_hidden_states=context, **parts.conditions)

    def run_to_last_map() -> None:
        with recorder.attached():
            run()

    encode, norms_of_encoder = _count(lambda: parts.autoencoder.encode(pixels), parts.autoencoder)
    to_last_map, norms_to_last_map = _count(run_to_last_map, parts.unet)
    side = config.map_size
    return Counts(
        encode=encode,
        unet=_count(run, parts.unet)[0],
        to_last_map=to_last_map,
        scores=sum(2.0 * config.num_tokens * each.shape[1] * each.shape[-1] * side**2 for each in recorder.queries),
        norms_of_encoder=norms_of_encoder,
        norms_to_last_map=norms_to_last_map,
        queries=sum(each.numel() for each in recorder.queries),
        keys=sum(each.numel() for each in recorder.keys),
        pixels=side**2,
        tokens=config.num_tokens,
    )


def floor(name: str, views: int, kept: int, dtype: torch.dtype, rate: float, bandwidth: float) -> dict[str, Any]:
    """Least FLOP and bytes per image, and their seconds at the rates of large matrix products and of copies.

    A fit encodes an image and its transformed view, and runs the UNet forward and backward up to its last map.
    Prediction encodes each view and runs it forward to the last map. Attention scores are computed before they are
    upsampled, and their FLOP are left out: they cost little. A norm reads and writes each value once, and backward
    reads two and writes one. Maps read queries and keys and write maps, those of all tokens where tokens are ranked
    and those of ``kept`` tokens elsewhere; backward reads the gradients of the latter, and writes those of queries and
    keys.
    """
    each = counts(name)
    views = max(1, views)
    latents_kept = each.encode + 4 * each.to_last_map
    flop = {
        "fit": latents_kept + each.encode,
        "fit_latents_kept": latents_kept,
        "predict": views * (each.encode + each.to_last_map),
    }
    width = dtype.itemsize
    around = each.queries + each.keys
    norms = {
        "fit": width * (2 * 2 * each.norms_of_encoder + 2 * (2 + 3) * each.norms_to_last_map),
        "predict": width * views * 2 * (each.norms_of_encoder + each.norms_to_last_map),
    }
    maps = {
        "fit": MAP_BYTES * (2 * 3 * around + (each.tokens + 3 * kept) * each.pixels),
        "predict": MAP_BYTES * views * (around + kept * each.pixels),
    }
    return {
        "flop_of_parts": {
            "encode": each.encode,
            "unet": each.unet,
            "unet_to_last_map": each.to_last_map,
            "maps": each.scores,
        },
        "matmul_flop_per_second": rate,
        "copy_bytes_per_second": bandwidth,
        "flop_per_image": flop,
        "seconds_per_image": {task: count / rate for task, count in flop.items()},
        "bytes_per_image": {"norms": norms, "maps": maps},
        "seconds_of_bytes_per_image": {
            kind: {task: count / bandwidth for task, count in tasks.items()}
            for kind, tasks in (("norms", norms), ("maps", maps))
        },
    }


def _count(work: Callable[[], object], module: torch.nn.Module) -> tuple[float, int]:
    """FLOP of some work, and the number of values that pass the norms of a module."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), _norms_watched(module) as seen, counter:
        work()
    return float(counter.get_total_flops()), sum(seen)


@contextmanager
def _norms_watched(module: torch.nn.Module) -> Iterator[list[int]]:
    """Within the block, every norm in a module adds the number of its values to the list."""
    seen: list[int] = []

    def see(norm: torch.nn.Module, given: Any, output: Tensor) -> None:
        seen.append(output.numel())

    kinds = (torch.nn.GroupNorm, torch.nn.LayerNorm)
    handles = [each.register_forward_hook(see) for each in module.modules() if isinstance(each, kinds)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
