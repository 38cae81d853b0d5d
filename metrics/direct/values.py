"""The values of a direct measure."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.errors import Floats
from metrics.statistics import Ratio


@dataclass(frozen=True)
class Values:
    """Values (N,) of images in the protocol's unit, and their weights (N,) in the mean; weight 0 means no value."""

    values: Floats
    weights: Floats

    @property
    def ratio(self) -> Ratio:
        """The weighted mean over images as totals."""
        return Ratio((self.values * self.weights)[:, None], self.weights[:, None])
