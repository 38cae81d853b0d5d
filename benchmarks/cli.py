"""The command line: every command by its name."""

from __future__ import annotations

import sys

import typer

from benchmarks.data.cli import data_app
from benchmarks.describe.cli import describe, list_command
from benchmarks.errors import correctable, first_line
from benchmarks.importing.cli import import_outputs
from benchmarks.printing import lost, protect
from benchmarks.publish.cli import publish
from benchmarks.records.cli import export, mirror, ui
from benchmarks.regress.cli import regress
from benchmarks.run.cli import run
from benchmarks.scaffold.cli import new_dataset, new_method
from benchmarks.score.cli import score
from benchmarks.show.cli import show
from benchmarks.tables.cli import leaderboard

app = typer.Typer(
    help="A benchmark of unsupervised keypoint discovery.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command("list")(list_command)
app.command()(describe)
app.command()(leaderboard)
app.command()(publish)
app.command()(show)
app.command()(export)
app.command()(score)
app.command("import")(import_outputs)
app.command()(regress)
app.command()(new_method)
app.command()(new_dataset)
app.command()(mirror)
app.command()(ui)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; an error that the user can mend, a full disk too, is one line on stderr and exit status 2.

    Printed text that could not be written (a full log) is such an error too, except for ``run``: its records are whole.
    """
    output = protect()
    status: str | int | None = 0
    try:
        app(prog_name="python -m benchmarks")
    except SystemExit as ended:
        status = ended.code
    except Exception as error:
        if not isinstance(error, (*correctable(), OSError)):
            raise
        typer.echo(f"error: {first_line(error)}", err=True)
        status = 2
    unwritten = lost(output)
    if unwritten:
        typer.echo(f"error: {unwritten}", err=True)
        status = status or (0 if sys.argv[1:2] == ["run"] else 2)
    sys.exit(status)
