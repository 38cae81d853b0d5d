"""Random vision transformers in Hugging Face's layouts, small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

SIDE, PATCH, LAYERS, WIDTH, REGISTERS = 32, 8, 3, 24, 3
# Tokens before the patches, by layout.
LAYOUTS = {
    "dinov2": 1,
    "dinov2_with_registers": 1 + REGISTERS,
    "dinov3_vit": 1 + REGISTERS,
    "vit": 1,
    "vit_msn": 1,
    "ijepa": 0,
}


def build_vit(folder: Path, layout: str = "dinov2_with_registers", seed: int = 0) -> Path:
    """Write config and random weights as transformers' ``save_pretrained`` does; images are 32 x 32, patches 8 x 8."""
    registers = {"num_register_tokens": REGISTERS} if LAYOUTS[layout] > 1 else {}
    config = AutoConfig.for_model(
        layout,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=SIDE,
        patch_size=PATCH,
        initializer_range=0.3,
        **registers,
    )
    torch.manual_seed(seed)
    network: Any = AutoModel.from_config(config)
    for parameter in network.parameters():  # positions and scales are not all zeros and ones
        parameter.data += 0.1 * torch.randn_like(parameter)
    network.save_pretrained(folder)
    return folder
