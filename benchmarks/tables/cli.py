"""The command line of ``leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.errors import UserError
from benchmarks.options import DataRoot, ProfileName

Format = Literal["md", "csv", "json"]


def leaderboard(
    suite: Annotated[list[str] | None, typer.Option(help="Suite; repeatable (default: all).")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task, also of a custom dataset; repeatable.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Protocol, family (sk, strict, autolink ...) or all (default: each headline).")
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
        str | None, typer.Option(metavar="METHOD", help="Add each method's paired difference from this one.")
    ] = None,
    profile: ProfileName = None,
    data_root: DataRoot = None,
    runs: Annotated[
        Path | None, typer.Option(help="The run directory to read (default: runs), or a folder of committed results.")
    ] = None,
    format: Annotated[Format, typer.Option(help="Markdown, CSV, or a JSON list of rows.")] = "md",
    output: Annotated[Path | None, typer.Option(help="File to write (default: the terminal).")] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Exit with 1 if generated tables or lists of this file, or of this folder's .md files, are stale, "
            "or if the committed results do not come from one clean commit; repeatable.",
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
    from benchmarks.tables.command import Board, audit_text, board_text, check_pages, update_pages
    from leaderboard.files import write_atomically
    from leaderboard.text import printable

    if check or update:
        if check and (update or replace):
            raise UserError(f"--check and {'--update' if update else '--replace'} together; choose one")
        raise typer.Exit(check_pages(check) if check else update_pages(update or [], runs, replace, data_root))
    if replace:
        raise UserError("--replace goes with --update and --runs; add them or leave it out")
    if against is not None and (audit or compare):
        raise UserError(f"--against and {'--audit' if audit else '--compare'} together; choose one")
    board = Board(suite or [], task or [], protocol, profile, data_root, format)
    text = printable(audit_text(board, compare) if audit else board_text(board, runs or Path("runs"), compare, against))
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text)
