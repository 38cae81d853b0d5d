"""Targets of what fits leave: tokens, checkpoints and released weights; they register themselves beside the others."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import numpy as np

from tests.fuzz import files, tensors
from tests.fuzz.targets import Read, target


@target("tokens", "methods.stable_keypoints.official", "methods.archives")
def _tokens(rng: random.Random, folder: Path) -> Read:
    from methods.stable_keypoints.official import read

    tokens, chosen = np.random.default_rng(0).random((1, 9, 6)).astype(np.float32), np.arange(4)
    if rng.random() < 0.5:
        tensors.torch_file(rng, folder / "embedding.pt", tokens)
        tensors.torch_file(rng, folder / "indices.pt", chosen)
    else:
        tensors.safetensors(rng, folder / "tokens.safetensors", {"tokens": tokens[0], "chosen": chosen})
        files.plain_json(rng, folder / "state.json", {"config": {"steps": 4}, "num_keypoints": 4})
    return lambda: read(folder)


@target("checkpoint", "methods.checkpoints", "methods.stable_keypoints.state")
def _checkpoint(rng: random.Random, folder: Path) -> Read:
    from methods.checkpoints import FILE, CheckpointFile
    from methods.stable_keypoints.state import State

    fit = {"method": "m", "seed": 0, "config": {"steps": 3}}
    arrays = {"tokens": np.zeros((3, 2)), "mean": np.zeros((3, 2)), "square": np.zeros((3, 2))}
    arrays |= {"history": np.zeros((1, 3)), "kept": np.zeros((0, 2), np.int64)}
    tensors.safetensors(rng, folder / FILE, arrays, {"fit": json.dumps(fit)})

    def read() -> object:
        log = logging.getLogger("methods.checkpoints")
        log.disabled = True  # a broken checkpoint is a warning
        try:
            return State.read(CheckpointFile(folder, fit))
        finally:
            log.disabled = False

    return read


@target("autolink checkpoint", "methods.autolink.released", "methods.archives")
def _released(rng: random.Random, folder: Path) -> Read:
    from methods.autolink.edges import pixel_grid
    from methods.autolink.network import Detector
    from methods.autolink.released import load_detector

    state = {"encoder.detector.coord": pixel_grid(32).numpy()}
    for name, tensor in Detector(4, 2, levels=4, reach=0.0).state_dict().items():
        theirs = name.replace("stages.", "conv.").replace(".shortcut.", ".conv_res.").replace(".path.", ".net.")
        state[f"encoder.detector.{theirs}"] = tensor.numpy()
    path = tensors.torch_file(rng, folder / "model.ckpt", state)
    if rng.random() < 0.8:
        import torch

        try:
            inner = torch.load(path, weights_only=True)
            torch.save({"state_dict": inner, "epoch": 1}, path)
        except Exception:
            return lambda: load_detector(path, 4)
    return lambda: load_detector(path, 4)
