"""The commands in README.md, CONTRIBUTING.md and docs/, as the tests take them apart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKS = {"needs-data", "needs-gpu", "needs-network", "takes-minutes", "changes-checkout"}
_FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the marks after it, the line it begins at, and its text."""

    page: Path
    line: int
    language: str
    marks: frozenset[str]
    text: str

    def commands(self) -> Iterator[list[str]]:
        """The words of each command, without environment variables set before it."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                command, words = words[:end], words[end + 1 :]
                while command and re.match(r"[A-Z_]+=", command[0]):
                    command.pop(0)
                if command and command[0] != "export":
                    yield command


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(page, line, fence[1], frozenset(fence[2].split()), fence[3]))
    return found


def prose(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))
