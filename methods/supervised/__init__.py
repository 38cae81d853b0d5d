"""A small heatmap regressor that learns from landmarks: the ceiling that unsupervised methods are compared with.

Importing this package imports no torch.
"""

from methods.supervised.method import Supervised, SupervisedConfig

__all__ = ["Supervised", "SupervisedConfig"]
