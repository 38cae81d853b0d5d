"""Cards of the systems whose rows papers print: what they are, whose, under which licence (``literature.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from leaderboard.errors import LeaderboardError

LITERATURE = Path(__file__).parent / "literature.toml"
UNKNOWN = "unknown"


class SystemCard(BaseModel):
    """One system of the literature; 'unknown' stands for what is not known, 'none stated' for code without a licence.

    ``rows`` are the names that it has in the column ``method`` of ``published.csv``, ``trained_here`` is the id of the
    method of this repository that was written after its paper, and ``remark`` what a reader of its rows must know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    title: str
    authors: str
    year: int | Literal["unknown"]
    venue: str
    paper: str
    supervision: str
    code: str
    code_licence: str
    trained_here: str | None = None
    rows: tuple[str, ...]
    remark: str | None = None

    @property
    def summary(self) -> str:
        """Authors, year, venue and title in a line, without what is not known."""
        published = " ".join(str(part) for part in (self.year, self.venue) if part != UNKNOWN)
        whose = ", ".join(part for part in (self.authors, published) if part and part != UNKNOWN)
        return ": ".join(part for part in (whose, self.title) if part and part != UNKNOWN)


@cache
def systems(path: Path = LITERATURE) -> Mapping[str, SystemCard]:
    """The cards by id, in the order of the file.

    Raises LeaderboardError for a file that is no list of cards, and for a row's name that two cards claim.
    """
    cards: dict[str, SystemCard] = {}
    owners: dict[str, str] = {}
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        for id, entry in entries.items():
            cards[id] = SystemCard.model_validate({"id": id, **entry})
    except ValidationError as error:
        first = error.errors()[0]
        raise LeaderboardError(f"{path}, card {id}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise LeaderboardError(f"{path} is not a list of cards: {error}") from error
    for card in cards.values():
        for name in card.rows:
            if owners.setdefault(name, card.id) != card.id:
                raise LeaderboardError(f"{path}: rows '{name}' belong to {owners[name]} and to {card.id}; to one alone")
    return cards


def system_of(name: str) -> str:
    """The id of the card that has the rows of this name. Raises LeaderboardError where none has."""
    for card in systems().values():
        if name in card.rows:
            return card.id
    raise LeaderboardError(f"no card of {LITERATURE} has the rows '{name}'; add the name to the rows of one")
