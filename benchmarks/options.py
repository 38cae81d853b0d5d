"""Options that several commands share, and a decorator that makes a command's parameters from a dataclass."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

DataRoot = Annotated[Path | None, typer.Option(help="Folder with the datasets (default: KEYPOINTS_DATA_ROOT).")]
ProfileName = Annotated[str | None, typer.Option(help="mini or paper (default: paper if there is a data root).")]
SplitFile = Annotated[
    Path | None,
    typer.Option(
        "--split",
        metavar="FILE",
        help="With custom data: csv or json of images (or folders) and their split, regress or test, or their group.",
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


def _default(field: dataclasses.Field[Any]) -> Any:
    """The default of a field, for ``inspect.Parameter``."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
