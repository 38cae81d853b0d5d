"""What a fit of Stable Keypoints has come to, kept so that it can go on after it was broken off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.checkpoints import FILE, SIGNALS, CheckpointFile, Stop, digest, held_back

__all__ = ["FILE", "SIGNALS", "Checkpoints", "State", "Stop", "digest", "fresh", "held_back"]


@dataclass
class State:
    """What a fit has come to.

    ``tokens``, and Adam's running means ``mean`` and ``square`` of their gradient and its square, are (N, width)
    after ``steps`` steps; ``history`` (steps, 3) are the losses of each; ``kept`` (n, K) the tokens that the first n
    selection images keep.
    """

    tokens: Tensor
    mean: Tensor
    square: Tensor
    history: Tensor
    kept: Tensor

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.history)


class Checkpoints(CheckpointFile):
    """The checkpoint of one fit, as a State."""

    def read(self) -> State | None:
        """The state kept, on the CPU; None, with a line that says why, for a broken file or one of another fit."""
        tensors = self.read_tensors()
        try:
            return State(**tensors) if tensors is not None else None
        except TypeError as error:
            self.refuse(type(error).__name__)
            return None

    def write(self, state: State) -> None:
        """Keep a state in place of the last. Raises MethodError where the disk does not take it."""
        self.write_tensors(vars(state))


def fresh(tokens: Tensor, num_keypoints: int) -> State:
    """The state before the first step."""
    none = torch.zeros_like(tokens)
    history = torch.empty((0, 3), dtype=torch.float64)
    return State(
        tokens.detach().clone(), none, none.clone(), history, torch.empty((0, num_keypoints), dtype=torch.int64)
    )
