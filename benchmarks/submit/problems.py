"""What is wrong with a submission: a list of lines, so that everything can be mended at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from leaderboard.text import printable, without_passwords

SHOWN = 60  # characters of a value in a line
LISTED = 100  # problems in a list; of the others only the number is given


@dataclass(frozen=True)
class Problem:
    """One mistake: its place in the submission, the value found, the value expected, and the remedy."""

    where: str
    got: str
    expected: str = ""
    remedy: str = ""

    def line(self) -> str:
        """The mistake in one printable line, without passwords."""
        expected = f", expected {self.expected}" if self.expected else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return printable(without_passwords(" ".join(f"{self.where}: {self.got}{expected}{remedy}".split())))

    def plain(self) -> dict[str, str]:
        """The parts of the line, for JSON."""
        return {name: printable(without_passwords(text)) for name, text in asdict(self).items()}


def short(value: object) -> str:
    """A value as Python writes it, in ASCII and cut to a few characters."""
    text = ascii(value[: SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def listed(problems: list[Problem]) -> list[str]:
    """The lines of the first problems, and the number of the others."""
    lines = [problem.line() for problem in problems[:LISTED]]
    return lines + [f"and {len(problems) - LISTED:,} more"] * (len(problems) > LISTED)
