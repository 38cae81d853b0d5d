"""Errors that the user can correct, each reported in one line."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from datasets.base import DatasetError
from leaderboard.text import printable, without_passwords
from methods.base import MethodError

FEW = 8  # known names that a message lists
LISTED = ("method", "dataset", "task", "suite", "protocol", "format", "system")  # kinds that have a list
LONGEST = 2000


class UserError(Exception):
    """A user's mistake. The message is one line: what is wrong, where, got, expected, what to do."""


def correctable() -> tuple[type[Exception], ...]:
    """Exceptions whose message is printed as one line, with exit status 2."""
    from leaderboard.errors import LeaderboardError
    from metrics.errors import MetricError

    return (UserError, MethodError, DatasetError, MetricError, LeaderboardError)


def near_match(name: str, known: Iterable[str], see: str = "") -> str:
    """End of a message about an unknown name: the most similar known name, and where all known names can be seen.

    ``see`` is the command that prints them, without ``python -m benchmarks``. At most ``FEW`` names, and names that no
    command prints, are listed in the message.
    """
    names = sorted(known)
    spelled = {each.lower(): each for each in names}
    matches = get_close_matches(name.lower(), spelled, n=1, cutoff=0.6)
    hint = f"; did you mean '{spelled[matches[0]]}'?" if matches else ""
    if see and len(names) > FEW:
        return f"{hint or ';'} see python -m benchmarks {see}"
    return hint or (f"; known: {', '.join(names)}" if names else "; there are none")


def unknown(kind: str, name: str, known: Iterable[str], see: str | None = None) -> UserError:
    """The error for an unknown name of a kind, with the most similar known name of that kind.

    ``see`` is as for ``near_match``, by default the list of the kind if there is one.
    """
    listed = f"list {kind}s" if kind in LISTED else ""
    return UserError(f"unknown {kind} '{name}'{near_match(name, known, listed if see is None else see)}")


def bad_settings(owner: str, error: ValidationError, config: type[BaseModel]) -> UserError:
    """The error for settings of ``owner`` that pydantic refused, in one line."""
    return UserError("; ".join(_bad_setting(owner, dict(detail), config) for detail in error.errors()))


def _bad_setting(owner: str, detail: dict[str, Any], config: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{owner} has no setting '{name}'{near_match(name, config.model_fields, f'describe {owner}')}"
    where = f"setting {owner}.{name}" if name else f"settings of {owner}"
    return f"{where}: {detail['msg']}, got {detail['input']!r}"


def first_line(error: BaseException) -> str:
    """The message of an error on one printable line, without passwords; its type if the message is empty.

    The middle of a message of more than LONGEST characters is left out.
    """
    line = printable(without_passwords(" ".join(str(error).split()))) or type(error).__name__
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
