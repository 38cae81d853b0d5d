"""The models that can be timed: configs of Stable Diffusion 1.5, 2.1 and XL, of a tiny model, and the shipped one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from methods.diffusion.weights import ModelFiles

Config = dict[str, Any]

SCHEDULE: Config = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
UNET: Config = {
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
# Neither Stable Diffusion 1.5 nor 2.1 has the entry force_upcast; XL has it.
AUTOENCODER: Config = {
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


@dataclass(frozen=True)
class Size:
    """Configs of a UNet, an autoencoder and a noise schedule, as in the files of a pipeline, and how they are used.

    ``preset`` names the preset of Stable Keypoints, whose defaults ``settings`` replace; ``views`` is the number of
    transformed views of an image in prediction. A ``model`` is loaded with its weights; without one, weights are
    random.
    """

    unet: Config
    autoencoder: Config
    schedule: Config
    image_size: int
    num_keypoints: int = 10
    preset: str = "official"
    views: int = 10
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None


def _mini() -> Size:
    """The shipped model at its own preset."""
    files = ModelFiles("mini", None, "benchmarks.speed")
    return Size(
        unet=files.read_config("unet"),
        autoencoder=files.read_config("vae"),
        schedule=files.read_config("scheduler", "scheduler_config.json"),
        image_size=files.image_side(),
        preset="mini",
        views=0,
        model="mini",
    )


STABLE_DIFFUSION_15 = Size(
    unet={**UNET, "sample_size": 64, "attention_head_dim": 8, "cross_attention_dim": 768},
    autoencoder={**AUTOENCODER, "sample_size": 512},
    schedule=SCHEDULE,
    image_size=512,
)
STABLE_DIFFUSION_21 = Size(
    unet={
        **UNET,
        "sample_size": 96,
        "attention_head_dim": (5, 10, 20, 20),
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
        "upcast_attention": True,
    },
    autoencoder={**AUTOENCODER, "sample_size": 768},
    schedule={**SCHEDULE, "prediction_type": "v_prediction"},
    image_size=768,
)
STABLE_DIFFUSION_XL = Size(
    unet={
        **UNET,
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    autoencoder={**AUTOENCODER, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
    schedule=SCHEDULE,
    image_size=1024,
)
TINY = Size(
    unet={
        "sample_size": 16,
        "block_out_channels": (16, 32, 32),
        "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2,
        "layers_per_block": 1,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        "cross_attention_dim": 24,
    },
    autoencoder={
        "sample_size": 32,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 4,
    },
    schedule=SCHEDULE,
    image_size=32,
    num_keypoints=4,
    settings={"num_tokens": 40, "map_size": 24},
)
SIZES = {
    "mini": _mini(),
    "sd15": STABLE_DIFFUSION_15,
    "sd21": STABLE_DIFFUSION_21,
    "sdxl": STABLE_DIFFUSION_XL,
    "tiny": TINY,
}
