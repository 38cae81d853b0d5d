"""A small heatmap regressor that learns from landmarks: an upper bound for unsupervised methods.

Importing this package imports no torch.
"""

from methods.supervised.config import SupervisedConfig
from methods.supervised.method import Supervised

__all__ = ["Supervised", "SupervisedConfig"]
