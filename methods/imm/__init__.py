"""IMM: landmarks from conditional image generation. Importing this package imports no torch."""

from methods.imm.config import IMMConfig
from methods.imm.method import IMM

__all__ = ["IMM", "IMMConfig"]
