"""The tensors that a run of the released Stable Keypoints saves in its folder, without image names.

``source_keypoints.pt`` (N, K, 2) holds the keypoints of the images that the regressor was fitted on, (y, x) in (0, 1),
pixel centres of 512; ``target_keypoints.pt`` (N, L, 2) their landmarks, (y, x), but (x, y) for cub_aligned;
``visible.pt`` (N, L) the visibility. The rows are in random order, so landmarks identify the images. The run saves no
keypoints of the test images: the adapter finds them with ``embedding.pt`` and ``indices.pt`` on request, or reads them
from a second folder of the same files, ``test:FOLDER``. Source: the released code of Hedlin et al. (CVPR 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from methods.adapters.base import FormatCard, ImportRequest, OutputError, OutputFormat, Outputs, SplitTruth
from methods.adapters.checks import check_count, check_points
from methods.adapters.conventions import check_range, to_unit
from methods.adapters.matching import match_landmarks
from methods.adapters.requests import read_array
from methods.base import MethodError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIDE = 512
SOURCE, TARGET, VISIBLE = "source_keypoints.pt", "target_keypoints.pt", "visible.pt"
REGRESSOR, EMBEDDING, INDICES = "regressor.pt", "embedding.pt", "indices.pt"
_SAMPLE = 200
_GRID = 1e-3  # of a pixel: rounding error of (i + 0.5) / 512 in float32


class StableKeypointsFiles(OutputFormat):
    """Folders of a run, joined to images by landmarks."""

    card: ClassVar[FormatCard] = FormatCard(
        id="stable_keypoints",
        name="Stable Keypoints, released code",
        summary="source, target and visible .pt of Stable Keypoints (Hedlin et al. 2024)",
        systems=("hedlin2024",),
        files=f"the run's folder with {SOURCE}, {TARGET}, {VISIBLE} where there is one, and {EMBEDDING} and {INDICES}; "
        "test:FOLDER for such files of the test images",
        order="yx",
        range="(0, 1)",
        pixels="pixel i of 512 is (i + 0.5) / 512",
        code="https://github.com/ubc-vision/StableKeypoints",
    )
    runs_models: ClassVar[bool] = True
    options: ClassVar[Mapping[str, str]] = {
        "test": "predict: find the keypoints of the test images with the run's tokens",
        "model": "diffusion model for test=predict, as in stable_keypoints.model (default: the same as there)",
    }

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints, and the landmarks of the same rows, folder by folder.

        Raises OutputError for missing files, and for files of different runs or of another task.
        """
        wanted = request.options.get("test")
        if wanted not in (None, "predict"):
            raise OutputError(f"--option test={wanted}: expected test=predict")
        folders = list(dict.fromkeys(path if path.is_dir() else path.parent for path in request.paths))
        found = [self._read(request, folder) for folder in folders]
        if any(output.split == "test" for output in found):
            return found
        if wanted == "predict":
            try:
                return [*found, _predicted(request, folders[0])]
            except MethodError as error:  # it names its own setting
                raise OutputError(str(error).replace("--set stable_keypoints.model=", "--option model=")) from error
        raise OutputError(_no_test(folders[0]))

    def _read(self, request: ImportRequest, folder: Path) -> Outputs:
        for name in (SOURCE, TARGET):
            if not (folder / name).is_file():
                raise OutputError(f"{folder}: no {name}; expected the folder that the released code saved a run in")
        split = request.split_of.get(folder) or request.split_of.get(folder / SOURCE) or "regress"
        source, truth = str(folder / SOURCE), request.splits[split]
        points = check_points(source, read_array(request, source).values, request.num_keypoints)
        check_range(source, points, 0.0, 1.0, "fractions of the image, (y, x)")
        landmarks, visible = _landmarks(request, folder, len(points), truth)
        output = Outputs(source, to_unit(points, "yx"), split, landmarks=landmarks, visible=visible)
        notes = [*_grid_notes(source, points)]
        swapped = replace(output, landmarks=landmarks[..., ::-1])
        fits, fits_swapped = (_share(candidate, truth) for candidate in (swapped, output))
        if max(fits, fits_swapped) == 0:
            raise OutputError(_foreign(folder / TARGET, swapped, split, truth))
        if fits_swapped > fits:
            notes.append(f"{TARGET} has its landmarks as (x, y), like that of cub_aligned")
        _check_tokens(request, folder, points.shape[1])
        _check_regressor(request, folder, points, landmarks, visible)
        return replace(swapped if fits >= fits_swapped else output, notes=tuple(notes))


def _landmarks(
    request: ImportRequest, folder: Path, count: int, truth: SplitTruth
) -> tuple[Floats, NDArray[np.bool_] | None]:
    """Landmarks (N, L, 2) in the file's order of coordinates, and visibility (N, L) or None without its file."""
    path = folder / TARGET
    values = read_array(request, str(path)).values
    expected = (count, truth.landmarks.shape[1], 2)
    if values.ndim != 3 or values.shape[1:] != expected[1:]:
        raise OutputError(f"{path}: got an array of shape {values.shape}, expected {expected} for this task")
    check_count(str(path), len(values), count, f"the rows of {SOURCE}")
    landmarks = np.asarray(values, dtype=np.float64)
    if not (folder / VISIBLE).is_file():
        return landmarks, None
    visible = read_array(request, str(folder / VISIBLE)).values
    if visible.shape != expected[:2] or not np.isin(visible, (0, 1)).all():
        raise OutputError(f"{folder / VISIBLE}: got {visible.dtype} {visible.shape}, expected 0 and 1 {expected[:2]}")
    return landmarks, visible != 0


def _grid_notes(source: str, points: Floats) -> list[str]:
    """A note on keypoints that are not pixel centres of 512; the default setting (argmax) gives pixel centres.

    Raises OutputError for keypoints of the video script, which divides pixels of 128 by 512, and for whole pixels of
    512.
    """
    pixels = points * SIDE
    if pixels.max() <= SIDE / 4 and len(points) > 10:
        raise OutputError(
            f"{source}: no keypoint lies beyond {points.max():.3f} of the image: pixels of 128 divided by 512, as the "
            f"script for videos writes; expected {SOURCE} of main.py"
        )
    if np.abs(pixels - np.round(pixels)).max() < _GRID:
        raise OutputError(f"{source}: the keypoints are i / {SIDE}, expected pixel centres (i + 0.5) / {SIDE}")
    off = np.abs(pixels - 0.5 - np.round(pixels - 0.5)) > _GRID
    if not off.any():
        return []
    return [
        f"{source}: {off.mean():.0%} of the numbers are no pixel centres of {SIDE}: --max_loc_strategy weighted_avg"
    ]


def _share(output: Outputs, truth: SplitTruth) -> float:
    """The share of a sample of rows that have the landmarks of an image."""
    rows = slice(None, None, max(1, len(output.keypoints) // _SAMPLE))
    visible = None if output.visible is None else output.visible[rows]
    landmarks = None if output.landmarks is None else output.landmarks[rows]
    match = match_landmarks(
        replace(output, keypoints=output.keypoints[rows], landmarks=landmarks, visible=visible), truth
    )
    return 1 - len(match.unmatched) / len(match.ids)


def _foreign(path: Path, output: Outputs, split: str, truth: SplitTruth) -> str:
    nearest = match_landmarks(output, truth).nearest
    return (
        f"{path}: no row has the landmarks of an image of split '{split}', the first is {nearest:.2g} image sides from "
        "the nearest; expected the same task, of images that are cut the same way in every run: for CUB-00x, CUB-all "
        "and unaligned Human3.6M, which the released code jitters anew each time, run its tokens instead: --method "
        f"stable_keypoints --set stable_keypoints.tokens={path.parent}"
    )


def _check_tokens(request: ImportRequest, folder: Path, num_keypoints: int) -> None:
    """Raise OutputError for tokens from which the keypoints cannot have been computed."""
    if not (folder / INDICES).is_file():
        return
    chosen = read_array(request, str(folder / INDICES)).values
    if chosen.shape != (num_keypoints,) or chosen.dtype.kind not in "iu" or len(set(chosen.tolist())) < num_keypoints:
        got = f"{chosen.dtype} {chosen.shape}"
        raise OutputError(f"{folder / INDICES}: got {got}, expected the ids of {num_keypoints} different tokens")
    if (folder / EMBEDDING).is_file():
        shape = read_array(request, str(folder / EMBEDDING)).values.shape
        if len(shape) != 3 or shape[0] != 1 or chosen.min() < 0 or chosen.max() >= shape[1]:
            raise OutputError(
                f"{folder / EMBEDDING}: got shape {shape} for tokens {chosen.min()} to {chosen.max()} of {INDICES}; "
                "expected (1, N, width)"
            )


def _check_regressor(
    request: ImportRequest, folder: Path, points: Floats, landmarks: Floats, visible: NDArray[Any] | None
) -> None:
    """Raise OutputError for a regressor that does not map these keypoints to these landmarks.

    It was fitted on them about the image centre, so its error is below that of predicting the centre.
    """
    path = folder / REGRESSOR
    if not path.is_file():
        return
    weights = np.asarray(read_array(request, str(path)).values, dtype=np.float64)
    expected = (2 * points.shape[1], 2 * landmarks.shape[1])
    if weights.shape != expected:
        raise OutputError(f"{path}: got shape {weights.shape}, expected {expected} for K keypoints and L landmarks")
    wanted = landmarks - 0.5
    given = ((points - 0.5).reshape(len(points), -1) @ weights).reshape(landmarks.shape)
    counts = np.ones(landmarks.shape[:2], dtype=bool) if visible is None else visible.astype(bool)
    error, none = (float((array[counts] ** 2).sum()) for array in (given - wanted, wanted))
    if error > 1.0001 * none:
        ratio = (error / none) ** 0.5
        raise OutputError(
            f"{path}: its error on the rows of {SOURCE} is {ratio:.3g} times that of predicting the image centre; the "
            "files are of different runs"
        )


def _no_test(folder: Path) -> str:
    tokens = all((folder / name).is_file() for name in (EMBEDDING, INDICES))
    ways = "name files of the test images as test:FOLDER"
    if tokens:
        ways += f", or add --option test=predict to find them with the tokens in {folder}"
    return f"{folder}: the released code saves no keypoints of the test images; {ways}"


def _predicted(request: ImportRequest, folder: Path) -> Outputs:
    """Find the keypoints of the test images with the run's tokens and this repository's Stable Keypoints."""
    from methods.stable_keypoints import StableKeypoints

    settings = {"tokens": str(folder)} | ({"model": request.options["model"]} if "model" in request.options else {})
    method = StableKeypoints(StableKeypoints.config_for("paper", settings), request.device)
    images = request.images("test", method.image_size)
    method.fit(images, request.num_keypoints, 0, lambda done, total, **scalars: None)
    rows = [method.predict(batch) for batch in images]
    by = f"this repository's Stable Keypoints, version {method.version}"
    note = f"test images: found with the tokens in {folder.name} by {by}"
    return Outputs(str(folder / EMBEDDING), np.concatenate(rows), "test", images.ids, notes=(note,))
