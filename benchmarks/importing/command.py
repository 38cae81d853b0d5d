"""The ``import`` command from options to the files that it keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UserError, unknown
from benchmarks.importing.joining import Joined, join
from benchmarks.importing.order import check_order, check_scale
from benchmarks.importing.writing import describe, write_import
from benchmarks.registry import output_format
from benchmarks.score.arrays import Array, parse_source, read_array
from benchmarks.score.tasks import open_task, open_task_on
from benchmarks.tasks import options as task_options
from datasets.reading.frames import read_frame
from methods.adapters.base import SPLITS, ImportRequest, OutputError, OutputFormat, Outputs, Split, SplitTruth
from methods.adapters.checks import check_points
from methods.adapters.neutral import ImportRecord, SourceFile
from methods.imported import slug

if TYPE_CHECKING:
    from benchmarks.score.tasks import TaskData
    from methods.base import ImageStream


@dataclass(frozen=True)
class ImportOptions:
    """The options as given."""

    format: str
    paths: tuple[str, ...]
    method: str
    task: str | None = None
    dataset: str | None = None
    keypoints: int | None = None
    profile: str | None = None
    data_root: Path | None = None
    output: Path = Path("runs")
    supervision: str = "unsupervised"
    assignments: tuple[str, ...] = ()
    device: str = "auto"
    trust_order: bool = False


def import_command(options: ImportOptions) -> str:
    """Read, check, join and keep; gives what to print. Raises UserError for whatever does not fit."""
    if not slug(options.method) or not options.method.isprintable():
        raise UserError(
            f"--method {options.method!r}: expected a name on one line with letters a to z or digits, for the row and "
            "its folder"
        )
    adapter = output_format(options.format)
    paths, split_of = _paths(options.paths)
    settings = _settings(adapter, options.assignments)
    data = _data(options)
    readers = _Readers()
    request = ImportRequest(
        paths=paths,
        num_keypoints=data.task.num_keypoints,
        splits={split: _truth(data, split) for split in SPLITS},
        images=_images(data),
        read_frame=readers.frame,
        read_array=readers.array,
        device=_device(options.device, adapter),
        split_of=split_of,
        options=settings,
    )
    try:
        outputs = adapter.read(request)
        joined = join(_checked(outputs, data), request.splits)
    except OutputError as error:
        raise UserError(str(error)) from error
    notes = (*joined.notes, *_placed(joined, request.splits, options))
    files = tuple(SourceFile(name=name, sha256=_sha256(path)) for name, path in _files(paths, readers.read))
    record, path = write_import(options.output, joined, _record(options, data, files, notes))
    return describe(record, path, data.remark, task_options(data.task), options.data_root)


def _data(options: ImportOptions) -> TaskData:
    """The task that is named, or that of a dataset and K. Raises UserError for neither, and for both."""
    on_dataset = options.dataset is not None and options.keypoints is not None
    if options.task is not None and options.dataset is None and options.keypoints is None:
        return open_task(options.task, options.profile, options.data_root)
    if options.task is None and on_dataset:
        return open_task_on(str(options.dataset), int(options.keypoints or 0), options.profile, options.data_root)
    raise UserError("whose images are they? name a --task, or a --dataset with --keypoints")


def _paths(texts: Sequence[str]) -> tuple[tuple[Path, ...], dict[Path, Split]]:
    """The paths, and the split of those written as ``regress:PATH`` or ``test:PATH``. Raises UserError without them."""
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
    """The ``--option`` assignments. Raises UserError for another form, and for a name the format does not know."""
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
    """The device, for which the machine is only looked at where a model may be run."""
    from benchmarks.settings import choose_device

    return "cpu" if option == "auto" and not adapter.runs_models else choose_device(option)


def _truth(data: TaskData, split: Split) -> SplitTruth:
    table = data.table(split)
    return SplitTruth(table.ids, table.landmarks, table.visible)


def _images(data: TaskData) -> Callable[[Split, int], ImageStream]:
    """What decodes the images of a split. Raises DatasetError, when called, where they are not there."""
    from benchmarks.run.images import DatasetImages, ImageCache
    from datasets.base import DatasetError

    def images(split: Split, size: int) -> ImageStream:
        found, reason = data.dataset.available()
        if not found:
            raise DatasetError(reason)
        return DatasetImages(data.dataset, data.dataset.split(split), size, ImageCache(0))

    return images


def _checked(outputs: Sequence[Outputs], data: TaskData) -> Sequence[Outputs]:
    """The outputs, whoever's adapter they are of: finite points, and the task's K. Raises OutputError."""
    if not outputs:
        raise OutputError("the files hold no keypoints")
    for output in outputs:
        check_points(output.source, output.keypoints, data.task.num_keypoints)
    return outputs


def _placed(joined: Joined, truths: Mapping[Split, SplitTruth], options: ImportOptions) -> list[str]:
    """What landmarks say of the order of x and y, and of their scale.

    Raises UserError where the order is wrong, unless it is to be trusted.
    """
    truth = max(truths.values(), key=lambda found: len(found.ids))
    points = joined.of(truth.ids)
    looks_swapped, found = check_order(points, truth)
    if looks_swapped and not options.trust_order:
        raise UserError(
            f"{', '.join(options.paths)}: y stands before x, it seems: {found}; exchange them, or give --trust-order "
            "where they are right all the same"
        )
    return [text for text in (found, check_scale(points, truth)) if text]


def _record(
    options: ImportOptions, data: TaskData, files: tuple[SourceFile, ...], notes: tuple[str, ...]
) -> ImportRecord:
    """The record of the import, as yet without the sha256 of the keypoints."""
    return ImportRecord(
        method=options.method,
        supervision=options.supervision,
        task=data.task.id,
        profile=data.profile,
        dataset=data.dataset.card.id,
        num_keypoints=data.task.num_keypoints,
        format=options.format,
        files=files,
        counts={split: len(data.dataset.split(split)) for split in SPLITS},
        digests={split: data.dataset.digest(split) for split in SPLITS},
        predictions_sha256="",
        notes=notes,
    )


class _Readers:
    """The readers that an adapter is handed; ``read`` are the files that it read with them."""

    def __init__(self) -> None:
        self.read: set[Path] = set()

    def frame(self, path: Path) -> Mapping[str, Any]:
        self.read.add(path)
        return read_frame(path)

    def array(self, text: str) -> Array:
        self.read.add(parse_source(text)[0])
        return read_array(text)


def _files(paths: Iterable[Path], read: Iterable[Path]) -> list[tuple[str, Path]]:
    """The files that were handed over, and those read of folders (all, where it is not known) by their name within."""
    files: dict[Path, str] = {}
    for path in paths:
        inner = [path]
        if path.is_dir():
            within = [file for file in path.rglob("*") if file.is_file()]
            inner = sorted(set(within) & set(read) or within)
        for file in inner:
            files.setdefault(file, file.relative_to(path.parent).as_posix())
    return [(name, path) for path, name in files.items()]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
