"""Imported keypoints as a method: it learns nothing, and ``predict`` looks up each image by its id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from methods.adapters.arrays import read_array, read_scores
from methods.adapters.base import OutputError, first_line
from methods.adapters.checks import as_points, check_points, check_scores
from methods.adapters.neutral import ImportRecord
from methods.base import ImageBatch, ImageStream, Method, MethodCard, MethodConfig, MethodError, Report
from methods.files import file_sha256
from methods.limits import TEXT_BYTES, check
from methods.presence import Found

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ImportedConfig(MethodConfig):
    """Settings that choose one import of the folder."""

    task: str = Field(default="", description="Task that the keypoints were imported for.")
    profile: str = Field(default="", description="Profile, mini or paper, that the keypoints were imported under.")


class Imported(Method):
    """The keypoints in a folder. ``imported_method`` makes subclasses that state ``folder`` and ``card``."""

    folder: ClassVar[Path]
    Config: ClassVar[type[MethodConfig]] = ImportedConfig

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._rows: dict[str, int] = {}
        self._found: Found | None = None

    @classmethod
    def config_for(cls, profile: str, settings: Mapping[str, Any]) -> MethodConfig:
        """The config for a task's import in a profile."""
        return cls.Config(**{"profile": profile, **settings})

    @property
    def image_size(self) -> int:
        """0, because the method looks at no image."""
        return 0

    def identity(self) -> dict[str, Any]:
        """The sha256 of the keypoints. Raises MethodError if they cannot be read."""
        if not self.config.task:
            return {}
        return {"predictions": predictions_sha256(self.folder, self.config.task, self.config.profile)}

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Read the keypoints of the task. Raises MethodError for another number of keypoints."""
        ids, self._found = read_predictions(paths(self.folder, self.config.task, self.config.profile)[0])
        count = self._found.keypoints.shape[1]
        if count != num_keypoints:
            raise MethodError(f"{self.card.name}: {self.folder} has K={count} keypoints, expected {num_keypoints}")
        self._rows = {image_id: row for row, image_id in enumerate(ids)}
        report(1, 1)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The imported keypoints (B, K, 2), with scores if there are any.

        Raises MethodError before ``fit``, and for an image that the import lacks.
        """
        if self._found is None:
            raise MethodError(f"{self.card.name}: no keypoints yet; call fit first")
        missing = [image_id for image_id in batch.ids if image_id not in self._rows]
        if missing:
            raise MethodError(f"{self.card.name}: no keypoints of image '{missing[0]}' in {self.folder}; import again")
        rows = [self._rows[image_id] for image_id in batch.ids]
        keypoints, scores = self._found.keypoints[rows], self._found.scores
        return keypoints if scores is None else (keypoints, scores[rows])


def slug(name: str) -> str:
    """A name for folders: lower case, with other characters than letters and digits replaced by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def paths(folder: Path, task: str, profile: str) -> tuple[Path, Path]:
    """The files with the keypoints of a task and with their record."""
    return folder / f"{task}.{profile}.parquet", folder / f"{task}.{profile}.json"


def read_record(path: Path) -> ImportRecord:
    """The record of imported keypoints. Raises MethodError if it cannot be read or is not a record."""
    try:
        check(path.stat().st_size, TEXT_BYTES, "bytes")
        return ImportRecord.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:  # ValidationError is a ValueError
        raise MethodError(f"{path}: not the record of an import ({first_line(error)[:200]}); import again") from error


def records(folder: Path) -> list[ImportRecord]:
    """The records of all imports in a folder. Raises MethodError if there are none."""
    found = [read_record(path) for path in sorted(folder.glob("*.*.json"))] if folder.is_dir() else []
    if not found:
        what = "holds no import" if folder.is_dir() else "is no folder"
        raise MethodError(
            f"{folder} {what}; make one with: python -m benchmarks import FORMAT PATH --method NAME --task TASK"
        )
    return found


def imported_method(folder: Path) -> type[Method]:
    """The method class for a folder of imports. Raises MethodError for no imports, or imports of different methods."""
    found = records(folder)
    for field in ("method", "supervision", "saw_landmarks"):
        values = sorted({str(getattr(record, field)) for record in found})
        if len(values) > 1:
            raise MethodError(
                f"{folder}: its imports state the {field} {' and '.join(values)}, expected one; import again"
            )
    formats = ", ".join(sorted({record.format for record in found}))
    stated = found[0].submission
    card = MethodCard(
        id=f"imported_{slug(found[0].method)}",
        name=found[0].method,
        summary=f"keypoints of {', '.join(record.task for record in found)}, imported from the format {formats}",
        supervision=found[0].supervision,
        saw_landmarks=found[0].saw_landmarks,
        paper=stated.paper if stated else None,
        licence=stated.licence if stated else None,
        trained_on=stated.trained_on if stated else "unknown: the keypoints were made elsewhere",
    )
    return type("Imported", (Imported,), {"folder": folder, "card": card})


def predictions_sha256(folder: Path, task: str, profile: str) -> str:
    """The sha256 of the file with a task's keypoints. Raises MethodError if it cannot be read."""
    path, _ = paths(folder, task, profile)
    try:
        return file_sha256(path)
    except OSError as error:
        raise MethodError(f"cannot read {path}: {error.strerror or error}; import again") from error


def read_predictions(path: Path) -> tuple[list[str], Found]:
    """Ids and keypoints (N, K, 2), with any scores, of a file that ``import`` wrote.

    Raises MethodError if it cannot be read, and for keypoints without scores that are not finite.
    """
    try:
        array = read_array(f"{path}:keypoints")
        scores = read_scores(array)
        keypoints = check_points(str(path), as_points(str(path), array.values), gaps=scores is not None)
        return array.ids or [], Found(keypoints, None if scores is None else check_scores(str(path), scores, keypoints))
    except OutputError as error:
        raise MethodError(f"{error}; import again") from error
