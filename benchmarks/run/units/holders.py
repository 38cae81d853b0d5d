"""Who holds the claims of a run directory, found without writing to it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from benchmarks.run.units.claim_files import Claim
from benchmarks.run.units.claims import stale_after
from leaderboard.process import has_ended


@dataclass(frozen=True)
class KnownClaim:
    """A claim: the unit, who has it, the seconds since it was taken (None: unknown) and since it was renewed."""

    unit: str
    host: str
    pid: int
    job: str
    seconds: float | None
    renewed: float
    stale: bool

    @property
    def holder(self) -> str:
        """The host and process in words, such as 'node7, process 4711, job 12_3'."""
        return Claim(host=self.host, pid=self.pid, job=self.job).holder

    @property
    def cell(self) -> str:
        """The cell of a unit that predicts or scores; '' for any other."""
        name = self.unit.partition("--")[2]
        return {"score": name, "predict": name.rpartition("--")[0]}.get(self.stage, "")

    @property
    def stage(self) -> str:
        """The first word of the unit's name."""
        return self.unit.partition("--")[0]


def claims_in(output: Path, names: Iterable[str]) -> list[KnownClaim]:
    """The claim that counts of each unit, among files of these names; ages are told by this machine's clock.

    It is one that is not stale, else the newest, as in ``Claims.find``.
    """
    numbered: dict[str, list[int]] = {}
    for name in names:
        unit, _, number = name.rpartition(".")
        if unit and number.isdecimal() and not unit.startswith("."):
            numbered.setdefault(unit, []).append(int(number))
    limit, now = stale_after(), time.time()
    found = []
    for unit, numbers in sorted(numbered.items()):
        paths = [output / "claims" / f"{unit}.{number}" for number in sorted(numbers)]
        claims = [claim for path in paths if (claim := _claim(path, now, limit)) is not None]
        if claims:
            found.append(next((claim for claim in reversed(claims) if not claim.stale), claims[-1]))
    return found


def _claim(path: Path, now: float, limit: float) -> KnownClaim | None:
    try:
        renewed = max(0.0, now - path.stat().st_mtime)
        claim = Claim.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        claim, renewed = Claim(), limit + 1 if not path.is_file() else max(0.0, now - path.stat().st_mtime)
    return KnownClaim(
        unit=claim.unit or path.name.rpartition(".")[0],
        host=claim.host or "an unknown host",
        pid=claim.pid,
        job=claim.job,
        seconds=max(renewed, now - claim.since) if claim.since else None,
        renewed=renewed,
        stale=has_ended(claim.process) is True or renewed > limit,
    )
