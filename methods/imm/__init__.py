"""IMM (Jakab et al., NeurIPS 2018): landmarks from image generation. Importing this package imports no torch."""

from methods.imm.config import IMMConfig
from methods.imm.method import IMM

__all__ = ["IMM", "IMMConfig"]
