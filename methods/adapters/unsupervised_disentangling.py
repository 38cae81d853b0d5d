"""Keypoints of Unsupervised Part-Based Disentangling of Object Shape and Appearance (Lorenz et al., CVPR 2019).

``predict.py`` of theRealSuperMario/unsupervised-disentangling, branch reproducing_baselines, writes
``experiments/<name>/keypoints_predicted.npz`` with ``keypoints_predicted`` (N, K, 2). A keypoint is the mean of a
part's map over 64 x 64 cells, whatever the size of the image, whose coordinates run from -1 in the first to 1 in the
last: (y, x), -1 and 1 at the centres of the outer cells.

Images are processed in whole batches (``--bn``, by default 32), and those left over at the end are dropped: the adapter
recognises such a file by its number of rows. ``predict.py`` reads the list of test images only; for the regress split
run it on the list of that split. Rows follow the list for the datasets that it reads from a list (``deepfashion``); its
loaders 'generic', 'csv' and 'human3m' do not keep an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from methods.adapters.arrays import names_in
from methods.adapters.base import MOVED, SPLITS, FormatCard, ImportRequest, OutputError, OutputFormat, Outputs, Split
from methods.adapters.checks import check_count, check_points
from methods.adapters.conventions import check_range, from_endpoints
from methods.adapters.requests import read_named, split_of, whole_number

KEY, REGRESSED = "keypoints_predicted", "regressed_keypoints"
CELLS, BATCH = 64, 32


class UnsupervisedDisentangling(OutputFormat):
    """One keypoints_predicted.npz per split, with rows in the order of the split."""

    card: ClassVar[FormatCard] = FormatCard(
        id="unsupervised_disentangling",
        name="Unsupervised Part-Based Disentangling",
        summary=f"{KEY}.npz (Lorenz et al. 2019)",
        systems=("lorenz2019",),
        files=f"{KEY}.npz of each split, as in regress:a/{KEY}.npz test:b/{KEY}.npz",
        order="yx",
        range="[-1, 1]",
        pixels=f"-1 and 1 are the centres of the first and last of {CELLS} cells (--option cells=N)",
        remark=MOVED,
        code="https://github.com/theRealSuperMario/unsupervised-disentangling",
    )
    options: ClassVar[Mapping[str, str]] = {"cells": f"side of the part maps; default {CELLS}"}

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints of each file. Raises OutputError for regressed landmarks, and if the last batch is missing."""
        return [self._read(request, path / f"{KEY}.npz" if path.is_dir() else path) for path in request.paths]

    def _read(self, request: ImportRequest, path: Path) -> Outputs:
        source = str(path)
        if REGRESSED in names_in(path):
            raise OutputError(f"{path}: holds {REGRESSED}, which are landmarks; expected {KEY}.npz")
        values = check_points(source, read_named(request, path, KEY), request.num_keypoints)
        check_range(source, values, -1.0, 1.0, self.card.range)
        split = split_of(request, path) or _of_length(request, len(values))
        counts = {name: len(request.splits[name].ids) for name in ([split] if split else SPLITS)}
        for name, count in counts.items():
            check_whole(source, len(values), name, count)
        if split is None:
            expected = ", ".join(f"{count:,} ({name})" for name, count in counts.items())
            raise OutputError(
                f"{path}: got {len(values):,} rows, which fit no split or both: {expected}; write SPLIT:FILE"
            )
        check_count(source, len(values), counts[split], f"split '{split}', in its order")
        cells = whole_number(request, "cells", CELLS, 2, 4096)
        return Outputs(f"{path.parent.name}/{path.name}", from_endpoints(values, cells), split)


def check_whole(source: str, rows: int, split: Split, count: int) -> None:
    """Raise OutputError if ``rows`` are the split's whole batches without its last images."""
    batch = dropped_by(rows, count)
    if batch is not None:
        divisor = next((size for size in range(BATCH, 1, -1) if count % size == 0), 1)
        raise OutputError(
            f"{source}: got {rows:,} rows, split '{split}' has {count:,}: as {rows // batch:,} batches of {batch} "
            f"without the last {count - rows}, which predict.py drops; give it --bn {divisor}, which divides {count}"
        )


def dropped_by(rows: int, count: int) -> int | None:
    """The batch size (32 if possible, else the smallest) with which whole batches of ``count`` images have ``rows``."""
    sizes = (BATCH, *range(count - rows + 1, min(rows, 1024) + 1)) if 0 < rows < count else ()
    return next((size for size in sizes if count // size * size == rows), None)


def _of_length(request: ImportRequest, rows: int) -> Split | None:
    """The split with this number of images; None if neither or both have it."""
    found = [name for name in SPLITS if len(request.splits[name].ids) == rows]
    return found[0] if len(found) == 1 else None
