"""Reads keypoints and landmarks, and joins them: by image id if both sides have ids, else by the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.errors import UserError
from benchmarks.importing.joining import Joined, join
from benchmarks.score.parsing import convention
from benchmarks.score.shapes import as_boxes, as_mask, missing_notes
from methods.adapters.arrays import Array, read_array, read_labels, read_scores
from methods.adapters.base import Outputs, Split, SplitTruth
from methods.adapters.checks import as_points, check_points, check_scores, stand_in_notes
from methods.adapters.conventions import Convention, check_convention, check_landmarks
from methods.adapters.headings import Point, point_columns
from methods.adapters.tables import ID
from metrics.points import Points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.importing.tasks import TaskData
    from benchmarks.score.options import ScoreOptions

Side = Literal["fit", "test"]
SPLIT_OF: dict[Side, Split] = {"fit": "regress", "test": "test"}


@dataclass(frozen=True)
class Files:
    """The files of one side as named on the command line; ``pred`` may be several files."""

    side: Side
    pred: tuple[str, ...]
    gt: str | None
    visible: str | None
    boxes: str | None
    groups: str | None


@dataclass(frozen=True)
class Truth:
    """Landmarks (N, L, 2) and visible (N, L) of one side; ``ids``, ``groups`` and ``boxes`` if they are known."""

    name: str
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    ids: tuple[str, ...] | None
    groups: Sequence[str] | None
    boxes: NDArray[np.float64] | None
    seen: NDArray[np.float64] | None = None

    def split(self) -> SplitTruth:
        """The images to join keypoints to."""
        return SplitTruth(self.ids or (), self.landmarks, self.visible, self.name, self.seen)


class Reader:
    """Reads both sides in the conventions of the options; ``notes`` are for the user."""

    def __init__(self, options: ScoreOptions, data: TaskData | None) -> None:
        self._data = data
        self._keypoints = convention(options.range, options.order)
        self._landmarks = convention(options.gt_range or options.range, options.gt_order or options.order, "gt-")
        self._by_id = tuple(options.predictions)
        self._frame = options.frame
        self._named: dict[str, tuple[str, tuple[Point, ...]]] = {}  # by keypoints or landmarks: a file and its points
        self.notes: list[str] = []
        self._joined: Joined | None = None

    def points(self, fit: Files, test: Files) -> tuple[Points, Points]:
        """Keypoints beside landmarks, row by row. Raises UserError or OutputError that names the file at fault."""
        shared = self._outputs(self._by_id, None)
        outputs = shared or [*self._outputs(fit.pred, "regress"), *self._outputs(test.pred, "test")]
        counts = {output.source: output.keypoints.shape[1] for output in outputs}
        if len(set(counts.values())) > 1:
            held = ", ".join(f"{count} in {name}" for name, count in counts.items())
            raise UserError(f"the files differ in keypoints per image: {held}; expected the same number in all")
        truths = (self._truth(fit), self._truth(test))
        if shared or (fit.gt is None and test.gt is None):
            nameless = next((truth.name for truth in truths if truth.ids is None), None)
            if nameless:
                raise UserError(f"{nameless}: names no images, expected a column {ID} to join --predictions by")
            joined = join(outputs, {"regress": truths[0].split(), "test": truths[1].split()})
            self.notes += joined.notes
            self._joined = joined
            both = [self._beside(joined.of(truth.ids or ()), truth) for truth in truths]
        else:
            both = [self._side(output, truth) for output, truth in zip(outputs, truths, strict=True)]
        return both[0], both[1]

    def scores(self, *sides: Points) -> tuple[NDArray[np.float64] | None, ...]:
        """The scores of the keypoints of each side, None where these have none or are not joined by image id."""
        return tuple(None if self._joined is None else self._joined.scores_of(side.ids) for side in sides)

    def _side(self, output: Outputs, truth: Truth) -> Points:
        """One side, whose ids may mean other images than the same ids of the other side."""
        if output.names is not None and truth.ids is not None and output.split is not None:
            joined = join([output], {output.split: truth.split()})
            self.notes += joined.notes
            return self._beside(joined.of(truth.ids), truth)
        if len(output.keypoints) != len(truth.landmarks):
            raise UserError(
                f"{output.source} has {len(output.keypoints):,} rows, {truth.name} {len(truth.landmarks):,}; expected "
                "one row per image"
            )
        return self._beside(output.keypoints, truth, output.names)

    def _beside(self, keypoints: NDArray[np.float64], truth: Truth, names: Sequence[str] | None = None) -> Points:
        ids = list(truth.ids or names or map(str, range(len(keypoints))))
        return Points(keypoints, truth.landmarks, truth.visible, truth.groups or ids, ids, boxes=truth.boxes)

    def _outputs(self, names: tuple[str, ...], split: Split | None) -> list[Outputs]:
        """The keypoints of each file, checked, as (x, y) in [0, 1]."""
        outputs: list[Outputs] = []
        for name in names:
            array = read_array(name)
            if array.ids is None and names == self._by_id:
                raise UserError(f"{name}: names no images, expected a column {ID}; or use --fit-pred, --test-pred")
            points = self._points(array, self._keypoints, "keypoints")
            points = check_points(name, points, gaps=True)
            scores = read_scores(array)
            check_convention(name, points, self._keypoints)
            self.notes += stand_in_notes(name, points)
            ids = None if array.ids is None else tuple(array.ids)
            unit = self._keypoints.to_unit(points)
            scores = None if scores is None else check_scores(name, scores, unit)
            outputs.append(Outputs(name, unit, split, ids, frame=self._frame, scores=scores))
        return outputs

    def _points(self, array: Array, convention: Convention, what: str) -> NDArray[Any]:
        """Points (N, K, 2) in the order of the convention, with a note on how columns became points.

        Raises UserError where two files of keypoints, or of landmarks, name different points.
        """
        points = as_points(array.name, array.values, array.headings, convention.order)
        named = point_columns(array.name, array.headings)
        if named is not None:
            other, theirs = self._named.setdefault(what, (array.name, named.points))
            if named.points != theirs:
                raise UserError(
                    f"{array.name} and {other}: the headings name different {what}, or the same in another order; "
                    "expected the same points in the same order"
                )
        if named is not None:
            self.notes += named.left_out(array.name, landmarks=what == "landmarks")
        if named is not None and named.moved:
            self.notes.append(f"{array.name}: the columns are taken by their headings, x and y of each point")
        elif named is None and array.values.ndim == 2 and (array.ids is None or array.headings):
            turn = " and ".join(convention.order)
            self.notes.append(f"{array.name}: {points.shape[1] * 2} columns are read as {turn} of each point in turn")
        return points

    def _truth(self, files: Files) -> Truth:
        if files.gt is None:
            return self._of_task(files.side)
        array = read_array(files.gt)
        values = self._points(array, self._landmarks, "landmarks")
        count = len(values)
        mask = self._visible(files, array, values.shape[:2])
        check_landmarks(array.name, values, self._landmarks, mask)
        if mask is None:
            mask = np.isfinite(values).all(axis=-1)
            self.notes += missing_notes(array.name, values, mask)
        boxes = as_boxes(read_array(files.boxes), count, self._landmarks.order) if files.boxes else None
        boxes = self._landmarks.boxes_to_unit(boxes) if boxes is not None else None
        groups = read_labels(files.groups) if files.groups else None
        if groups is not None and len(groups) != count:
            raise UserError(f"{files.groups}: {len(groups)} groups, expected one per row of {array.name}: {count}")
        ids = None if array.ids is None else tuple(array.ids)
        return Truth(array.name, self._landmarks.to_unit(values), mask, ids, groups, boxes)

    def _visible(self, files: Files, array: Array, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """Visibility (N, L) from its file or from columns of the landmarks; None without either."""
        named = point_columns(array.name, array.headings)
        if files.visible and named and named.visible:
            raise UserError(f"{array.name} has columns of visibility beside {files.visible}; give it one way")
        if files.visible:
            return as_mask(read_array(files.visible), shape, named.points if named else None)
        if named is None or named.visible is None:
            return None
        mask = as_mask(Array(array.name, array.values[:, named.visible], None), shape, None, most=2)
        self.notes.append(
            f"{array.name}: visibility is taken from its columns; {int((~mask).sum()):,} of {mask.size:,} landmarks "
            "are not visible"
        )
        return mask

    def _of_task(self, side: Side) -> Truth:
        if self._data is None:
            raise UserError(f"no --{side}-gt: name landmarks with --fit-gt and --test-gt, or a --task that has them")
        table = self._data.table(SPLIT_OF[side])
        name = f"split '{SPLIT_OF[side]}' of {self._data.dataset.card.id}"
        seen = self._data.dataset.seen(SPLIT_OF[side])
        return Truth(name, table.landmarks, table.visible, table.ids, table.groups, table.boxes, seen)
