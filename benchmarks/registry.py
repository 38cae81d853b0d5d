"""Lazy catalogues of plugins: a declarative table in the repository, and entry points of other packages.

A plugin is imported only when it is used, so that listing many plugins is fast and a broken plugin does not affect the
others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UserError, first_line, unknown
from datasets import DATASETS as DATASET_TABLE
from datasets import SOURCES as SOURCE_TABLE
from datasets.base import Choices
from methods import METHODS as METHOD_TABLE
from methods.adapters import FORMATS as FORMAT_TABLE

if TYPE_CHECKING:
    from datasets.base import KeypointDataset
    from methods.adapters.base import OutputFormat
    from methods.base import Method

    Open = Callable[[str], KeypointDataset]


@dataclass(frozen=True)
class Entry:
    """A registered plugin: its name, its target ``module:attribute``, a summary of one line, and its owner."""

    name: str
    target: str
    summary: str
    owner: str


class Registry:
    """Plugins of one kind by name: 'method', 'dataset', 'source' (of custom data), 'format' (of other systems)."""

    def __init__(self, kind: str, table: Mapping[str, tuple[str, str]], owner: str) -> None:
        self.kind = kind
        self.group = f"keypoint_benchmarks.{kind}s"
        self._table = table
        self._owner = owner

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every entry by name, the repository's own first. Raises UserError for a name that is registered twice."""
        own = [Entry(name, target, summary, self._owner) for name, (target, summary) in self._table.items()]
        found: dict[str, Entry] = {}
        for entry in [*own, *self._from_elsewhere()]:
            if entry.name in found:
                owners = f"by {found[entry.name].owner} and by {entry.owner}"
                raise UserError(
                    f"{self.kind} '{entry.name}' is registered twice, {owners}; uninstall or rename one of them"
                )
            found[entry.name] = entry
        return found

    def _from_elsewhere(self) -> list[Entry]:
        points = sorted(entry_points(group=self.group), key=lambda point: point.name)
        entries = []
        for point in points:
            owner = f"package {point.dist.name} {point.dist.version}" if point.dist else "an installed package"
            entries.append(Entry(point.name, point.value, f"from {owner}", owner))
        return entries

    def entry(self, name: str) -> Entry:
        """The entry of a name. Raises UserError for an unknown name, with the most similar one."""
        if name not in self.entries:
            raise unknown(self.kind, name, self.entries)
        return self.entries[name]

    def origin(self, name: str) -> str:
        """The target of a name and the owner of its entry."""
        entry = self.entry(name)
        return f"{entry.target} ({entry.owner})"

    def load(self, name: str) -> Any:
        """Import the target of a name. Raises UserError if the name is unknown or the import fails."""
        entry = self.entry(name)
        module, _, attribute = entry.target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except Exception as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise UserError(f"{self.kind} '{name}' cannot be loaded from {self.origin(name)}: {reason}") from error


METHODS = Registry("method", METHOD_TABLE, "methods/__init__.py")
DATASETS = Registry("dataset", DATASET_TABLE, "datasets/__init__.py")
SOURCES = Registry("source", SOURCE_TABLE, "datasets/__init__.py")
FORMATS = Registry("format", FORMAT_TABLE, "methods/adapters/__init__.py")
IMPORTED = "imported:"
NO_CHOICES = Choices()


def method_class(name: str) -> type[Method]:
    """The class of a method; for imported keypoints, ``imported:FOLDER``, it is made from the folder."""
    if is_imported(name):
        from methods.imported import imported_method

        return imported_method(Path(name.removeprefix(IMPORTED)))
    cls: type[Method] = METHODS.load(name)
    return cls


def is_imported(name: str) -> bool:
    """Whether a method's name stands for keypoints that ``import`` has written to a folder."""
    return name.startswith(IMPORTED)


def full_method_name(name: str) -> str:
    """A method's name, valid in every process: imported keypoints get their absolute path."""
    if not is_imported(name):
        return name
    folder = name.removeprefix(IMPORTED)
    if not folder:
        raise UserError(f"'{name}' names no folder; write it after the colon, such as {IMPORTED}runs/imports/mine")
    return f"{IMPORTED}{os.path.abspath(Path(folder).expanduser())}"  # noqa: PTH100  (links keep their names)


def output_format(name: str) -> OutputFormat:
    """The adapter of a format. Raises UserError for an unknown format, with the most similar one."""
    adapter: OutputFormat = FORMATS.load(name)()
    return adapter


def is_custom(name: str) -> bool:
    """Whether a dataset's name stands for custom data, such as coco:FILE.json."""
    return ":" in name


def full_name(name: str) -> str:
    """The name of a dataset as in records: custom data with its absolute path.

    Raises UserError for an unknown dataset or source, with the most similar one, and for custom data without a path.
    """
    prefix, _, path = name.partition(":")
    if is_custom(name):
        SOURCES.entry(prefix)
        if not path:
            raise UserError(f"'{name}' names no file or folder; write its path after the colon")
        return f"{prefix}:{os.path.abspath(Path(path).expanduser())}"  # noqa: PTH100  (links keep their names)
    if name not in DATASETS.entries and Path(name).exists():
        choices = ", ".join(f"{source}:{name}" for source in SOURCES.entries)
        raise UserError(f"dataset '{name}' is a path; give its kind: {choices}")
    return DATASETS.entry(name).name


def mini_counterpart(name: str) -> str:
    """The synthetic counterpart of a dataset: ``mini_NAME``, else the one that its card names, else the dataset itself.

    The dataset is imported only if there is no ``mini_NAME``.
    """
    if f"mini_{name}" in DATASETS.entries:
        return f"mini_{name}"
    if name not in DATASETS.entries:
        return name
    return open_dataset(name, None).card.mini_counterpart or name


def dataset_origin(name: str) -> str:
    """The target and the owner of a dataset's entry."""
    return SOURCES.origin(name.partition(":")[0]) if is_custom(name) else DATASETS.origin(name)


def open_dataset(name: str, root: Path | None, choices: Choices = NO_CHOICES) -> KeypointDataset:
    """A dataset below the user's data root, or custom data with the user's choices; nothing is read yet."""
    prefix, _, path = name.partition(":")
    if not is_custom(name):
        registered: KeypointDataset = DATASETS.load(name)(root)
        return registered
    dataset: KeypointDataset = SOURCES.load(prefix)(path)
    if choices != NO_CHOICES:
        dataset.choose(choices)
    return dataset


def opener(root: Path | None, choices: Choices = NO_CHOICES) -> Open:
    """A function that opens datasets by name, each once; ``choices`` are for custom data."""
    return cache(lambda name: open_dataset(name, root, choices))
