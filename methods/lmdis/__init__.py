"""LMDIS (Zhang et al., CVPR 2018): landmarks as structural representations. Importing this package imports no torch.

``methods.adapters.lmdis`` reads the keypoints that the authors' released code writes; this package trains the method.
"""

from methods.lmdis.config import LMDISConfig
from methods.lmdis.method import LMDIS

__all__ = ["LMDIS", "LMDISConfig"]
