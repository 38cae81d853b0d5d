"""BibTeX of systems and datasets; a fact that is not known is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leaderboard.literature import UNKNOWN, SystemCard
from leaderboard.text import printable

NO_PROCEEDINGS = ("arXiv",)
_SIGNS = {**{sign: f"\\{sign}" for sign in "%&#_$"}, "\\": r"\textbackslash ", "~": r"\textasciitilde ", "^": r"\^{}"}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_CITATION = re.compile(r"(?P<authors>[^:;.]+): (?P<title>[^.;]+)\. (?P<venue>[A-Z][\w&-]*) (?P<year>\d{4})\b")
_WEB = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Entry:
    """An entry: its type, such as 'misc', its key and its fields as plain text."""

    type: str
    key: str
    fields: Mapping[str, str]


def of_system(card: SystemCard) -> Entry:
    """The entry of a published system under the id of its card."""
    venue, year = ("" if each == UNKNOWN else str(each) for each in (card.venue, card.year))
    in_proceedings = bool(venue) and venue not in NO_PROCEEDINGS
    fields = {
        "title": card.name if card.title == UNKNOWN else card.title,
        "author": _authors(card.authors),
        "year": year,
        "booktitle": venue if in_proceedings else "",
        "howpublished": "" if in_proceedings else venue,
        "url": card.paper if _WEB.fullmatch(card.paper) else "",
    }
    return Entry("inproceedings" if in_proceedings else "misc", card.id, fields)


def of_citation(key: str, title: str, citation: str) -> Entry:
    """The entry of a dataset: authors, title, venue and year where the citation begins with them, and all in a note."""
    found = _CITATION.match(citation)
    if found is None:
        return Entry("misc", key, {"title": title, "note": citation})
    rest = citation[found.end() :].strip(" .;,")
    fields = {
        "title": found["title"],
        "author": _authors(found["authors"]),
        "year": found["year"],
        "booktitle": found["venue"],
        "note": f"{title}; {rest}" if rest else title,
    }
    return Entry("inproceedings", key, fields)


def to_bibtex(entries: Iterable[Entry], remarks: Iterable[str] = ()) -> str:
    """The text of a .bib file with each key once, in the order of the entries, and remarks as comments above them.

    Keys keep letters, digits, hyphens, colons and underscores. Braces are left out of values, which they would end.
    """
    lines = [f"% {printable(remark).replace('@', ' at ')}\n" for remark in remarks]
    found: dict[str, Entry] = {}
    for entry in entries:
        found.setdefault(re.sub(r"[^\w:-]", "-", entry.key, flags=re.ASCII), entry)
    for key, entry in found.items():
        fields = "".join(f",\n  {name} = {{{_value(name, text)}}}" for name, text in entry.fields.items() if text)
        lines.append(f"@{entry.type}{{{key}{fields}\n}}\n")
    return "\n".join(lines)


def _value(name: str, text: str) -> str:
    plain = " ".join(printable(text).split()).replace("{", "").replace("}", "")
    if name == "url":
        return plain
    escaped = _SIGN.sub(lambda found: _SIGNS[found[0]], plain)
    return f"{{{escaped}}}" if name == "title" else escaped  # the inner braces keep its capitals


def _authors(text: str) -> str:
    """Names that a text lists with commas and 'and', as BibTeX lists them; 'et al.' becomes 'others'."""
    if text == UNKNOWN:
        return ""
    listed = text.removesuffix("et al.").strip(" ,")
    names = [name for part in listed.split(",") for name in part.strip().split(" and ") if name.strip()]
    return " and ".join([*(name.strip() for name in names), *(["others"] if listed != text else [])])
