"""Costs in seconds of the parts of a run, measured or estimated, from a TOML file."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.errors import UserError, unknown

OWN = Path(__file__).with_name("costs.toml")
Positive = partial(Field, ge=0, allow_inf_nan=False)


class Cost(BaseModel):
    """Seconds of something, with either how it was ``measured`` or how it was ``estimated``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Positive()
    measured: str = ""
    estimated: str = ""

    @model_validator(mode="after")
    def _has_one_source(self) -> Cost:
        if bool(self.measured) == bool(self.estimated):
            raise ValueError("expected either 'measured' or 'estimated', which says how")
        return self


class MethodCosts(BaseModel):
    """Costs of a method on one GPU.

    ``step`` is one step of its fit, ``look`` one fit image that it sees once besides, ``predict`` one image, and
    ``load`` its model with a fit. ``side`` is the side in pixels of the images that it sees, 0 if it sees none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: int
    load: Cost
    predict: Cost
    step: Cost | None = None
    look: Cost | None = None


class DatasetCosts(BaseModel):
    """Costs of some datasets on one CPU core.

    ``decode`` is one image by the side that it is resized to. ``files`` is the number of files of an image.
    ``annotation`` is one annotation of a dataset that has a file for each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...]
    decode: dict[int, Cost]
    files: int = 1
    annotation: Cost | None = None


class Costs(BaseModel):
    """All costs.

    ``worker`` is the start of a process that does many units, ``job`` that of a process for one unit. ``unit`` is the
    harness's own time for a unit. ``read`` is one file on a shared mount, ``listed`` one file in the list of a folder
    there. ``score`` is one image under one protocol, ``record`` the files of a cell. ``threads`` is the number of
    threads that decode images for one GPU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threads: int = Field(ge=1)
    worker: Cost
    job: Cost
    unit: Cost
    read: Cost
    listed: Cost
    score: Cost
    record: Cost
    methods: dict[str, MethodCosts]
    datasets: tuple[DatasetCosts, ...]

    def method(self, name: str) -> MethodCosts:
        """The costs of a method. Raises UserError if there are none."""
        if name not in self.methods:
            raise unknown("method with costs", name, self.methods)
        return self.methods[name]

    def dataset(self, name: str) -> DatasetCosts:
        """The costs of a dataset. Raises UserError if there are none."""
        found = {each: costs for costs in self.datasets for each in costs.names}
        if name not in found:
            raise unknown("dataset with costs", name, found)
        return found[name]

    def scaled(self, factor: float) -> Costs:
        """The costs with every estimated one multiplied by a factor."""
        return Costs.model_validate(_scaled(self.model_dump(), factor))


def read_costs(path: Path = OWN) -> Costs:
    """Read a file of costs. Raises UserError, naming the file and the first mistake."""
    try:
        return Costs.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {place}: {first['msg']}; write it as in {OWN}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML file: {error}; write it as {OWN}") from error


def _scaled(plain: Any, factor: float) -> Any:
    if isinstance(plain, list | tuple):
        return [_scaled(each, factor) for each in plain]
    if not isinstance(plain, dict):
        return plain
    if plain.get("estimated"):
        return plain | {"seconds": plain["seconds"] * factor}
    return {name: _scaled(value, factor) for name, value in plain.items()}
