"""The page of protocols, with the audit of published rows."""

from __future__ import annotations

from itertools import groupby

from benchmarks.describe.protocol import protocol_card
from benchmarks.publish.site import Site
from leaderboard.published import published_facts
from metrics.protocols import PROTOCOLS

_NAMES = ("label", "supervision", "table", "K", "value", "unit", "protocol", "basis")
_HEADINGS = ("method", "supervision", "table", "K", "printed", "unit", "protocol", "known from", "note")


def write_protocols(site: Site) -> None:
    """Write the page."""
    families: dict[str, list[tuple[str, str]]] = {}
    for name, protocol in PROTOCOLS.items():
        families.setdefault(name.split("/")[0], []).append((name, protocol_card(protocol)))
    facts = sorted(published_facts(), key=lambda fact: (fact["task"], fact["metric"]))
    groups = []
    for (task, metric), group in groupby(facts, key=lambda fact: (fact["task"], fact["metric"])):
        own = list(group)
        notes = list(dict.fromkeys(fact["differs"] for fact in own))
        lines = [[*(fact[name] for name in _NAMES), f"({notes.index(fact['differs']) + 1})"] for fact in own]
        groups.append((task, metric, lines, [f"({number}) {note}" for number, note in enumerate(notes, start=1)]))
    site.render(
        "protocols.html",
        "protocols.html",
        "Protocols and audit",
        families=families.items(),
        audit=groups,
        audit_headings=_HEADINGS,
    )
