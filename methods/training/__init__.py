"""What methods that train a network share: settings, the loop, seeds, checkpoints, features for perceptual losses.

Importing this package imports no torch.
"""

from methods.training.base import TrainedConfig, TrainedMethod

__all__ = ["TrainedConfig", "TrainedMethod"]
