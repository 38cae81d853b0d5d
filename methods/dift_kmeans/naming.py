"""Messages of the shared backbone in the name of the method that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from methods.base import MethodError

OWNER = "stable_keypoints"


@contextmanager
def named_after(method: str) -> Iterator[None]:
    """Let a MethodError of the backbone name ``method`` and its settings; paths stay as they are."""
    try:
        yield
    except MethodError as error:
        text = str(error)
        for sign in (":", "."):
            text = text.replace(f"{OWNER}{sign}", f"{method}{sign}")
        raise MethodError(text) from error
