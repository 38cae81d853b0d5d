"""Evaluation protocols: the record that defines one, all of them by id, their families, and named sets of them."""

from metrics.protocols.catalogue import PROTOCOLS
from metrics.protocols.digits import significant, value_text
from metrics.protocols.families import FAMILIES, RECOMMENDED, Family
from metrics.protocols.record import Need, Protocol
from metrics.protocols.sets import SETS, expand

__all__ = [
    "FAMILIES",
    "PROTOCOLS",
    "RECOMMENDED",
    "SETS",
    "Family",
    "Need",
    "Protocol",
    "expand",
    "significant",
    "value_text",
]
