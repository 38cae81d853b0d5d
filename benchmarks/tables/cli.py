"""The command line of ``leaderboard``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks import completion
from benchmarks.errors import UserError
from benchmarks.options import DataRoot, ProfileName

Format = Literal["md", "csv", "json", "latex", "html", "every-eval-ever"]


def leaderboard(
    suite: Annotated[
        list[str] | None,
        typer.Option(help="Suite; repeatable (default: all that have results).", autocompletion=completion.suites),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task, also of a custom dataset; repeatable.", autocompletion=completion.tasks),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Protocol, family (sk, strict, autolink ...) or all (default: each headline).",
            autocompletion=completion.protocols,
        ),
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Say how each published row was computed and what differs from here.")
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Compare two methods of the run on the same test images, task by task. With --audit: say whether two "
            "published rows rank, named by value or method, such as 316.10 234.89.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="Add each method's paired difference from this one, or from the best of each task (best).",
        ),
    ] = None,
    overall: Annotated[
        bool, typer.Option("--overall", help="Rank the methods over all tasks of each suite, or over the tasks named.")
    ] = False,
    profile: ProfileName = None,
    data_root: DataRoot = None,
    runs: Annotated[
        Path | None, typer.Option(help="The run directory to read (default: runs), or a folder of committed results.")
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            help="Markdown, CSV, a JSON list of rows, LaTeX, HTML to paste into a page, or a JSON object for "
            "each method in the schema of Every Eval Ever. Default: a table that fits the terminal, and Markdown for a "
            "file or pipe."
        ),
    ] = None,
    bibtex: Annotated[
        bool, typer.Option("--bibtex", help="Print BibTeX of the methods and datasets of the tables instead.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Columns to print, in this order, or all: tasks, seeds, seconds, labels, frozen_data, parameters, "
            "frozen_parameters, fit_seconds, image_ms, peak_memory_mb, hardware ...; fields in csv and json.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write (default: the terminal).")] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Exit with 1 if generated tables or lists of this file, or of this folder's .md files, are stale, "
            "or if a list of committed results does not come from one clean commit; repeatable.",
        ),
    ] = None,
    update: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Rewrite the generated tables and lists of this file, or of this folder's .md files; with --runs, "
            "first score the predictions of that run directory again and merge its results into the committed ones; "
            "repeatable.",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="With --update --runs: remove committed results that the run does not have."),
    ] = False,
) -> None:
    """Print tables, or check and rewrite the generated tables and lists of the documents."""
    from benchmarks.tables.command import audit_text, board_text, overall_text, print_board, print_overall
    from benchmarks.tables.sections import Board
    from leaderboard.files import write_atomically
    from leaderboard.text import printable

    if check or update:
        from benchmarks.tables.pages import check_pages, update_pages

        if check and (update or replace):
            raise UserError(f"--check and {'--update' if update else '--replace'} together; choose one")
        raise typer.Exit(check_pages(check) if check else update_pages(update or [], runs, replace, data_root))
    if replace:
        raise UserError("--replace goes with --update and --runs; add them or leave it out")
    if against is not None and (audit or compare):
        raise UserError(f"--against and {'--audit' if audit else '--compare'} together; choose one")
    if overall:
        _refuse_beside_overall(audit=audit, compare=compare, against=against, protocol=protocol)
    if columns is not None and (audit or compare):
        raise UserError(f"--columns and {'--audit' if audit else '--compare'} together; leave the columns out")
    if bibtex:
        _refuse_beside_bibtex(audit=audit, compare=compare, against=against, format=format, overall=overall)
    chosen = _names(columns)
    board = Board(suite or [], task or [], protocol, profile, data_root, format or "md", chosen, bibtex)
    fitted = format is None and output is None and not bibtex and sys.stdout.isatty()
    if fitted and not audit and compare is None and against is None:
        (print_overall if overall else print_board)(board, runs)
        return
    if audit or overall:
        text = audit_text(board, compare) if audit else overall_text(board, runs)
    else:
        text = board_text(board, runs, compare, against)
    text = printable(text)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text)


def _names(columns: str | None) -> list[str]:
    """The names of columns in an option. Raises UserError if there are none."""
    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    if columns is not None and not names:
        raise UserError(f"--columns: got '{columns}', expected names with commas between them, such as cub_001,seeds")
    return names


def _refuse_beside_overall(**options: object) -> None:
    """Raise UserError for an option that has no meaning for the overall ranking."""
    for name, value in options.items():
        if value:
            why = "it ranks by the headline protocol of each task" if name == "protocol" else "choose one"
            raise UserError(f"--overall and --{name} together; {why}")


def verify_row(
    runs: Annotated[Path, typer.Argument(metavar="RUNDIR", help="Run directory, such as runs.")],
    cell: Annotated[str, typer.Argument(help="Cell (method, task and seed), or a pattern such as 'imm--cub_*'.")],
    data_root: DataRoot = None,
) -> None:
    """Compute the numbers of a cell again from its predictions, and say whether its record is equal or what differs.

    Exit status 0: equal; 1: something differs; 2: it cannot be checked, such as without the dataset.
    """
    from benchmarks.tables.verify import verify_rows

    raise typer.Exit(verify_rows(runs, cell, data_root))


def _refuse_beside_bibtex(**options: object) -> None:
    """Raise UserError for an option that asks for something else than references."""
    for name, value in options.items():
        if value:
            raise UserError(f"--bibtex and --{name} together; choose one")
