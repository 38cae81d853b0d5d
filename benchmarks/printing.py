"""Printed text: output that cannot stop the program, and texts that fit the terminal.

What cannot be written to standard output or error is dropped, and told at the end.

A closed pipe, a full disk or a terminal of another encoding must not fail a measurement. ``start`` runs a command line
in this way.
"""

from __future__ import annotations

import errno
import io
import os
import select
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from benchmarks.errors import correctable, first_line

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


Pairs = Iterable[tuple[str, str]]
NARROWEST = 24  # columns of a text that is broken into lines


class Lossy(io.FileIO):
    """Writes to an open file descriptor and drops the bytes that it does not take; ``error`` is the first reason."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        """Write some of the bytes; the number of bytes that are written or dropped."""
        try:
            while (written := super().write(data)) is None:  # a pipe that does not block is full
                select.select([], [self], [])
        except OSError as error:
            self.error = self.error or error
            return memoryview(data).nbytes
        return written


def protect() -> Lossy | None:
    """Let neither stdout nor stderr raise. Returns the file under stdout, or None where a caller has replaced stdout.

    Characters that the encoding lacks are printed as ``?`` on stdout and as escapes on stderr.
    """
    found = None
    for name, errors in (("stderr", "backslashreplace"), ("stdout", "replace")):
        stream, found = getattr(sys, name), None
        if stream is None:  # closed before the start, as by >&- in a shell: no other file may get its number
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        if not isinstance(stream, io.TextIOWrapper) or stream is not getattr(sys, f"__{name}__"):
            continue
        found = Lossy(stream.fileno())
        by_line = stream.line_buffering or stream.write_through
        text = io.TextIOWrapper(io.BufferedWriter(found), stream.encoding, errors, line_buffering=by_line)
        setattr(sys, name, text)
    return found


def lost(output: Lossy | None) -> str:
    """One line that says why stdout is incomplete; '' where it is whole, or where its reader left (``| head``)."""
    if output is None:
        return ""
    sys.stdout.flush()
    if output.error is None or output.error.errno == errno.EPIPE:
        return ""
    reason = output.error.strerror or output.error
    return f"not all of the printed text could be written: {reason}; records and other files are not affected"


def start(app: Callable[..., Any], program: str, ignore_lost: bool = False, **arguments: Any) -> NoReturn:
    """Run a command line with protected output, and exit.

    An error that the user can correct, and an OSError such as a full disk, is one line on stderr and exit status 2. So
    is printed text that could not be written, whose exit status is that of ``app`` with ``ignore_lost``.
    """
    output = protect()
    status: str | int | None = 0
    try:
        app(prog_name=program, **arguments)
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
        status = status or (0 if ignore_lost else 2)
    sys.exit(status)


def columns(pairs: Pairs) -> str:
    """The names, padded to the longest one, each with its text; a terminal's long texts are broken and indented."""
    lines = list(pairs)
    width = max((len(name) for name, _ in lines), default=0)
    room = terminal_width() - width - 4
    return "\n".join(f"  {name:<{width}}  {_broken(text, room, width + 4)}".rstrip() for name, text in lines)


def paragraphs(text: str, indent: int) -> str:
    """Indented paragraphs; on a terminal their lines are filled anew to fit it."""
    margin, width = " " * indent, terminal_width()
    if width < NARROWEST:
        return textwrap.indent(text, margin)
    options: Any = {"initial_indent": margin, "subsequent_indent": margin, "break_long_words": False}
    return "\n\n".join(textwrap.fill(part, width, **options) for part in text.split("\n\n"))


def terminal_width(otherwise: int = 0) -> int:
    """Columns of the terminal on standard output; ``otherwise`` if that is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else otherwise


def _broken(text: str, room: int, indent: int) -> str:
    """The text in lines of at most ``room`` columns, the later ones indented; as it is in less than NARROWEST."""
    if room < NARROWEST or "\n" in text:
        return text
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * indent).join(lines)
