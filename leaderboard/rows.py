"""The rows of tables as frozen records, and the fields that csv and json have of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from leaderboard.row_kinds import Kind

if TYPE_CHECKING:
    from leaderboard.paired import ImageErrors
    from leaderboard.records import ResultRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One method on one task under one protocol; a field that does not apply is None.

    ``method`` is a method's id, or for a reported row the id of its card in ``literature.toml``. ``printed`` is the
    value as a paper prints it. ``supervised`` is true if the method saw landmarks in training. ``value`` is a mean over
    ``seeds`` seeds, ``seconds`` their mean time for fit, predict and score. ``limit`` is the ``--limit`` that makes a
    row not comparable. ``outdated`` means that the protocol has changed since. ``variant`` is the name of an ablation,
    ``change`` its difference from the full method, with an interval over seeds. ``commits`` has the short commit of
    each seed, as ``leaderboard.origins.origin_of`` gives it.

    ``ci_low`` and ``ci_high`` are None where nothing varies, and never below 0. Of two seeds they are over test images
    alone, and ``seeds_low`` and ``seeds_high`` are the values of the seeds; these are None for other numbers of seeds.

    ``against`` is the paired difference from the row with the label ``against_method``, with the ends of its interval.

    ``fit_seconds``, ``image_ms`` (milliseconds of prediction for an image), ``peak_memory_mb`` and ``hardware`` are as
    in ``leaderboard.costs``; ``parameters`` were learned, ``frozen_parameters`` only used. ``frozen_data`` is what the
    latter were trained on, ``frozen_labels`` its labels, and ``test_in_frozen_data`` whether it may contain the test
    images. ``labels`` were used in training. ``flags`` are names of ``leaderboard.flags``.

    ``best`` says whether a table shows the value in bold, because it is the best or cannot be told from the best, and
    ``tied`` whether a test image by image says so; only ``leaderboard.ranking.marked`` sets the two.

    ``by_seed`` (value of each seed), ``half`` (half the width of the interval before it is cut off at 0; None without
    one), ``images_half`` (the same over test images alone, 0 without one), ``images`` (reads the errors per image) and
    ``cells`` (the records of the finished seeds) are not written to csv and json.
    """

    method: str
    label: str
    task: str
    profile: str
    kind: Kind
    status: Literal["done", "failed"]
    protocol: str | None = None
    protocol_version: int | None = None
    metric: str | None = None
    value: float | None = None
    printed: str | None = None
    unit: str | None = None
    higher_is_better: bool | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    seeds: int | None = None
    failed_seeds: int | None = None
    n_fit: int | None = None
    n_test: int | None = None
    seconds: float | None = None
    supervision: str
    supervised: bool
    is_floor: bool
    limit: int | None = None
    rank_deficient: bool | None = None
    nearly_singular: bool | None = None
    outdated: bool | None = None
    failure: str | None = None
    note: str | None = None
    variant: str | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    commits: list[str] | None = None
    seeds_low: float | None = None
    seeds_high: float | None = None
    against_method: str | None = None
    against: float | None = None
    against_low: float | None = None
    against_high: float | None = None
    fit_seconds: float | None = None
    image_ms: float | None = None
    hardware: str | None = None
    peak_memory_mb: float | None = None
    parameters: int | None = None
    frozen_parameters: int | None = None
    frozen_data: str | None = None
    frozen_labels: str | None = None
    test_in_frozen_data: str | None = None
    labels: str | None = None
    flags: list[str] = field(default_factory=list)
    best: bool | None = None
    tied: bool | None = None
    by_seed: Mapping[int, float] = field(default_factory=dict)
    half: float | None = None
    images_half: float = 0.0
    images: Callable[[], ImageErrors | None] | None = field(default=None, compare=False)
    cells: tuple[ResultRecord, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the ends of its 95 % interval; None where no interval is known.

    ``half`` is half the interval's width before it is cut off at 0, ``seeds`` the range of two seeds; both are for
    tables and not written to csv and json.
    """

    value: float
    low: float | None = None
    high: float | None = None
    half: float | None = None
    seeds: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PairRow:
    """One method on a pair of tasks, aligned and wild, under one protocol.

    ``aligned`` and ``wild`` are errors in percent of the mean pose's, None if that was not measured. ``aligned_error``
    and ``wild_error`` are in the protocol's unit. ``loss`` is the wild over the aligned error. The row over all pairs
    has 'all' as its tasks and no protocol. ``flags`` are those of both rows.
    """

    method: str
    label: str
    profile: str
    kind: Kind
    supervision: str
    supervised: bool
    is_floor: bool
    aligned_task: str
    wild_task: str
    protocol: str | None = None
    unit: str | None = None
    seeds: int
    aligned_error: float | None = None
    wild_error: float | None = None
    aligned: Estimate | None = None
    wild: Estimate | None = None
    loss: Estimate
    commits: list[str] | None = None
    flags: list[str] = field(default_factory=list)


_ESTIMATES = ("aligned", "wild", "loss")
_INTERNAL = ("by_seed", "half", "images_half", "images", "cells")
FIELDS = tuple(each.name for each in fields(Row) if each.name not in _INTERNAL)
PAIR_FIELDS = tuple(
    name
    for each in fields(PairRow)
    for name in ([f"{each.name}{end}" for end in ("", "_low", "_high")] if each.name in _ESTIMATES else [each.name])
)


def plain(row: Row | PairRow) -> dict[str, Any]:
    """The fields of a row as csv and json have them: ``FIELDS`` or ``PAIR_FIELDS``."""
    if isinstance(row, Row):
        return {name: getattr(row, name) for name in FIELDS}
    found: dict[str, Any] = {}
    for each in fields(row):
        value = getattr(row, each.name)
        if each.name in _ESTIMATES:
            estimate = value or Estimate(value)
            found |= {each.name: estimate.value, f"{each.name}_low": estimate.low, f"{each.name}_high": estimate.high}
        else:
            found[each.name] = value
    return found


def known(value: float | None) -> float:
    """A number that every done row has. Raises ValueError for None."""
    if value is None:
        raise ValueError("the row has no such number; only rows of status 'done' do")
    return value
