"""New records merged into a committed list, so that a run of a few cells leaves all other results as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.load import as_committed, list_text
from leaderboard.records import SCHEMA_VERSION, ResultRecord
from leaderboard.row_kinds import kind_of


@dataclass(frozen=True)
class Merged:
    """The records of a committed list after an update, and how many were added, replaced, kept and removed.

    A record that is in the run and in the list, with the same content, counts as kept.
    """

    records: tuple[ResultRecord, ...]
    added: int
    replaced: int
    kept: int
    removed: int

    def counts(self) -> str:
        """The numbers in words, such as '9 added, 3 replaced, 240 kept'."""
        removed = f", {self.removed} removed" if self.removed else ""
        return f"{self.added} added, {self.replaced} replaced, {self.kept} kept{removed}"


def merge(old: Sequence[ResultRecord], new: Iterable[ResultRecord], replace: bool = False) -> Merged:
    """The old records with the new ones in place of those of the same cell (see ``same_cell``).

    Of several new records of one cell the latest counts, as in tables. Old records without a new one are kept, or
    removed if ``replace`` is true. The records come back as a committed list holds them.
    """
    latest: list[ResultRecord] = []
    for record in map(as_committed, sorted(new, key=_date)):
        latest = [*(each for each in latest if not same_cell(each, record)), record]
    matches = [_matches(record, old) for record in latest]
    gone = {record.cell_id for found in matches for record in found}
    texts = set(map(_text, latest))
    unchanged = sum(_text(record) in texts for record in old if record.cell_id in gone)
    others = [record for record in old if record.cell_id not in gone]
    return Merged(
        records=(*latest, *([] if replace else others)),
        added=sum(not found for found in matches),
        replaced=len(gone) - unchanged,
        kept=unchanged + (0 if replace else len(others)),
        removed=len(others) if replace else 0,
    )


def same_cell(one: ResultRecord, other: ResultRecord) -> bool:
    """Whether two committed records measure one thing, so that the newer takes the place of the older.

    Method, label, ablation, task, profile, seed and kind are equal, and so is each setting that both records have:
    other settings make a row of its own. Versions of method, data and code, and settings that only one of the two
    versions of a method has, make no difference.
    """
    if one.cell_id == other.cell_id:
        return True
    return _place(one) == _place(other) and _agree(_settings(one), _settings(other))


def _matches(record: ResultRecord, old: Sequence[ResultRecord]) -> list[ResultRecord]:
    """The old records that a new one replaces; if one has exactly its settings, that one alone."""
    found = [each for each in old if same_cell(each, record)]
    exact = [each for each in found if each.cell_id == record.cell_id or _settings(each) == _settings(record)]
    return exact or found


def _place(record: ResultRecord) -> tuple[Any, ...]:
    variant = record.variant.name if record.variant else None
    limit = record.n_images_limit
    return (
        kind_of(record),
        record.method,
        record.method_label,
        variant,
        record.task,
        record.profile,
        record.seed,
        limit,
    )


def _settings(record: ResultRecord) -> dict[str, Any]:
    """The settings that tell rows apart (see ``leaderboard.aggregate``), without the version."""
    identity = {} if kind_of(record) == "scored" else record.method_identity
    return {**record.method_config, **record.by_dataset, **identity}


def _agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def _text(record: ResultRecord) -> str:
    """A record's line in a list, without the digest, which lists of older versions lack."""
    return list_text([record.model_copy(update={"schema_version": SCHEMA_VERSION, "digest": None})])


def _date(record: ResultRecord) -> tuple[str, str]:
    return str(record.provenance.get("date", "")), record.cell_id
