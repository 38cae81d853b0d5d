"""The ``import`` command: read, check, join and write keypoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError, unknown
from benchmarks.importing.frame import check_frame
from benchmarks.importing.joining import join
from benchmarks.importing.options import ImportOptions
from benchmarks.importing.order import check_placement
from benchmarks.importing.tasks import errors_of, open_task, open_task_on
from benchmarks.importing.writing import check_name, describe, make_record, source_files, write_import
from benchmarks.registry import is_custom, output_format
from benchmarks.run.scoring import absent_counts, absent_notes
from benchmarks.settings import choose_custom
from benchmarks.tasks import options as task_options
from datasets.reading.frames import read_frame
from methods.adapters.base import SPLITS, ImportRequest, OutputError, OutputFormat, Outputs, Split
from methods.adapters.checks import check_points, check_scores
from methods.presence import absent

if TYPE_CHECKING:
    from benchmarks.importing.tasks import TaskData
    from methods.base import ImageStream

SWAPPED = "exchange them, or give --trust-order if their order is right"


def import_command(options: ImportOptions) -> str:
    """Read, check, join and write keypoints; returns the text to print. Raises UserError for bad input."""
    check_name("--method", options.method)
    adapter = output_format(options.format)
    paths, split_of = _paths(options.paths)
    settings = _settings(adapter, options.assignments)
    data = _data(options)
    request = ImportRequest(
        paths=paths,
        num_keypoints=data.task.num_keypoints,
        splits=data.truths(),
        images=_images(data),
        read_frame=read_frame,
        device=_device(options.device, adapter),
        split_of=split_of,
        options=settings,
    )
    with errors_of(data):
        outputs = _checked(adapter.read(request), data)
        joined = join(outputs, request.splits)
    truth = max(request.splits.values(), key=lambda found: len(found.ids))
    remedy = None if options.trust_order else SWAPPED
    source, points = ", ".join(options.paths), joined.of(truth.ids)
    notes = check_placement(source, points, truth, remedy)
    if any(output.frame is None for output in outputs):
        notes += check_frame(source, points, truth, "--option frame=")
    remarks = data.dataset.card.remarks if is_custom(data.task.dataset) else ()
    files = source_files(_files(paths, request.read))
    record = make_record(data, options, options.format, files, (*remarks, *joined.notes, *notes))
    record, folder = write_import(options.output, joined, record)
    task = task_options(data.task, data.dataset.choices)
    gaps = {str(split): absent(joined.of(found.ids)) for split, found in request.splits.items()}
    return describe(record, folder, data.remark, task, options.data_root, absent_notes(absent_counts(gaps)))


def _data(options: ImportOptions) -> TaskData:
    """Open the task of ``--task``, or of ``--dataset`` and ``--keypoints``. Raises UserError for neither or both."""
    names = [options.dataset] if options.dataset else []
    choices = choose_custom(options.split, options.interocular, names)
    on_dataset = options.dataset is not None and options.keypoints is not None
    if options.task is not None and options.dataset is None and options.keypoints is None:
        return open_task(options.task, options.profile, options.data_root)
    if options.task is None and on_dataset:
        name, count = str(options.dataset), int(options.keypoints or 0)
        return open_task_on(name, count, options.profile, options.data_root, choices)
    if options.task is not None or options.dataset is None:
        raise UserError("the images of the keypoints are not given; name a --task, or a --dataset with --keypoints")
    raise UserError(f"--dataset {options.dataset} needs --keypoints, the number of keypoints of an image")


def _paths(texts: Sequence[str]) -> tuple[tuple[Path, ...], dict[Path, Split]]:
    """The paths, and the split of each ``regress:PATH`` or ``test:PATH``. Raises UserError for a missing path."""
    paths: list[Path] = []
    split_of: dict[Path, Split] = {}
    for text in texts:
        path = Path(text)
        for split in SPLITS:
            if text.startswith(f"{split}:") and not path.exists():
                path = Path(text.removeprefix(f"{split}:")).expanduser()
                split_of[path] = split
        if not path.exists():
            raise UserError(f"no file or folder {path}")
        paths.append(path)
    return tuple(paths), split_of


def _settings(adapter: OutputFormat, assignments: Iterable[str]) -> dict[str, str]:
    """Options of the format from ``--option NAME=VALUE``. Raises UserError for bad syntax and for an unknown option."""
    settings = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise UserError(f"--option {assignment}: expected NAME=VALUE")
        if name not in adapter.options:
            raise unknown(f"option of format {adapter.card.id}", name, adapter.options)
        settings[name] = value
    return settings


def _device(option: str, adapter: OutputFormat) -> str:
    """The device; ``auto`` looks for a GPU only for a format that may run a model."""
    from benchmarks.settings import choose_device

    return "cpu" if option == "auto" and not adapter.runs_models else choose_device(option)


def _images(data: TaskData) -> Callable[[Split, int], ImageStream]:
    """A function that decodes the images of a split, and raises DatasetError for missing images."""
    from benchmarks.run.images import DatasetImages, ImageCache
    from datasets.base import DatasetError

    def images(split: Split, size: int) -> ImageStream:
        found, reason = data.dataset.available()
        if not found:
            raise DatasetError(reason)
        return DatasetImages(data.dataset, data.dataset.split(split), size, ImageCache(0))

    return images


def _checked(outputs: Sequence[Outputs], data: TaskData) -> Sequence[Outputs]:
    """Check the points and scores of any adapter, and the task's K. Raises OutputError."""
    if not outputs:
        raise OutputError("the files hold no keypoints")
    for output in outputs:
        keypoints = check_points(output.source, output.keypoints, data.task.num_keypoints, gaps=True)
        if output.scores is not None:
            check_scores(output.source, output.scores, keypoints)
    return outputs


def _files(paths: Iterable[Path], read: Iterable[Path]) -> dict[Path, str]:
    """Source files and their names. Of a folder: the files that the adapter read, or all if that is unknown."""
    files: dict[Path, str] = {}
    for path in paths:
        inner = [path]
        if path.is_dir():
            within = [file for file in path.rglob("*") if file.is_file()]
            inner = sorted(set(within) & set(read) or within)
        for file in inner:
            files.setdefault(file, file.relative_to(path.parent).as_posix())
    return files
