"""What commands share: options, parameters that are made from a dataclass, and the form of their help."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperGroup

from benchmarks import completion

DataRoot = Annotated[Path | None, typer.Option(help="Folder with the datasets (default: KEYPOINTS_DATA_ROOT).")]
ProfileName = Annotated[
    str | None,
    typer.Option(
        metavar="mini|paper",
        help="mini: synthetic data and small presets. paper: real data and the papers' presets. Default: paper if "
        "there is a data root.",
        autocompletion=completion.profiles,
    ),
]
SplitFile = Annotated[
    Path | None,
    typer.Option(
        "--split",
        metavar="FILE",
        help="With custom data: a list of the images to test on, or a csv or json of images (or folders) and their "
        "split, regress or test, or their group.",
    ),
]
Interocular = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME", help="With custom data: the two eye landmarks, for errors in % of their distance."
    ),
]
Output = Annotated[Path, typer.Option(help="The run directory.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]

UI_PORT = 5000
EXAMPLE_WIDTH = 74  # columns of an example, so that it fits 80 with its indent and a backslash
MODULE = "benchmarks"

Options = TypeVar("Options")


def from_dataclass(options: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Decorate a command that takes one ``options`` instance: its command-line parameters are the dataclass's fields.

    Every field is annotated with ``Annotated[type, typer.Option(...)]`` or ``typer.Argument(...)``.
    """
    hints = get_type_hints(options, include_extras=True)

    def decorate(command: Callable[[Options], None]) -> Callable[..., None]:
        def parsed(**values: Any) -> None:
            command(options(**values))

        parameters = [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hints[field.name]
            )
            for field in dataclasses.fields(options)  # type: ignore[arg-type]
        ]
        parsed.__name__, parsed.__doc__, parsed.__annotations__ = command.__name__, command.__doc__, hints
        parsed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return parsed

    return decorate


class Headings(TyperGroup):
    """A group that lists its commands under headings, in the order of their registration, with whole summaries."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each heading with its commands."""
        for heading in dict.fromkeys(_heading(command) for command in self.commands.values()):
            own = [command for command in self.commands.values() if _heading(command) == heading]
            with formatter.section(heading):
                formatter.write_dl([(str(command.name), _summary(command.help)) for command in own])


def _heading(command: Any) -> str:
    """The heading of a command; typer has its own object as the default."""
    return command.rich_help_panel if isinstance(command.rich_help_panel, str) else "Commands"


def _summary(help: str | None) -> str:
    """The first sentences of a command's help, as one line."""
    return " ".join((help or "").split("\n\n")[0].split())


def example(*commands: str, module: str = MODULE) -> str:
    """The end of a command's help: example commands, given without their beginning ``python -m MODULE``.

    A long command is continued on the next line, in the way of a shell.
    """
    lines = []
    for command in commands:
        parts = wrap(f"python -m {module} {command}", EXAMPLE_WIDTH, break_long_words=False, break_on_hyphens=False)
        lines.append("  " + " \\\n      ".join(parts))
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *lines])


def _default(field: dataclasses.Field[Any]) -> Any:
    """The default of a field, for ``inspect.Parameter``."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
