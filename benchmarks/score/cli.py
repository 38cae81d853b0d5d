"""The ``score`` command's line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How scores are written."""

    table = "table"
    json = "json"


def score(
    fit_pred: Annotated[str | None, typer.Option(metavar="FILE[:KEY]", help="Keypoints to fit on, (N, K, 2).")] = None,
    fit_gt: Annotated[str | None, typer.Option(metavar="FILE[:KEY]", help="Their landmarks, (N, L, 2).")] = None,
    test_pred: Annotated[str | None, typer.Option(metavar="FILE[:KEY]", help="Keypoints to test on.")] = None,
    test_gt: Annotated[str | None, typer.Option(metavar="FILE[:KEY]", help="Their landmarks.")] = None,
    visible: Annotated[
        str | None,
        typer.Option(
            metavar="FIT,TEST", help="Visibility (N, L), or one file with arrays fit and test (default: not NaN)."
        ),
    ] = None,
    fit_visible: Annotated[str | None, typer.Option(metavar="FILE[:KEY]", help="Visibility to fit on.")] = None,
    test_visible: Annotated[str | None, typer.Option(metavar="FILE[:KEY]", help="Visibility to test on.")] = None,
    order: Annotated[str, typer.Option(metavar="xy|yx", help="Order of a point's two numbers.")] = "xy",
    range: Annotated[
        str, typer.Option(metavar="unit|centred|symmetric|pixels:W,H", help="0 to 1, ±0.5, ±1, or pixels.")
    ] = "unit",
    gt_order: Annotated[str | None, typer.Option(metavar="xy|yx", help="The landmarks' order, where another.")] = None,
    gt_range: Annotated[
        str | None, typer.Option(metavar="RANGE", help="The landmarks' and boxes' range, where another.")
    ] = None,
    normalizer: Annotated[
        str | None,
        typer.Option(
            metavar="interocular:A,B|side|box|none",
            help="Only protocols that divide by this; none are those in pixels. A and B are the eyes, from 0.",
        ),
    ] = None,
    boxes: Annotated[str | None, typer.Option(metavar="FIT,TEST", help="Boxes (N, 4): x, y, width, height.")] = None,
    pairs: Annotated[str | None, typer.Option(metavar="1-6,2-7,...", help="Left and right landmarks, from 0.")] = None,
    groups: Annotated[
        str | None, typer.Option(metavar="FILE", help="Person or video of each test image, a line each, for intervals.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task whose landmarks, names and protocols are taken.")] = None,
    predictions: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Keypoints by image_id, for a task; repeatable.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="mini or paper (default: paper where there is a data root).")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with the datasets (default: KEYPOINTS_DATA_ROOT).")
    ] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(metavar="ID|FAMILY|all", help="Repeatable (default: all that apply).")
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    format: Annotated[Format, typer.Option(help="A table, or JSON with all there is.")] = Format.table,
    output: Annotated[Path | None, typer.Option(help="File to write (default: the terminal).")] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run directory to keep the row of --method in, for leaderboard.")
    ] = None,
    method: Annotated[str | None, typer.Option(metavar="NAME", help="What to call the row.")] = None,
    supervision: Annotated[str, typer.Option(metavar="TEXT", help="The method's supervision.")] = "unsupervised",
) -> None:
    """Score anybody's keypoints against any landmarks, without running anything.

    Files are npz, npy, mat, csv, parquet or pt; FILE:KEY names one of several arrays.
    """
    from benchmarks.score.command import score_command
    from benchmarks.score.options import ScoreOptions

    given = dict(locals())
    del given["score_command"], given["ScoreOptions"]
    given |= {"predictions": tuple(predictions or ()), "protocol": tuple(protocol or ()), "format": format.value}
    score_command(ScoreOptions(**given))
