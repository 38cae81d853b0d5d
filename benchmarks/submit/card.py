"""``card.toml`` of a submission: who made the predictions, with what, and in which files they are."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from benchmarks.errors import near_match
from benchmarks.submit.problems import Problem, short
from leaderboard.text import fault
from methods.adapters.neutral import SUFFIXES, Submission
from methods.imported import slug

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

CARD = "card.toml"
CARD_BYTES = 64_000
FILES = 200  # files of a submission
REMOTE_BYTES = 200_000_000  # of a file at an address
EARLIEST = datetime.date(2000, 1, 1)
GUIDE = "docs/submit.md shows a complete card"
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HOST = re.compile(r"\.[a-z][a-z0-9-]*$")  # ends in a domain, as no address of a machine by number does
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _line(text: str) -> str:
    if reason := fault(text):
        raise ValueError(reason)
    return text


def _name(text: str) -> str:
    if "@" in _line(text):
        raise ValueError("has an @, which would notify a person wherever the row is shown")
    return text


def check_address(text: str) -> str:
    """An https address without user and password. Raises ValueError for any other text."""
    parts = urlsplit(_line(text))
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or " " in text:
        raise ValueError("is no address that starts with https:// and has no user and password")
    if not _HOST.search(parts.hostname):
        raise ValueError("names a machine by its number or without a domain")
    return text


def _as_list(given: Any) -> Any:
    """A file or an address alone as a list of one; a text as the name of a file."""
    found = given if isinstance(given, list) else [given]
    return [{"file": each} if isinstance(each, str) else each for each in found]


Line = Annotated[str, AfterValidator(_line)]
Address = Annotated[str, AfterValidator(check_address)]
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(BaseModel):
    """A file of the folder, or an https address with the sha256 and the size in bytes of what is there."""

    model_config = _STRICT

    file: str | None = Field(default=None, description="the name of a file in the folder")
    url: Address | None = Field(default=None, description="the https address of a file")
    sha256: str | None = Field(default=None, description="64 digits 0-9 and a-f, as sha256sum prints them")
    bytes: int | None = Field(default=None, description="the size of the file, a whole number")

    @model_validator(mode="after")
    def _one_of_both(self) -> Source:
        remote = (self.url, self.sha256, self.bytes)
        if (self.file is None) == (self.url is None) or (self.file is not None and remote != (None, None, None)):
            raise ValueError("is neither the name of a file nor { url, sha256, bytes }")
        if self.file is not None and not (_FILE.fullmatch(self.file) and Path(self.file).suffix in SUFFIXES):
            raise ValueError(f"{short(self.file)} is not the name of such a file in the folder itself")
        if self.url is not None and not _SHA256.fullmatch(self.sha256 or ""):
            raise ValueError("the sha256 is missing or not 64 digits 0-9 and a-f")
        if self.url is not None and not 0 < (self.bytes or 0) <= REMOTE_BYTES:
            raise ValueError(f"the bytes are missing or not from 1 to {REMOTE_BYTES:,}")
        if self.url is not None and Path(urlsplit(self.url).path).suffix not in SUFFIXES:
            raise ValueError(f"the address does not end in {', '.join(SUFFIXES)}")
        return self

    @property
    def name(self) -> str:
        """The name of the file, or the address."""
        return self.file or self.url or ""


Sources = Annotated[list[Source], BeforeValidator(_as_list), Field(min_length=1)]


class Card(BaseModel):
    """The fields of ``card.toml``; the descriptions stand in messages, as what is expected."""

    model_config = _STRICT

    name: Annotated[str, AfterValidator(_name), Field(description="the name of the row, one line of text")]
    authors: list[Line] = Field(min_length=1, max_length=100, description='a list of names, such as ["Ada Lovelace"]')
    licence: Line = Field(description='the licence of the predictions, such as "CC-BY-4.0"')
    supervision: Line = Field(description='what the method learned from, such as "unsupervised"')
    saw_landmarks: bool = Field(description="true if the method saw landmarks in training, else false")
    trained_on: Line = Field(description="the images that the method and its frozen parts were trained on")
    submitted_by: Line = Field(description="your name or account")
    date: datetime.date = Field(description="the day of the submission, such as 2026-11-27 without quotes")
    paper: Line | None = Field(default=None, description="title or address of the paper")
    code: Address | None = Field(default=None, description="https address of the code")
    profile: Literal["mini", "paper"] = Field(
        default="paper", description='"paper" for the real images, "mini" for the synthetic ones'
    )
    predictions: dict[str, Sources] = Field(
        min_length=1,
        description='for each task a file of this folder that ends in .parquet, .npz or .csv, such as "cub_001.csv", '
        "an address { url, sha256, bytes }, or a list of these",
    )

    @property
    def method(self) -> str:
        """The name of the row, as ``import`` calls it."""
        return self.name

    def sources(self) -> list[Source]:
        """The files and addresses of all tasks."""
        return [source for sources in self.predictions.values() for source in sources]

    def submission(self) -> Submission:
        """What the records of the rows keep of the card."""
        return Submission(
            by=self.submitted_by,
            date=self.date.isoformat(),
            authors=tuple(self.authors),
            licence=self.licence,
            trained_on=self.trained_on,
            paper=self.paper,
            code=self.code,
        )


def parse_card(text: str, folder: str, taken: Sequence[str]) -> tuple[Card | None, list[Problem]]:
    """The card, None if it cannot be used, and what is wrong with it.

    ``folder`` is the name of the submission's folder; ``taken`` are names of rows that the benchmark has itself.
    """
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        got = "tables are nested too deeply" if isinstance(error, RecursionError) else str(error)
        return None, [Problem(CARD, got, "TOML", GUIDE)]
    try:
        card = Card.model_validate(found)
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            return None, [Problem(CARD, "tables are nested too deeply", "the fields of a card", GUIDE)]
        problems = list(dict.fromkeys(map(_problem, error.errors())))
        return None, problems + _about_name(found.get("name"), folder, taken)
    return card, [*_about_name(card.name, folder, taken), *_about_card(card)]


def _problem(detail: ErrorDetails) -> Problem:
    """A mistake that pydantic found."""
    path = [str(part) for part in detail["loc"]]
    top = path[0] if path else ""
    where = _place(path)
    if detail["type"] == "extra_forbidden":
        known = Card.model_fields if len(path) == 1 else Source.model_fields
        table = f"{_place(path[:-1])}, " if len(path) > 1 else f"{CARD}, "
        return Problem(f"{table}{short(path[-1])}", f"unknown field{near_match(path[-1][:40], known)}", "", GUIDE)
    field = Source.model_fields.get(path[-1]) if len(path) > 1 else None
    field = field or Card.model_fields.get(top)
    expected = str(field.description) if field else "a table of fields"
    if detail["type"] == "missing":
        return Problem(where, "is missing", expected, "add it")
    own = str(detail["msg"]).removeprefix("Value error, ") if detail["type"] == "value_error" else ""
    given = detail["input"]
    if isinstance(given, dict | list) and given:
        return Problem(where, own or f"got a {'table' if isinstance(given, dict) else 'list'}", expected, "correct it")
    return Problem(where, ": ".join(filter(None, [f"got {short(given)}", own])), expected, "correct it")


def _place(path: Sequence[str]) -> str:
    return f"{CARD}, {'.'.join(part[:40] for part in path)}"


def _about_name(name: object, folder: str, taken: Sequence[str]) -> list[Problem]:
    """What is wrong with the name of a row beside its folder and the rows that are there."""
    if not isinstance(name, str) or fault(name):
        return []
    where, wanted = f"{CARD}, name", slug(name)
    if not wanted:
        return [Problem(where, f"got {short(name)}", "a name with letters a to z or digits", "choose another name")]
    if wanted in {slug(each) for each in taken}:
        return [Problem(where, f"{short(name)} is a row that the benchmark makes itself", "", "choose another name")]
    if wanted != folder:
        remedy = f"rename the folder to {wanted}, or the row"
        return [Problem(where, f"{short(name)} is in the folder {short(folder)}", f"a folder {wanted}", remedy)]
    return []


def _about_card(card: Card) -> list[Problem]:
    """What is wrong with fields of a card beside each other."""
    problems = []
    latest = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    if not EARLIEST <= card.date <= latest:
        problems.append(Problem(f"{CARD}, date", f"got {card.date}", f"a day from {EARLIEST} to today", "correct it"))
    supervision = card.supervision.strip().lower()
    if not card.saw_landmarks and supervision == "supervised":
        remedy = "correct one of the two, or say what else supervised it, such as class labels"
        got = "got false beside the supervision 'supervised'"
        problems.append(Problem(f"{CARD}, saw_landmarks", got, "facts that agree", remedy))
    if card.saw_landmarks and supervision in ("unsupervised", "none"):
        got = f"got true beside the supervision {short(card.supervision)}"
        problems.append(Problem(f"{CARD}, saw_landmarks", got, "facts that agree", "correct one of the two"))
    if len(card.sources()) > FILES:
        got = f"names {len(card.sources()):,} files"
        problems.append(Problem(f"{CARD}, predictions", got, f"at most {FILES}", "put several into one"))
    names = [source.name for source in card.sources()]
    for name in sorted({name for name in names if names.count(name) > 1}):
        got = f"names {short(name)} {names.count(name)} times"
        problems.append(Problem(f"{CARD}, predictions", got, "each file once", "leave out the others"))
    return problems
