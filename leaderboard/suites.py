"""Suites: named lists of tasks, each with the kind of table that shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

TableKind = Literal["plain", "ablation", "pairs"]


class Suite(BaseModel):
    """Tasks that are run and shown together.

    ``kind`` is the kind of table. "plain" shows full methods. "ablation" shows methods beside their ablations, which
    run on the tasks of such suites alone. "pairs" compares two tasks, ``tasks`` being pairs one after the other with
    the aligned task first. ``summary`` says in one line what the suite measures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    tasks: tuple[str, ...]
    kind: TableKind = "plain"
    summary: str = ""

    @model_validator(mode="after")
    def _even(self) -> Suite:
        if self.kind == "pairs" and len(self.tasks) % 2:
            raise ValueError(f"suite {self.name}: {len(self.tasks)} tasks, expected an even number, for pairs")
        return self
