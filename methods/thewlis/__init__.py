"""Factorised spatial embeddings (Thewlis et al., ICCV 2017). Importing this package imports no torch."""

from methods.thewlis.config import ThewlisConfig
from methods.thewlis.method import Thewlis

__all__ = ["Thewlis", "ThewlisConfig"]
