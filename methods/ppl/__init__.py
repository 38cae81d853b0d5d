"""Pose Prior Learner (Wang et al., ICLR 2026): a template of the pose, distilled from a memory, is moved to each image.

Importing this package imports no torch.
"""

from methods.ppl.config import PPLConfig
from methods.ppl.method import PPL

__all__ = ["PPL", "PPLConfig"]
