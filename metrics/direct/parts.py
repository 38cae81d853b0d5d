"""Keypoints as parts of an object: each landmark belongs to the part of the nearest keypoint.

Papers on part discovery compare the label of their part map at each annotated landmark with the landmark itself, over
all test images at once, by normalised mutual information (NMI) and the adjusted Rand index (ARI). Keypoints have no
part map, so the nearest keypoint gives the label here. Source: Choudhury et al., Unsupervised Part Discovery from
Contrastive Reconstruction, NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from metrics.direct.values import Whole
from metrics.errors import Floats, Mask
from metrics.points import Points
from metrics.protocols.record import Protocol


@dataclass(frozen=True)
class PartsTable:
    """The agreement, times 100, of parts and landmarks; ``counts`` (N, P, L) are the landmarks of each image by part.

    ``measure`` is "nmi", with the arithmetic mean of both entropies as norm, or "ari".
    """

    counts: Floats
    measure: Literal["nmi", "ari"]

    @property
    def totals(self) -> Floats:
        """The counts of each image: (N, P L)."""
        return self.counts.reshape(len(self.counts), -1)

    def of(self, totals: Floats) -> Floats:
        """The numbers (R,) of R tables (R, P L)."""
        tables = totals.reshape(-1, *self.counts.shape[1:])
        return 100.0 * {"nmi": nmi, "ari": ari}[self.measure](tables)

    def counted(self, totals: Floats) -> Mask:
        """Which of R tables have an entry."""
        return np.any(totals != 0, axis=1)


def parts_nmi(protocol: Protocol, test: Points) -> Whole:
    """The normalised mutual information of nearest keypoints and landmarks."""
    return Whole(PartsTable(counts_of(protocol, test), "nmi"))


def parts_ari(protocol: Protocol, test: Points) -> Whole:
    """The adjusted Rand index of nearest keypoints and landmarks."""
    return Whole(PartsTable(counts_of(protocol, test), "ari"))


def counts_of(protocol: Protocol, test: Points) -> Floats:
    """Counts (N, K + 1, L): 1 where a landmark is visible and belongs to the part; the last part is the background.

    With a ``threshold``, a landmark that is this far or farther from all keypoints belongs to the background; without
    one, only the landmarks of an image in which no keypoint was found do.
    """
    apart = np.linalg.norm(test.landmarks[:, None] - test.keypoints[:, :, None], axis=3) * protocol.scale
    apart = np.where(np.isnan(apart), np.inf, apart)  # nothing belongs to an absent keypoint
    limit = np.inf if protocol.threshold is None else protocol.threshold
    part = np.where(apart.min(axis=1) < limit, apart.argmin(axis=1), apart.shape[1])
    numbers = np.arange(apart.shape[1] + 1)
    return ((part[:, None] == numbers[:, None]) & test.visible[:, None]).astype(np.float64)


def nmi(tables: Floats) -> Floats:
    """Mutual information over the mean of both entropies (R,) of contingency tables (R, P, L); 1 where both are 0."""
    total = tables.sum(axis=(1, 2))
    rows, columns, cells = (_entropy(some, total) for some in (tables.sum(2), tables.sum(1), _flat(tables)))
    shared, mean = rows + columns - cells, (rows + columns) / 2
    return np.divide(np.maximum(shared, 0.0), mean, out=np.ones_like(mean), where=mean > 0)


def ari(tables: Floats) -> Floats:
    """The adjusted Rand index (R,) of contingency tables (R, P, L); 1 where both partitions are trivial and equal.

    Source: Hubert and Arabie, Comparing partitions, Journal of Classification 1985.
    """
    together, rows, columns = (_pairs(some) for some in (_flat(tables), tables.sum(2), tables.sum(1)))
    expected = rows * columns / np.maximum(_pairs(tables.sum(axis=(1, 2))[:, None]), 1.0)
    largest = (rows + columns) / 2
    return np.divide(together - expected, largest - expected, out=np.ones_like(largest), where=largest > expected)


def _flat(tables: Floats) -> Floats:
    return tables.reshape(len(tables), -1)


def _entropy(counts: Floats, total: Floats) -> Floats:
    """Entropies (R,) in nats of counts (R, C) that sum to ``total`` (R,)."""
    shares = counts / total[:, None]
    return -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)


def _pairs(counts: Floats) -> Floats:
    """The number (R,) of pairs within the entries of counts (R, C)."""
    found: Floats = (counts * (counts - 1) / 2).sum(axis=1)
    return found
