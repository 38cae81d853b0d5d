"""The untrained mini vision transformer, and the folder it is exported to, in the layout of DINOv2 with registers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from benchmarks.pretrain.train import load_as_float32

VIEW_SIZE = 64  # side in pixels of the images that it learns from
IMAGE_SIZE = 128  # side in pixels of the images whose features are read
PATCH_SIZE = 8
REGISTERS = 2
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def build_vit(seed: int) -> Dinov2WithRegistersModel:
    """A vision transformer for views of ``VIEW_SIZE`` pixels; its weights depend on the seed alone.

    Its position embeddings are interpolated for other image sides, as those of DINOv2 are.
    """
    torch.manual_seed(seed)
    config = Dinov2WithRegistersConfig(
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        mlp_ratio=2,
        image_size=VIEW_SIZE,
        patch_size=PATCH_SIZE,
        num_register_tokens=REGISTERS,
    )
    return Dinov2WithRegistersModel(config)


def normalised(pixels: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) in [0, 1], minus the mean and divided by the deviation that DINOv2 uses."""
    mean, deviation = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return (pixels - mean) / deviation


def export(model: Dinov2WithRegistersModel, folder: Path, record: dict[str, Any], losses: Path) -> None:
    """Write weights as float16 safetensors, both configs, ``training.json`` and a copy of the table of losses."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().half().cpu().contiguous() for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)
    load_as_float32(folder / "config.json")
    side = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    processor = {
        "image_processor_type": "BitImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": IMAGE_SIZE},
        "resample": 2,
        "do_center_crop": True,
        "crop_size": side,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": DEVIATION,
    }
    for name, content in (("preprocessor_config.json", processor), ("training.json", record)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(losses, folder / "loss.csv")
