"""Deep feature factorization (Collins et al. 2018): the factors of a frozen network's features are the keypoints.

Importing this package imports no torch.
"""

from methods.dff.config import DFFConfig
from methods.dff.method import DFF

__all__ = ["DFF", "DFFConfig"]
