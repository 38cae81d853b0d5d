"""Regression and errors that ignore which side is left: the label swaps of the Human3.6M evaluations.

An order (L,) rearranges landmarks as ``landmarks[:, order]``. It need not be its own inverse, because a list in the
released code names one landmark twice. Source: the released code of Stable Keypoints and of AutoLink.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from metrics.errors import Floats, Mask, MetricError, distances
from metrics.protocols.record import Protocol
from metrics.regression import ORIGINS, Design, Estimator, Regression, assemble, blocks, tiles

MAX_FITS = 50
LEFTOVER_ROWS = 10

Order = NDArray[np.intp]

# As released: 21 stands where 29 belongs, and the pair of 16 and 24 (both on the neck) is missing.
_MISTYPED = (
    *((1, 6), (2, 7), (3, 8), (4, 9), (5, 10)),
    *((17, 25), (18, 26), (19, 27), (20, 28), (21, 28), (22, 30), (23, 31)),
)


def swapped_order(count: int, pairs: Sequence[tuple[int, int]]) -> Order:
    """The order of ``count`` landmarks that exchanges the two landmarks of each pair.

    Raises MetricError for an index out of range and for a landmark in more than one pair.
    """
    named = [landmark for pair in pairs for landmark in pair]
    if len(set(named)) < len(named) or any(not 0 <= landmark < count for landmark in named):
        raise MetricError(f"left/right pairs {tuple(pairs)}, expected indices below {count}, each at most once")
    return _exchanged(count, pairs)


def mistyped_order(count: int) -> Order:
    """The order that the released list for Human3.6M yields: 20 and 21 both take 28, 28 takes 21, 29 stays.

    Raises MetricError unless there are 32 landmarks.
    """
    if count != 32:
        raise MetricError(
            f"{count} landmarks, the released left/right list is for Human3.6M's 32; use the card's pairs"
        )
    return _exchanged(count, _MISTYPED)


def _exchanged(count: int, pairs: Sequence[tuple[int, int]]) -> Order:
    order = np.arange(count)
    for left, right in pairs:
        order[left], order[right] = right, left
    return order


class _Labels:
    """Landmarks (N, L, 2) of which each row was swapped some number of times.

    ``state`` (N,) indexes ``orders``: the labels of a row are ``landmarks[row, orders[state[row]]]``. One more swap
    changes its state to ``following[state]``.
    """

    def __init__(self, landmarks: Floats, order: Order) -> None:
        self.landmarks = landmarks
        self.state = np.zeros(len(landmarks), dtype=np.intp)
        orders = [tuple(range(len(order)))]
        while (further := tuple(orders[-1][place] for place in order)) not in orders:
            orders.append(further)
        self.orders = [np.array(each) for each in orders]
        self.following = np.array([*range(1, len(orders)), orders.index(further)])
        self.moved = np.flatnonzero(order != self.orders[0])

    def flat(self, rows: Order | slice, ahead: bool = False) -> Floats:
        """Labels (n, 2L) of some rows; with ``ahead`` their labels after one more swap."""
        state = self.following[self.state[rows]] if ahead else self.state[rows]
        labels = self.landmarks[rows].copy()
        for number, order in enumerate(self.orders[1:], start=1):
            turned = state == number
            labels[turned] = labels[turned][:, order]
        return labels.reshape(len(labels), -1)

    def wanting(self, design: Design, weights: Floats, origin: float) -> Mask:
        """Mask (N,) of the rows whose mean error one more swap reduces by more than rounding."""
        wants = np.empty(len(self.state), dtype=bool)
        moving = weights.reshape(len(weights), -1, 2)[:, self.moved].transpose(2, 1, 0).reshape(-1, len(weights))
        for rows in blocks(len(wants)):
            predicted = moving @ tiles(design.matrix[rows]).swapaxes(1, 2) + origin
            errors = self._errors(predicted, rows)
            index = np.arange(errors.shape[1])
            now, then = errors[self.state[rows], index], errors[self.following[self.state[rows]], index]
            wants[rows] = then < now * (1 - 1e-12)
        return wants

    def _errors(self, predicted: Floats, rows: slice) -> Floats:
        """Errors (S, n) of a block of n rows in each of S orders, summed over the M landmarks that move.

        ``predicted`` (T, 2M, m) holds the x of these landmarks, then the y, for n = T * m rows.
        """
        block = self.landmarks[rows].reshape(-1, 2 * self.landmarks.shape[1])
        labels = np.ascontiguousarray(tiles(block).swapaxes(1, 2))
        errors = np.empty((len(self.orders), len(block)))
        for state, order in enumerate(self.orders):
            taken = order[self.moved]
            apart = predicted - labels[:, np.concatenate([2 * taken, 2 * taken + 1])]
            apart *= apart
            squares = apart[:, : len(taken)]
            squares += apart[:, len(taken) :]
            errors[state] = np.sqrt(squares, out=squares).sum(axis=1).ravel()
        return errors


def fit_either_side(
    keypoints: Floats, landmarks: Floats, order: Order, estimator: Estimator, drop_outliers: bool = False
) -> Regression:
    """Regression (see fit_regression) that swaps left and right labels where this reduces the error.

    Fits, swaps the labels of every image whose mean error is smaller after a swap, and repeats until at most 10 images
    would be swapped. The published loop has no limit; this one stops after 50 fits. ``drop_outliers`` then fits once
    more without the images whose error is over three standard deviations above the mean (AutoLink). The input arrays
    are not changed. Raises MetricError as fit_regression does.
    """
    origin = ORIGINS[estimator.origin]
    design, labels = Design(keypoints, estimator), _Labels(landmarks, order)
    moment = _moment(design, labels, origin)
    for _ in range(MAX_FITS):
        weights = design.solve(moment)
        wants = labels.wanting(design, weights, origin)
        if wants.sum() <= LEFTOVER_ROWS:
            break
        moment = moment + _moved(design, labels, np.flatnonzero(wants))
        labels.state[wants] = labels.following[labels.state[wants]]
    if drop_outliers:
        kept = _without_outliers(design, labels, weights, origin)
        labels.landmarks, labels.state = landmarks[kept], labels.state[kept]
        design = Design(keypoints[kept], estimator)
        weights = design.solve(_moment(design, labels, origin))
    count = landmarks.shape[1]
    rows = np.full(count, len(design.matrix))
    return assemble(weights, np.full(2 * count, origin), origin, rows, [design])


def _moment(design: Design, labels: _Labels, origin: float) -> NDArray[np.floating]:
    parts = (design.moment_of(rows, labels.flat(rows) - origin) for rows in blocks(len(labels.state)))
    return reduce(np.add, parts)


def _moved(design: Design, labels: _Labels, wanting: Order) -> NDArray[np.floating]:
    """Change of the moment when the given rows are swapped once more."""
    chunks = (wanting[block] for block in blocks(len(wanting)))
    parts = (design.moment_of(rows, labels.flat(rows, ahead=True) - labels.flat(rows)) for rows in chunks)
    return reduce(np.add, parts)


def _without_outliers(design: Design, labels: _Labels, weights: Floats, origin: float) -> Mask:
    errors = np.empty(len(labels.state))
    for rows in blocks(len(errors)):
        predicted = tiles(design.matrix[rows]) @ weights + origin
        apart = (predicted.reshape(-1, weights.shape[1]) - labels.flat(rows)).reshape(-1, weights.shape[1] // 2, 2)
        errors[rows] = np.sqrt((apart**2).sum(axis=2)).mean(axis=1)
    limit = errors.mean() + 3 * (errors.std(ddof=1) if len(errors) > 1 else 0.0)
    return errors <= limit * (1 + 1e-9)


def better_side(predicted: Floats, landmarks: Floats, order: Order) -> Floats:
    """Each image's prediction (L, 2) or its swap, whichever has the smaller mean error.

    Source: the released code of Stable Keypoints.
    """
    swapped = predicted[:, order]
    wins = distances(swapped, landmarks).mean(axis=1) < distances(predicted, landmarks).mean(axis=1)
    return np.where(wins[:, None, None], swapped, predicted)


def better_labels(predicted: Floats, landmarks: Floats, order: Order) -> Floats:
    """Test landmarks (N, L, 2), swapped in the images where this reduces the mean error.

    As in fitting, swaps repeat until at most 10 images would be swapped; these stay as they are. If the order is its
    own inverse, the errors of all other images equal those of ``better_side``. Each swap reduces an error, so the loop
    ends. Source: the released code of AutoLink.
    """
    while True:
        swapped = landmarks[:, order]
        wants = distances(predicted, swapped).mean(axis=1) < distances(predicted, landmarks).mean(axis=1)
        if wants.sum() <= LEFTOVER_ROWS:
            return landmarks
        landmarks = np.where(wants[:, None, None], swapped, landmarks)


def order_of(protocol: Protocol, count: int, pairs: Sequence[tuple[int, int]]) -> Order:
    """The order (L,) of the protocol's landmarks after left and right were exchanged, of ``count`` or its own subset.

    Raises MetricError without the pairs that the protocol needs, and for pairs that are not of these landmarks.
    """
    if protocol.sides == "either_mistyped":
        return mistyped_order(count)
    if not pairs:
        raise MetricError(f"{protocol.id} needs left_right_pairs, which the dataset's card does not give")
    if protocol.landmarks is not None:
        place = {landmark: index for index, landmark in enumerate(protocol.landmarks)}
        pairs = [(place[left], place[right]) for left, right in pairs if {left, right} <= place.keys()]
    return swapped_order(count, pairs)
