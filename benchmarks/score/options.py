"""The options of the ``score`` command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks import completion
from benchmarks.options import DataRoot, Interocular, ProfileName, SplitFile

Source = "FILE[:KEY]"


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """The options of ``score`` as given."""

    fit_pred: Annotated[
        str | None, typer.Option(metavar=Source, help="Keypoints to fit the regression (split regress), (N, K, 2).")
    ] = None
    fit_gt: Annotated[str | None, typer.Option(metavar=Source, help="Landmarks of these images, (N, L, 2).")] = None
    test_pred: Annotated[
        str | None, typer.Option(metavar=Source, help="Keypoints to test the regression, (N, K, 2).")
    ] = None
    test_gt: Annotated[str | None, typer.Option(metavar=Source, help="Landmarks of these images.")] = None
    visible: Annotated[
        str | None,
        typer.Option(
            metavar="FIT,TEST", help="Visibility (N, L), or one file with arrays fit and test (default: all but NaN)."
        ),
    ] = None
    fit_visible: Annotated[str | None, typer.Option(metavar=Source, help="Visibility for --fit-gt.")] = None
    test_visible: Annotated[str | None, typer.Option(metavar=Source, help="Visibility for --test-gt.")] = None
    order: Annotated[str, typer.Option(metavar="xy|yx", help="Order of the two numbers of a point.")] = "xy"
    range: Annotated[
        str, typer.Option(metavar="unit|centred|symmetric|pixels:W,H", help="0 to 1, ±0.5, ±1, or pixels.")
    ] = "unit"
    frame: Annotated[
        Literal["seen", "photo"] | None,
        typer.Option(
            help="With a --dataset of custom data: keypoints are positions in the image as methods see it (its crop), "
            "or in the whole photograph (default: seen, checked)."
        ),
    ] = None
    gt_order: Annotated[str | None, typer.Option(metavar="xy|yx", help="Order for landmarks (default: --order).")] = (
        None
    )
    gt_range: Annotated[
        str | None, typer.Option(metavar="RANGE", help="Range for landmarks and boxes (default: --range).")
    ] = None
    normalizer: Annotated[
        str | None,
        typer.Option(
            metavar="interocular:A,B|side|box|none",
            help="Only protocols with this normaliser (none: errors in pixels). A and B are the eyes, counted from 0.",
        ),
    ] = None
    boxes: Annotated[str | None, typer.Option(metavar="FIT,TEST", help="Boxes (N, 4): x, y, width, height.")] = None
    pairs: Annotated[
        str | None, typer.Option(metavar="1-6,2-7,...", help="Left and right landmarks, counted from 0.")
    ] = None
    groups: Annotated[
        str | None, typer.Option(metavar="FILE", help="Person or video of each test image, one per line.")
    ] = None
    task: Annotated[
        str | None,
        typer.Option(help="Task that supplies landmarks, their names and protocols.", autocompletion=completion.tasks),
    ] = None
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|KIND:PATH",
            help="Dataset instead of a task, registered or custom (coco:FILE.json).",
            autocompletion=completion.datasets,
        ),
    ] = None
    split: SplitFile = None
    interocular: Interocular = None
    predictions: Annotated[
        list[str], typer.Option(metavar="FILE", help="Keypoints by image_id for a --task or --dataset; repeatable.")
    ] = field(default_factory=list)
    profile: ProfileName = None
    data_root: DataRoot = None
    protocol: Annotated[
        list[str],
        typer.Option(
            metavar="ID|FAMILY|all",
            help="Protocol; repeatable (default: all that apply).",
            autocompletion=completion.protocols,
        ),
    ] = field(default_factory=list)
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples of printed intervals.")] = 10_000
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0
    format: Annotated[Literal["table", "json"], typer.Option(help="A table, or JSON with every number.")] = "table"
    output: Annotated[Path | None, typer.Option(help="File to write (default: the terminal).")] = None
    record: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run directory to keep the row of --method in, scored as by run.")
    ] = None
    method: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the row.")] = None
    supervision: Annotated[str, typer.Option(metavar="TEXT", help="Supervision of the method.")] = "unsupervised"
    saw_landmarks: Annotated[
        bool | None,
        typer.Option(help="Whether the method saw landmarks in training (default: no)."),
    ] = None
