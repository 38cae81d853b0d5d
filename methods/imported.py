"""Keypoints that ``import`` has kept, as a method: nothing is learned, ``predict`` looks each image up by its id."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, ValidationError

from methods.adapters.neutral import ImportRecord
from methods.base import ImageBatch, ImageStream, Method, MethodCard, MethodConfig, MethodError, Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ImportedConfig(MethodConfig):
    """Settings that choose one import of the folder."""

    task: str = Field(default="", description="Task that the keypoints were imported for.")
    profile: str = Field(default="", description="Profile, mini or paper, that the keypoints were imported under.")


class Imported(Method):
    """The keypoints of a folder. Subclasses, made by ``imported_method``, state ``folder`` and ``card``."""

    folder: ClassVar[Path]
    Config: ClassVar[type[MethodConfig]] = ImportedConfig

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._rows: dict[str, int] = {}
        self._keypoints: NDArray[np.float64] | None = None

    @classmethod
    def config_for(cls, profile: str, settings: Mapping[str, Any]) -> MethodConfig:
        """The config of a task's import under a profile."""
        return cls.Config(**{"profile": profile, **settings})

    @property
    def image_size(self) -> int:
        """None are looked at."""
        return 0

    def identity(self) -> dict[str, Any]:
        """sha256 of the keypoints. Raises MethodError where they are not there."""
        if not self.config.task:
            return {}
        return {"predictions": predictions_sha256(self.folder, self.config.task, self.config.profile)}

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Read the task's keypoints; nothing is learned. Raises MethodError for another number of them."""
        ids, self._keypoints = read_predictions(paths(self.folder, self.config.task, self.config.profile)[0])
        count = self._keypoints.shape[1]
        if count != num_keypoints:
            raise MethodError(f"{self.card.name}: {self.folder} has K={count} keypoints, expected {num_keypoints}")
        self._rows = {image_id: row for row, image_id in enumerate(ids)}
        report(1, 1)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), as imported. Raises MethodError before ``fit``, and for an image that has none."""
        if self._keypoints is None:
            raise MethodError(f"{self.card.name}: no keypoints yet; call fit first")
        missing = [image_id for image_id in batch.ids if image_id not in self._rows]
        if missing:
            raise MethodError(f"{self.card.name}: no keypoints of image '{missing[0]}' in {self.folder}; import again")
        return self._keypoints[[self._rows[image_id] for image_id in batch.ids]]


def slug(name: str) -> str:
    """A name as folders have it: lower case, everything but letters and digits an underscore."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def paths(folder: Path, task: str, profile: str) -> tuple[Path, Path]:
    """Where the keypoints of a task and the record beside them are kept."""
    return folder / f"{task}.{profile}.parquet", folder / f"{task}.{profile}.json"


def read_record(path: Path) -> ImportRecord:
    """The record beside imported keypoints. Raises MethodError where it cannot be read or is another thing."""
    try:
        return ImportRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise MethodError(f"{path}: no record of an import ({reason}); import again") from error


def records(folder: Path) -> list[ImportRecord]:
    """The records of all imports of a folder. Raises MethodError where there are none."""
    found = [read_record(path) for path in sorted(folder.glob("*.*.json"))] if folder.is_dir() else []
    if not found:
        what = "holds no import" if folder.is_dir() else "is no folder"
        raise MethodError(f"{folder} {what}; make one with: python -m benchmarks import FORMAT PATH --task TASK")
    return found


def imported_method(folder: Path) -> type[Method]:
    """The method of a folder of imports, named as they are.

    Raises MethodError where there are none, or where they are of several methods.
    """
    found = records(folder)
    for field in ("method", "supervision"):
        values = sorted({getattr(record, field) for record in found})
        if len(values) > 1:
            raise MethodError(f"{folder}: imports of {field} {' and '.join(values)}, expected one; import again")
    formats = ", ".join(sorted({record.format for record in found}))
    card = MethodCard(
        id=f"imported_{slug(found[0].method)}",
        name=found[0].method,
        summary=f"keypoints of {', '.join(record.task for record in found)}, imported from the format {formats}",
        supervision=found[0].supervision,
        trained_on="not known: it was made elsewhere",
    )
    return type("Imported", (Imported,), {"folder": folder, "card": card})


def predictions_sha256(folder: Path, task: str, profile: str) -> str:
    """sha256 of the file of a task's keypoints. Raises MethodError where it is not there."""
    path, _ = paths(folder, task, profile)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MethodError(f"cannot read {path}: {error.strerror or error}; import again") from error


def read_predictions(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Ids and keypoints (N, K, 2) of a file as ``import`` writes it. Raises MethodError where it cannot be read."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["image_id", "keypoints"])
        flat = table["keypoints"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        ids = [str(image_id) for image_id in table["image_id"].to_pylist()]
        keypoints = np.asarray(flat, dtype=np.float64).reshape(len(ids), -1, 2)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MethodError(f"{path}: no keypoints that could be read ({reason}); import again") from error
    return ids, keypoints
