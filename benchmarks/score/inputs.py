"""Everything that ``score`` needs, read and checked: keypoints, landmarks, and facts about the landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.errors import UserError
from benchmarks.importing.frame import check_frame
from benchmarks.importing.order import check_placement
from benchmarks.registry import is_custom
from benchmarks.run.scoring import on_object
from benchmarks.score.options import ScoreOptions
from benchmarks.score.parsing import Normaliser, parse_normaliser, parse_pairs, two_files
from benchmarks.score.sources import SPLIT_OF, Files, Reader
from methods.adapters.arrays import read_array
from methods.adapters.base import SplitTruth
from methods.adapters.checks import as_points

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.importing.tasks import TaskData
    from metrics.points import Points


@dataclass(frozen=True)
class Inputs:
    """The two sides of a regression, and facts about the landmarks; ``notes`` say how the files were read.

    ``some_missing`` is true if landmarks that the user brought, or those of custom data, are not all visible.
    ``scores`` are those of the keypoints of both sides, where these have any and are joined by image id.
    """

    fit: Points
    test: Points
    normaliser: Normaliser | None
    interocular: tuple[int, int] | None
    left_right_pairs: tuple[tuple[int, int], ...]
    landmark_names: tuple[str, ...]
    some_missing: bool
    files: tuple[str, ...]
    notes: tuple[str, ...]
    scores: tuple[NDArray[np.float64] | None, ...] = (None, None)


def read_inputs(options: ScoreOptions, data: TaskData | None) -> Inputs:
    """Read and check everything. Raises UserError or OutputError that names the option or the file at fault."""
    normaliser, eyes = parse_normaliser(options.normalizer) if options.normalizer else (None, None)
    pairs = parse_pairs(options.pairs) if options.pairs else ()
    fit_files, test_files = _files(options)
    reader = Reader(options, data)
    fit, test = reader.points(fit_files, test_files)
    if data is not None and test_files.gt is None and data.dataset.masked():
        test = replace(test, on_object=on_object(data.dataset, test))
    count = test.landmarks.shape[1]
    own = options.fit_gt is not None or options.test_gt is not None
    if fit.landmarks.shape[1] != count:
        held = f"{fit.landmarks.shape[1]} in {options.fit_gt or 'the task'}, {count} in {options.test_gt or 'the task'}"
        raise UserError(f"the files differ in landmarks per image: {held}; expected the same number in both")
    larger = (fit_files, fit) if len(fit.ids) >= len(test.ids) else (test_files, test)
    custom = data is not None and is_custom(data.task.dataset)
    remarks = data.dataset.card.remarks if data is not None and custom else ()
    notes = [*remarks, *reader.notes, *_placement(options, *larger, data if custom else None)]
    names: tuple[str, ...] = tuple(map(str, range(count)))
    if data is not None:
        card = data.dataset.card
        eyes, pairs = eyes or card.interocular, pairs or card.left_right_pairs
        names = card.landmark_names if len(card.landmark_names) == count else names
    return Inputs(
        fit=fit,
        test=test,
        normaliser=normaliser,
        interocular=eyes,
        left_right_pairs=pairs,
        landmark_names=names,
        some_missing=(own or custom) and not (fit.visible.all() and test.visible.all()),
        files=tuple(dict.fromkeys([*fit_files.pred, *test_files.pred])),
        notes=tuple(dict.fromkeys(notes)),
        scores=reader.scores(fit, test),
    )


def count_keypoints(options: ScoreOptions) -> int:
    """K of the first file of keypoints. Raises UserError or OutputError for options or a file that are wrong."""
    array = read_array(_files(options)[0].pred[0])
    return int(as_points(array.name, array.values, array.headings, options.order).shape[1])


def _placement(options: ScoreOptions, files: Files, points: Points, data: TaskData | None) -> list[str]:
    """Notes on the order, scale and frame of keypoints; ``data`` is custom data.

    A row with y before x is not recorded, as ``import`` keeps none.
    """
    seen = data.dataset.seen(SPLIT_OF[files.side]) if data and options.frame is None and not files.gt else None
    truth = SplitTruth(tuple(points.ids), points.landmarks, points.visible, seen=seen)
    remedy = "give the other --order, or keep them with import --trust-order" if options.record else None
    source = ", ".join(files.pred)
    notes = check_placement(source, points.keypoints, truth, remedy)
    return [*notes, *check_frame(source, points.keypoints, truth, "--frame ")]


def _files(options: ScoreOptions) -> tuple[Files, Files]:
    """The files of each side. Raises UserError for options that are missing or contradict each other."""
    _check_combination(options)
    by_id = tuple(options.predictions)
    fit_pred, test_pred = ((name,) if name else by_id for name in (options.fit_pred, options.test_pred))
    visible = two_files(options.visible) if options.visible else (options.fit_visible, options.test_visible)
    boxes = two_files(options.boxes) if options.boxes else (None, None)
    fit = Files("fit", fit_pred, options.fit_gt, visible[0], boxes[0], None)
    test = Files("test", test_pred, options.test_gt, visible[1], boxes[1], options.groups)
    return fit, test


def _check_combination(options: ScoreOptions) -> None:
    pair = (options.fit_pred, options.test_pred)
    if options.predictions and any(pair):
        raise UserError("--predictions beside --fit-pred or --test-pred; name the keypoints one way")
    if options.predictions and not (options.task or options.dataset):
        raise UserError(
            "--predictions are for the images of a --task or --dataset: name it, or use --fit-pred and --test-pred"
        )
    if not options.predictions and not all(pair):
        missing = "--test-pred" if options.fit_pred else "--fit-pred"
        raise UserError(f"no {missing}: name keypoints with --fit-pred and --test-pred, or --task and --predictions")
    if options.frame and (not is_custom(options.dataset or "") or options.fit_gt or options.test_gt):
        raise UserError("--frame says what keypoints of a --dataset of custom data refer to; leave it out")
    if options.visible and (options.fit_visible or options.test_visible):
        raise UserError("--visible beside --fit-visible or --test-visible; give it one way")
    visible = (options.visible or options.fit_visible, options.visible or options.test_visible)
    for side, gt, companions in (
        ("fit", options.fit_gt, {"visible": visible[0], "boxes": options.boxes}),
        ("test", options.test_gt, {"visible": visible[1], "boxes": options.boxes, "groups": options.groups}),
    ):
        given = [name for name, value in companions.items() if value]
        if given and not gt:
            raise UserError(f"--{given[0]} goes with --{side}-gt; the task's own landmarks bring theirs")
