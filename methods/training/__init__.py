"""Code shared by methods that train a network: settings, training loop, and features for perceptual losses.

Importing this package imports no torch.
"""

from methods.training.base import TrainedConfig, TrainedMethod

__all__ = ["TrainedConfig", "TrainedMethod"]
