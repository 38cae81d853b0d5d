"""Plain text in two columns."""

from __future__ import annotations

from collections.abc import Iterable

Pairs = Iterable[tuple[str, str]]


def columns(pairs: Pairs) -> str:
    """One line a pair: the name, padded to the longest one, and its text."""
    lines = list(pairs)
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join(f"  {name:<{width}}  {text}".rstrip() for name, text in lines)
