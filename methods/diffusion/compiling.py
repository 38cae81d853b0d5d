"""Limits of ``torch.compile``."""

from __future__ import annotations

from typing import Any

SHAPES = 64  # upper bound on the shapes of a kind of block: channels, sides, batch sizes, with and without gradient


def allow_many_shapes() -> None:
    """Let a compiled function have code for ``SHAPES`` shapes; torch's default is fewer."""
    import torch

    settings: Any = torch._dynamo.config
    limit = "recompile_limit" if hasattr(settings, "recompile_limit") else "cache_size_limit"
    setattr(settings, limit, max(getattr(settings, limit), SHAPES))
