"""Stable Keypoints (Hedlin et al., CVPR 2024): text tokens whose attention maps are keypoints.

Importing this package imports no torch.
"""

from methods.stable_keypoints.config import StableKeypointsConfig
from methods.stable_keypoints.method import StableKeypoints

__all__ = ["StableKeypoints", "StableKeypointsConfig"]
