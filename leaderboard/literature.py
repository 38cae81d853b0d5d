"""Cards of the published systems whose results papers print (``literature.toml``)."""

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
    """One system of the literature; 'unknown' marks a missing fact, 'none stated' code without a licence.

    ``saw_landmarks`` says whether it saw landmarks in training. ``trained_here`` is the id of the method of this
    repository that implements its paper. ``remark`` is a caution for readers of its rows in ``published.csv``.
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
    saw_landmarks: bool = False
    code: str
    code_licence: str
    trained_here: str | None = None
    remark: str | None = None

    @property
    def summary(self) -> str:
        """Authors, year, venue and title in one line, without unknown parts."""
        published = " ".join(str(part) for part in (self.year, self.venue) if part != UNKNOWN)
        whose = ", ".join(part for part in (self.authors, published) if part and part != UNKNOWN)
        return ": ".join(part for part in (whose, self.title) if part and part != UNKNOWN)


@cache
def systems(path: Path = LITERATURE) -> Mapping[str, SystemCard]:
    """The cards by id, in the order of the file. Raises LeaderboardError for a file that is no list of cards."""
    cards: dict[str, SystemCard] = {}
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        for id, entry in entries.items():
            cards[id] = SystemCard.model_validate({"id": id, **entry})
    except ValidationError as error:
        first = error.errors()[0]
        raise LeaderboardError(f"{path}, card {id}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise LeaderboardError(f"{path} is not a list of cards: {error}") from error
    return cards
