"""Settings with which the conformance suite runs a method: as small as shows what it must show.

A method that is not here runs as its mini profile has it.
"""

from typing import Any

# Stable Keypoints, and what is built on it, on a tiny random pipeline.
STABLE_KEYPOINTS: dict[str, Any] = {
    "preset": "mini",
    "num_tokens": 16,
    "steps": 4,
    "batch_size": 2,
    "map_size": 32,
    "kappa": 8,
    "selection_images": 6,
    "test_augmentations": 3,
}

SETTINGS: dict[str, dict[str, Any]] = {
    "autolink": {"steps": 4, "batch_size": 2, "width": 4, "image_size": 32},
    "ppl": {"steps": 4, "batch_size": 2, "width": 4, "image_size": 32},
    "imm": {"steps": 4, "batch_size": 2, "image_size": 32, "channels": 8, "decoder_channels": 16},
    "thewlis": {"steps": 4, "batch_size": 2, "image_size": 32, "channels": (4, 4, 4, 4, 8)},
    "lmdis": {
        "steps": 4,
        "batch_size": 2,
        "image_size": 32,
        "padding": 4,
        "stem": 0,
        "detector_channels": 4,
        "feature_channels": 4,
    },
    "dift_kmeans": {"ensemble": 1, "vectors_per_image": 50},
    "dino_kmeans": {"vectors_per_image": 50},
    "dff": {"features": "mini_vae", "iterations": 20},
    "supervised": {"steps": 4, "batch_size": 2, "image_size": 32, "width": 8, "levels": 2},
}
