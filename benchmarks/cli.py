"""The command line: every command by its name, with the heading that it is listed under and an example."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from benchmarks.completion import VARIABLE, Shell, answering, script
from benchmarks.data.cli import data_app
from benchmarks.describe.cli import describe, list_command
from benchmarks.doctor.cli import doctor
from benchmarks.importing.cli import import_outputs
from benchmarks.label_free.cli import agreement, correlation
from benchmarks.options import Headings, example
from benchmarks.printing import start
from benchmarks.publish.cli import publish
from benchmarks.records.cli import export, mirror, ui
from benchmarks.regress.cli import regress
from benchmarks.run.cli import run
from benchmarks.scaffold.cli import new_dataset, new_method
from benchmarks.score.cli import score
from benchmarks.show.cli import show
from benchmarks.status.cli import status
from benchmarks.submit.cli import submit
from benchmarks.tables.cli import leaderboard, verify_row
from benchmarks.work.cli import work

RESULTS, ELSEWHERE = "Make and show results", "Keypoints from and for other programs"
LOOK_UP, EXTEND = "Look up", "Extend and check"


app = typer.Typer(
    cls=Headings,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=example("run --method stable_keypoints --suite wild", "COMMAND --help"),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from benchmarks.records.provenance import release

        typer.echo(release())
        raise typer.Exit


def _print_completion(shell: Shell | None) -> None:
    if shell is not None:
        typer.echo(script(shell), nl=False)
        raise typer.Exit


@app.callback()
def benchmark(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    show_completion: Annotated[
        Shell | None,
        typer.Option(
            help="Print the script that completes commands, options and names in this shell, and exit. Use it with: "
            "source <(python -m benchmarks --show-completion bash)",
            callback=_print_completion,
            is_eager=True,
        ),
    ] = None,
) -> None:
    """Compare methods that discover keypoints in images without labels."""


def _add(heading: str, command: Callable[..., None], name: str, *examples: str) -> None:
    app.command(name, rich_help_panel=heading, epilog=example(*examples))(command)


_add(
    RESULTS,
    run,
    "run",
    "run --method stable_keypoints --suite wild",
    "run --method autolink --task cub_001 --seeds 3",
    "run --method imm --dataset folder:photographs --keypoints 10",
)
_add(RESULTS, work, "work", "work runs/plan.json --unit 0 --output runs")
_add(RESULTS, status, "status", "status runs", "status runs --format json")
_add(RESULTS, doctor, "doctor", "doctor runs --dry-run", "doctor runs --data-root /data")
_add(
    RESULTS,
    leaderboard,
    "leaderboard",
    "leaderboard --suite wild",
    "leaderboard --suite wild --against best --format latex",
    "leaderboard --suite wild --overall",
    "leaderboard --task cub_all --format csv --output rows.csv",
    "leaderboard --audit --task taichi",
)
_add(RESULTS, agreement, "agreement", "agreement --runs runs", "agreement --suite wild --format md")
_add(
    RESULTS,
    correlation,
    "correlation",
    "correlation --runs runs",
    "correlation --runs leaderboard/results --profile mini --format md",
)
_add(RESULTS, publish, "publish", "publish --output site", "publish --runs runs --output site")
_add(RESULTS, show, "show", "show runs", "show runs 'stable_keypoints--cub_*' --images 3")
_add(
    RESULTS,
    verify_row,
    "verify-row",
    "verify-row runs stable_keypoints--cub_001--mini--s0--0a1b2c3d",
    "verify-row runs 'imm--cub_*'",
)
_add(RESULTS, mirror, "mirror", "mirror --output runs")
_add(RESULTS, ui, "ui", "ui --output runs --port 5001")
_add(
    ELSEWHERE,
    score,
    "score",
    "score --fit-pred a.npy --fit-gt b.npy --test-pred c.npy --test-gt d.npy",
    "score --task cub_001 --predictions keypoints.csv",
)
_add(
    ELSEWHERE,
    import_outputs,
    "import",
    "import neutral mine.csv --method mine --task cub_001",
)
_add(
    ELSEWHERE,
    submit,
    "submit",
    "submit submissions/example_colour_centres",
    "submit submissions/example_colour_centres --output runs",
)
_add(ELSEWHERE, export, "export", "export runs exported")
_add(LOOK_UP, list_command, "list", "list methods", "list")
_add(LOOK_UP, describe, "describe", "describe stable_keypoints", "describe cub_001", "describe strict")
app.add_typer(
    data_app,
    name="data",
    rich_help_panel=LOOK_UP,
    epilog=example("data status", "data verify cub_001 --data-root /data"),
)
_add(EXTEND, new_method, "new-method", "new-method my_method", "new-method my_method --package my_package")
_add(EXTEND, new_dataset, "new-dataset", "new-dataset my_dataset", "new-dataset my_dataset --package my_package")
_add(
    EXTEND,
    regress,
    "regress",
    "regress --only protocols",
    "regress --update --reason 'sk/side takes the official split'",
)


def main() -> None:
    """Run the command line. A run whose log is full is whole, so its exit status stays."""
    answering()
    start(app, "python -m benchmarks", complete_var=VARIABLE, ignore_lost=sys.argv[1:2] == ["run"])
