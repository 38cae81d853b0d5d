"""The state of an unfinished fit of Stable Keypoints, and how a checkpoint stores it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.checkpoints import CheckpointFile


@dataclass
class State:
    """How far a fit has come; a checkpoint holds these tensors by name.

    ``tokens`` (N, width) after ``steps`` steps, with Adam's running means ``mean`` and ``square`` of their gradient
    and its square; ``history`` (steps, 3), the losses of each step; ``kept`` (n, K), the ids of the tokens that the
    first n selection images keep.
    """

    tokens: Tensor
    mean: Tensor
    square: Tensor
    history: Tensor
    kept: Tensor

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return len(self.history)

    @classmethod
    def fresh(cls, tokens: Tensor, num_keypoints: int) -> State:
        """The state before the first step."""
        none, history = torch.zeros_like(tokens), torch.empty((0, 3), dtype=torch.float64)
        kept = torch.empty((0, num_keypoints), dtype=torch.int64)
        return cls(tokens.detach().clone(), none, none.clone(), history, kept)

    @classmethod
    def read(cls, checkpoint: CheckpointFile) -> State | None:
        """The stored state, on the CPU; None, with a warning that says why, if broken or of another fit."""
        tensors = checkpoint.read_tensors()
        try:
            return cls(**tensors) if tensors is not None else None
        except TypeError as error:
            checkpoint.refuse(type(error).__name__)
            return None
