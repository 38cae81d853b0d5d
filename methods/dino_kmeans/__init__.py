"""Clusters of a frozen, self-supervised vision transformer's features: nothing is trained.

Importing this package imports no torch.
"""

from methods.dino_kmeans.config import DinoKmeansConfig
from methods.dino_kmeans.method import DinoKmeans

__all__ = ["DinoKmeans", "DinoKmeansConfig"]
