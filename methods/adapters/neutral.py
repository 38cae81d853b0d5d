"""The neutral format: keypoints by image id, as ``import`` and others write them.

A parquet file has one row per image: ``image_id``, ``split`` (optional), and ``keypoints``, a list of 2K numbers
x0, y0, x1, y1, ...; (x, y) in [0, 1], pixel ``i`` of ``n`` at ``(i + 0.5) / n``. An .npz holds the arrays ``image_id``
(N,) of text and ``keypoints`` (N, K, 2); a .csv has the columns image_id, x0, y0, x1, y1, ... Scores are optional: a
column ``scores`` of K numbers, an array ``scores`` (N, K), or the columns score0, score1, ... Both coordinates of a
keypoint that was not found are NaN, or empty. The JSON schemas of a row and of the record beside an import are in
``neutral.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from methods.adapters.arrays import read_scores
from methods.adapters.base import FormatCard, Frame, ImportRequest, OutputError, OutputFormat, Outputs
from methods.adapters.checks import as_points, check_points, check_scores, found_points, stand_in_notes
from methods.adapters.conventions import Convention, fitting_range, refuse_absent
from methods.adapters.headings import point_columns
from methods.adapters.requests import read_array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = Path(__file__).with_suffix(".schema.json")
SUFFIXES = (".parquet", ".npz", ".csv")
Number = Annotated[float, Field(allow_inf_nan=False)]


class NeutralRow(BaseModel):
    """One image: its id in the dataset, the first split that lists it, and x0, y0, x1, y1, ... of its keypoints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: Annotated[str, Field(min_length=1, description="as the dataset names the image, a relative path")]
    split: Annotated[Literal["regress", "test"] | None, Field(description="the first split that lists it")] = None
    keypoints: Annotated[
        list[Number | None],
        Field(
            min_length=2,
            description="(x, y) in [0, 1] of K keypoints in turn; pixel i of n is (i + 0.5) / n; null (or NaN) twice "
            "for a keypoint that was not found",
        ),
    ]
    scores: Annotated[
        list[Number | None] | None, Field(description="how sure each of the K keypoints is, higher for surer ones")
    ] = None


class SourceFile(BaseModel):
    """The name and sha256 of a file that keypoints were read from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str


class Submission(BaseModel):
    """What a contributor states about predictions: who submits them and when, their licence, and how they were made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    date: str
    authors: tuple[str, ...]
    licence: str
    trained_on: str
    paper: str | None = None
    code: str | None = None


class ImportRecord(BaseModel):
    """The record of imported keypoints, in ``<task>.<profile>.json``.

    ``saw_landmarks`` says whether the system saw landmarks in training. ``digests`` are those of the dataset's splits
    regress and test, so that keypoints of other images or crops are refused later; ``predictions_sha256`` is that of
    the parquet file; ``counts`` holds the number of images per split. ``digest`` is that of the record itself, so that
    a value changed by hand is noticed; older records lack it. ``submission`` is what the contributor of a submission
    states.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    method: Annotated[str, Field(min_length=1)]
    supervision: str = "unsupervised"
    saw_landmarks: bool = False
    task: str
    profile: Literal["mini", "paper"]
    dataset: str
    num_keypoints: Annotated[int, Field(ge=1)]
    format: str
    files: tuple[SourceFile, ...]
    counts: dict[str, int]
    digests: dict[str, str]
    predictions_sha256: str
    notes: tuple[str, ...] = ()
    submission: Submission | None = None
    digest: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _older(cls, given: Any) -> Any:
        """Records of older versions lack ``saw_landmarks``; for these the exact word 'supervised' decides."""
        older = isinstance(given, dict) and "saw_landmarks" not in given
        return {**given, "saw_landmarks": given.get("supervision") == "supervised"} if older else given


def schema() -> dict[str, Any]:
    """The JSON schemas of a row and of the record beside an import, by name."""
    models: dict[str, type[BaseModel]] = {"row": NeutralRow, "import_record": ImportRecord}
    return {name: model.model_json_schema() for name, model in models.items()}


def schema_text() -> str:
    """The content of ``neutral.schema.json``."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


class Neutral(OutputFormat):
    """Keypoints by image id, in one file or several."""

    card: ClassVar[FormatCard] = FormatCard(
        id="neutral",
        name="Neutral predictions",
        summary="keypoints by image id: parquet, npz or csv",
        files="one or more files .parquet, .npz (image_id, keypoints) or .csv (image_id,x0,y0,x1,y1,...), with any "
        "scores",
        order="xy",
        range="[0, 1]",
        pixels="pixel i of n is (i + 0.5) / n",
        remark="0 and 1 are the edges of the image as methods see it: with coco: and boxes, of the crop about the box",
    )
    options: ClassVar[Mapping[str, str]] = {
        "frame": "seen: 0 and 1 are the edges of the image as methods see it; photo: of the whole photograph, which "
        "custom data alone knows (default: seen, unless the landmarks contradict it)"
    }

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Keypoints and ids of each file. Raises OutputError for another suffix, missing ids, or values outside."""
        return [self._read(request, path) for path in _files(request.paths)]

    def _read(self, request: ImportRequest, path: Path) -> Outputs:
        text = str(path)
        found = read_array(request, text if path.suffix.lower() == ".csv" else f"{text}:keypoints")
        if found.ids is None:
            raise OutputError(f"{path}: names no images, expected image_id beside the keypoints")
        named = point_columns(text, found.headings)
        if path.suffix.lower() == ".csv" and named is None:
            columns = f"the columns {', '.join(found.headings[:8])}" if found.headings else "no headings of points"
            raise OutputError(f"{path}: has {columns}, expected image_id, x0, y0, x1, y1, ...")
        points = as_points(text, found.values, found.headings)
        keypoints = check_points(text, points, request.num_keypoints, gaps=True)
        scores = read_scores(found)
        _check_unit(text, keypoints)
        if len(found.ids) != len(keypoints):
            raise OutputError(f"{path}: got {len(found.ids):,} ids, expected one for each of {len(keypoints):,} rows")
        frame = _frame(request.options.get("frame"))
        notes = [f"{path.name}: positions in whole photographs, converted to what methods see"] * (frame == "photo")
        notes += [*(named.left_out(path.name) if named else []), *stand_in_notes(path.name, keypoints)]
        split = request.split_of.get(path)
        return Outputs(
            source=path.name,
            keypoints=keypoints,
            split=split,
            names=tuple(found.ids),
            notes=tuple(notes),
            frame=frame,
            scores=None if scores is None else check_scores(text, scores, keypoints),
        )


def _check_unit(source: str, keypoints: NDArray[np.float64]) -> None:
    """Raise OutputError for keypoints (N, K, 2) that are not in [0, 1], with the command that reads their range."""
    unit = Convention("unit", "xy", 0.0, (1.0, 1.0))
    keypoints = found_points(keypoints)
    refuse_absent(source, keypoints, unit)
    if found := unit.problem(keypoints):
        raise OutputError(
            f"{source}: the values run from {keypoints.min():.4g} to {keypoints.max():.4g}, {found}; expected 0 to 1; "
            f"score --range {fitting_range(keypoints, unit)} would fit and keeps the row with --record (pixels of "
            "photographs of several sizes: import coco_results or import dlc)"
        )


def _frame(text: str | None) -> Frame | None:
    """The frame of the option. Raises OutputError for any other text."""
    if text is not None and text not in get_args(Frame):
        raise OutputError(f"--option frame={text}: expected {' or '.join(get_args(Frame))}")
    return text  # type: ignore[return-value]


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """The paths, each of which must be a file with a known suffix."""
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            what = "a folder" if path.is_dir() else f"a file '{path.suffix or path.name}'"
            raise OutputError(f"{path}: is {what}, expected one that ends in {', '.join(SUFFIXES)}")
    return list(paths)
