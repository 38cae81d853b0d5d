"""The values of a direct measure."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.errors import Floats
from metrics.statistics import Ratio, Statistic


@dataclass(frozen=True)
class Values:
    """Values (N,) of images in the protocol's unit, and their weights (N,) in the mean; weight 0 means no value."""

    values: Floats
    weights: Floats

    @property
    def statistic(self) -> Statistic:
        """The weighted mean over images."""
        return Ratio((self.values * self.weights)[:, None], self.weights[:, None])


@dataclass(frozen=True)
class Whole:
    """A number of all images together, to which a single image has no value of its own."""

    statistic: Statistic
