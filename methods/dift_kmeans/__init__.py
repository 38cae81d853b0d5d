"""Clusters of a frozen diffusion model's features, located by nearest neighbours: nothing is trained.

Importing this package imports no torch.
"""

from methods.dift_kmeans.config import DiftKmeansConfig
from methods.dift_kmeans.method import DiftKmeans

__all__ = ["DiftKmeans", "DiftKmeansConfig"]
