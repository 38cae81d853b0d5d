"""Evaluation protocols: the record that defines one, all of them by id, and named sets of them."""

from metrics.protocols.catalogue import PROTOCOLS
from metrics.protocols.digits import significant, value_text
from metrics.protocols.record import Need, Protocol
from metrics.protocols.sets import SETS, expand

__all__ = ["PROTOCOLS", "SETS", "Need", "Protocol", "expand", "significant", "value_text"]
