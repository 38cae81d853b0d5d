"""The command line: ``run``, ``show``, ``score``, ``list``, ``data``, ``leaderboard``, ``mirror``, ``ui`` and more."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.data.cli import data_app
from benchmarks.errors import UserError, first_line, mendable
from benchmarks.importing.cli import import_outputs
from benchmarks.regress.cli import regress
from benchmarks.scaffold.cli import new_method
from benchmarks.score.cli import score
from benchmarks.settings import UI_PORT

app = typer.Typer(
    help="A benchmark of unsupervised keypoint discovery.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")


class Format(StrEnum):
    """How a leaderboard is written."""

    md = "md"
    csv = "csv"
    json = "json"


class Overwrite(StrEnum):
    """Which cells that have a record are run again."""

    never = "never"
    failed = "failed"
    all = "all"


class Memory(StrEnum):
    """How much memory a method may take."""

    auto = "auto"
    low = "low"


DataRoot = Annotated[Path | None, typer.Option(help="Folder with the datasets (default: KEYPOINTS_DATA_ROOT).")]
ProfileName = Annotated[str | None, typer.Option(help="mini or paper (default: paper where there is a data root).")]
Output = Annotated[Path, typer.Option(help="The run directory.")]


@app.command()
def run(
    method: Annotated[list[str], typer.Option(help="Method to run; repeatable.")],
    suite: Annotated[list[str] | None, typer.Option(help="Suite of tasks; repeatable.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Single task; repeatable.")] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|KIND:PATH",
            help="Any dataset, or your own data: coco:FILE.json (COCO keypoints), dlc:FOLDER (DeepLabCut), folder:DIR "
            "(images without landmarks: keypoints only, no scores). With --keypoints; repeatable. Own data alone runs "
            "under the paper profile and needs no data root. Under --profile mini a dataset is its drawn twin "
            "mini_NAME; one without a twin, and own data, stays itself, and methods take their small preset.",
        ),
    ] = None,
    keypoints: Annotated[int | None, typer.Option(min=1, help="Keypoints to discover on each --dataset.")] = None,
    profile: ProfileName = None,
    data_root: DataRoot = None,
    seeds: Annotated[int, typer.Option(min=1, help="Run seeds 0 to N-1.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Cut every split to N images (marked in tables).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    memory: Annotated[
        Memory, typer.Option(help="low: methods that can trade speed for (GPU) memory do so.")
    ] = Memory.auto,
    output: Output = Path("runs"),
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="METHOD.NAME=VALUE", help="Setting of a method; repeatable.")
    ] = None,
    overwrite: Annotated[
        Overwrite, typer.Option(help="Run again: no cell that has a record, failed ones, or all.")
    ] = Overwrite.failed,
    floors: Annotated[bool, typer.Option(help="Run the floors along with the methods.")] = True,
    mlflow: Annotated[bool, typer.Option(help="Mirror the records to MLflow.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and write nothing.")] = False,
) -> None:
    """Run methods on tasks and score them.

    What is finished is not run again, so a run that was broken off (Ctrl-C, SIGTERM, or killed) goes on where it
    stopped: at the next cell, the next batch of predictions, and the last checkpoint of a fit where a method keeps any.

    Exit status: 0 all cells are done, 1 a cell failed, 2 a mistake you can mend, 130 interrupted, 143 terminated.
    """
    from benchmarks.run.command import RunOptions, run_command
    from benchmarks.signals import exit_status, terminable

    options = RunOptions(
        methods=method,
        suites=suite or [],
        tasks=task or [],
        datasets=dataset or [],
        keypoints=keypoints,
        profile=profile,
        data_root=data_root,
        seeds=seeds,
        limit=limit,
        device=device,
        memory=memory.value,
        output=output,
        assignments=assignments or [],
        overwrite=overwrite.value,
        floors=floors,
        mlflow=mlflow,
        dry_run=dry_run,
    )
    try:
        with terminable():
            status = run_command(options)
    except KeyboardInterrupt as stop:  # before the first cell, or in the report after the last
        typer.echo("interrupted: finished cells stay; the same command goes on from there", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)


@app.command("list")
def list_command(
    kind: Annotated[
        str | None,
        typer.Argument(help="methods, datasets, tasks, suites, protocols, formats or systems (default: all)."),
    ] = None,
) -> None:
    """List what can be run and described: also formats of others' outputs, and systems with published rows."""
    from benchmarks.describe.catalogue import listing

    typer.echo(listing(kind))


@app.command()
def describe(
    name: Annotated[
        str, typer.Argument(help="A method, dataset, task, suite, protocol, format, or system of the literature.")
    ],
    data_root: DataRoot = None,
) -> None:
    """Say all about one of them."""
    from benchmarks.describe.catalogue import description

    typer.echo(description(name, data_root))


@app.command()
def leaderboard(
    suite: Annotated[list[str] | None, typer.Option(help="Suite; repeatable (default: all).")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task, or one of a run on own data; repeatable.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Protocol, family (sk, strict, autolink ...) or all (default: each headline).")
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Say of each published row how it was computed and what differs.")
    ] = False,
    profile: ProfileName = None,
    data_root: DataRoot = None,
    runs: Annotated[
        Path | None, typer.Option(help="The run directory to read (default: runs), or a folder of committed results.")
    ] = None,
    format: Annotated[Format, typer.Option(help="Markdown, CSV, or a JSON list of rows.")] = Format.md,
    output: Annotated[Path | None, typer.Option(help="File to write (default: the terminal).")] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            help="Fail with 1 where this file's tables are stale, or committed results not of one clean commit."
        ),
    ] = None,
    update: Annotated[
        Path | None, typer.Option(help="Write this file's tables anew, from committed results or those of --runs.")
    ] = None,
) -> None:
    """Print tables, or renew those of a README."""
    from benchmarks.tables.command import Board, audit_text, board_text, check_readme, update_readme
    from leaderboard.load import write_atomically

    if check or update:
        if check and update:
            raise UserError("--check and --update together; choose one")
        raise typer.Exit(check_readme(check) if check else update_readme(update or Path(), runs))
    board = Board(suite or [], task or [], protocol, profile, data_root, format.value)
    text = audit_text(board) if audit else board_text(board, runs or Path("runs"))
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="A run directory, or the folder of one cell.")] = Path("runs"),
    cells: Annotated[
        list[str] | None, typer.Argument(help="Cells of it, by id or pattern such as '*--cub_*' (default: all).")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Test images to show attention maps of.")] = 6,
    selection_images: Annotated[
        int, typer.Option(min=1, help="Selection images to count the tokens' choices over, at most.")
    ] = 500,
    data_root: DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    output: Annotated[Path | None, typer.Option(help="Folder for the pictures (default: beside each record).")] = None,
    mlflow: Annotated[bool, typer.Option(help="Hand the pictures to MLflow too (not with --output).")] = True,
    rows: Annotated[
        Path | None,
        typer.Option(help="Write this picture alone: for each cell a row of test images with its keypoints."),
    ] = None,
) -> None:
    """Draw attention maps, loss curves and how tokens were chosen, as PNG.

    Where a dataset knows the object's box, say how many of the kept keypoints lie inside it, and how often each.

    Exit status: 0 all is shown, 1 something is missing (a line says what), 2 a mistake you can mend, 130 interrupted.
    """
    from benchmarks.show.command import ShowOptions, show_command
    from benchmarks.signals import exit_status, terminable

    options = ShowOptions(
        run=run,
        cells=cells or [],
        images=images,
        selection_images=selection_images,
        data_root=data_root,
        device=device,
        output=output,
        mlflow=mlflow,
        rows=rows,
    )
    try:
        with terminable():
            status = show_command(options)
    except KeyboardInterrupt as stop:
        typer.echo("interrupted: the pictures named above stay", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="The folder of a fit or of a cell, or a run directory with one fit.")],
    destination: Annotated[Path, typer.Argument(help="Folder to write embedding.pt and indices.pt into.")],
) -> None:
    """Write the tokens of Stable Keypoints as its released code reads them.

    The other way round, --set stable_keypoints.tokens=FOLDER takes such files, or a fit, as they are.
    """
    from benchmarks.records.export import export

    typer.echo(export(source, destination))


app.command()(score)
app.command("import")(import_outputs)
app.command()(regress)
app.command()(new_method)


@app.command()
def mirror(output: Output = Path("runs")) -> None:
    """Bring MLflow up to date with the records."""
    from benchmarks.records.mlflow_mirror import mirror, store_uri

    typer.echo(f"{mirror(output)} records written to {store_uri(output)}")


@app.command()
def ui(
    output: Output = Path("runs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = UI_PORT,
) -> None:
    """Serve MLflow's pages on loopback."""
    from benchmarks.records.mlflow_mirror import serve

    serve(output, port)


def main() -> None:
    """Run the command line; what the user can mend, a full disk too, is one line on stderr and exit status 2."""
    try:
        app(prog_name="python -m benchmarks")
    except Exception as error:
        if not isinstance(error, (*mendable(), OSError)):
            raise
        typer.echo(f"error: {first_line(error)}", err=True)
        sys.exit(2)
