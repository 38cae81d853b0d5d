"""Values as text and as numbers, without digits that are rounding errors of the protocol's solver."""

from __future__ import annotations

from metrics.protocols.catalogue import PROTOCOLS


def value_text(protocol: str | None, value: float, decimals: int, of: float | None = None) -> str:
    """A value with ``decimals`` decimals, with fewer where its protocol has only some significant digits.

    The end of an interval is written like the value ``of`` that it belongs to. An unknown protocol has all digits.
    """
    digits, whole = _digits(protocol), value if of is None else of
    places = decimals
    if digits is not None and whole:
        exponent = int(f"{whole:.{digits - 1}e}".partition("e")[2])
        places = min(decimals, digits - 1 - exponent)
    return f"{value if places >= 0 else round(value, places):.{max(places, 0)}f}"


def significant(protocol: str, value: float) -> float:
    """A value rounded to the significant digits of its protocol."""
    digits = _digits(protocol)
    return value if digits is None else float(f"{value:.{digits - 1}e}")


def _digits(protocol: str | None) -> int | None:
    return PROTOCOLS[protocol].digits if protocol in PROTOCOLS else None
