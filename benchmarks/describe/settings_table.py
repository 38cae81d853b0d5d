"""A method's settings as tables: name, value in each preset, meaning."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from textwrap import indent
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from benchmarks.describe.task import PROFILES
from benchmarks.printing import paragraphs, terminal_width

if TYPE_CHECKING:
    from methods.base import Method, MethodConfig

WIDTH, NARROWEST = 120, 72  # columns of a table
LONGEST_VALUE = 16  # characters of a value on one line
PREDICTION_ONLY, NO_KEYPOINT = "[prediction only]", "[changes no keypoint]"


@dataclass(frozen=True)
class Row:
    """One setting: its name, its value in each preset as text, and its meaning."""

    name: str
    values: tuple[str, ...]
    meaning: str

    @property
    def outer(self) -> str:
        """Name of the top-level setting: 'outer' for 'outer.inner'."""
        return self.name.partition(".")[0]


def settings_text(method: str, cls: type[Method]) -> str:
    """Text of a method's settings: notes, a table of settings that differ between presets, a table of the others."""
    configs = preset_configs(cls)
    rows = list(_rows(cls.Config, list(configs.values())))
    differ = {row.outer for row in rows if len(set(row.values)) > 1}
    differing = [row for row in rows if row.outer in differ]
    equal = [replace(row, values=row.values[:1]) for row in rows if row.outer not in differ]
    parts = [f"settings (--set {method}.NAME=VALUE)"]
    inherited = any(vars(base).get("Config") is cls.Config for base in cls.__mro__[1:])
    if (about := vars(cls.Config).get("__doc__")) and not inherited:
        parts.append(paragraphs(inspect.cleandoc(about).replace("``", ""), 2))
    if differing:
        kind = "preset" if "preset" in cls.Config.model_fields else "profile"
        parts.append(_table([f"differs by {kind}", *configs, "meaning"], differing))
    if equal:
        parts.append(_table(["equal in all presets" if differing else "name", "value", "meaning"], equal))
    if any(row.meaning.endswith((PREDICTION_ONLY, NO_KEYPOINT)) for row in rows):
        parts.append(f"  Settings marked {PREDICTION_ONLY} or {NO_KEYPOINT} do not identify a fit.")
    return "\n\n".join(parts)


def preset_configs(cls: type[Method]) -> dict[str, MethodConfig]:
    """A method's config under each of its presets or, if it has none, under each profile."""
    preset = cls.Config.model_fields.get("preset")
    presets = get_args(preset.annotation) if preset else ()
    if presets:
        return {name: cls.config_for("paper", {"preset": name}) for name in presets}
    return {profile: cls.config_for(profile, {}) for profile in PROFILES}


def settings(config: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting of a config by name; the settings of a nested config follow it, as 'outer.inner'."""
    for name, field in config.model_fields.items():
        yield f"{prefix}{name}", field
        if inner := nested(field):
            yield from settings(inner, f"{prefix}{name}.")


def nested(field: FieldInfo) -> type[BaseModel] | None:
    """The config class of a nested setting, or None for a plain value."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _rows(config: type[MethodConfig], configs: Sequence[MethodConfig]) -> Iterator[Row]:
    for name, field in settings(config):
        mark = NO_KEYPOINT if field.exclude else PREDICTION_ONLY if name in config.of_predict else ""
        values = tuple("" if nested(field) else _text(_value(each, name)) for each in configs)
        yield Row(name, values, f"{field.description or ''} {mark}".strip())


def _value(config: Any, name: str) -> Any:
    """The value of a setting by its dotted name, None where an outer setting is None."""
    for part in name.split("."):
        config = getattr(config, part, None)
    return config


def _text(value: Any) -> str:
    """A value in the syntax of ``--set``."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else to_json(value).decode()


def _table(header: Sequence[str], rows: Sequence[Row]) -> str:
    """Rows below a header; long values and meanings are wrapped to fit the terminal, or ``WIDTH``."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(header[0], no_wrap=True)
    for name in header[1:-1]:
        table.add_column(name, max_width=LONGEST_VALUE, overflow="fold")
    table.add_column(header[-1], ratio=1)
    for row in rows:
        table.add_row(row.name, *row.values, row.meaning)
    width = min(WIDTH, max(NARROWEST, terminal_width(WIDTH))) - 2
    console = Console(file=StringIO(), width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return indent("\n".join(line.rstrip() for line in capture.get().rstrip().splitlines()), "  ")
