"""The simulation as text: tables of makespans in markdown, and what bounds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tabulate import tabulate

from benchmarks.scaling.costs import Costs
from benchmarks.scaling.plan import Settings, Work, work_of
from benchmarks.scaling.schedule import Schedule, least_durations, longest_chain, lower_bound, simulate, tails

Order = Literal["longest", "stages", "cells"]
GPUS = (1, 8, 64, 512)
SHARED = 8  # GPUs for one fit
NEAR = 0.9  # share of the makespan from which the longest chain is what bounds it


@dataclass(frozen=True)
class Scenario:
    """How the units are done.

    ``order`` takes first the unit with the longest chain after it, or goes stage by stage as a plan does, or cell by
    cell as ``run`` does. With ``jobs`` each unit has a process of its own, as in an array of SLURM. ``estimates``
    multiplies every estimated cost.
    """

    settings: Settings = field(default_factory=Settings)
    order: Order = "longest"
    jobs: bool = False
    estimates: float = 1.0


@dataclass(frozen=True)
class Simulated:
    """The units of a scenario with their schedule on some GPUs; ``bound`` is what no schedule can beat, in seconds."""

    work: Sequence[Work]
    gpus: int
    schedule: Schedule
    bound: float

    @property
    def makespan(self) -> float:
        """The seconds until all is done."""
        return self.schedule.makespan

    def shares(self) -> dict[str, float]:
        """The parts of all GPUs' time: methods at work, waiting for images, preparing, and without a unit."""
        whole = self.makespan * self.gpus
        busy, working = sum(self.schedule.durations), sum(each.job.seconds for each in self.work)
        waits = sum(each.waits for each in self.work)
        return {
            "the work of the methods": (working - waits) / whole,
            "decoding images": waits / whole,
            "starting and loading": (busy - working) / whole,
            "units that others need first": 1 - busy / whole,
        }

    def chain(self) -> list[Work]:
        """The longest chain of units."""
        jobs = [each.job for each in self.work]
        return [self.work[number] for number in longest_chain(jobs, self.schedule.durations)]

    def bounded_by(self) -> str:
        """What bounds the makespan, in words."""
        chain = self.chain()
        if sum(each.job.seconds for each in chain) > NEAR * self.makespan:
            return max(chain, key=lambda each: each.job.seconds).title
        shares = self.shares()
        return max(shares, key=lambda name: shares[name])


def run(scenario: Scenario, costs: Costs, gpus: Sequence[int] = GPUS) -> list[Simulated]:
    """Simulate a scenario on each number of GPUs."""
    costs = costs.scaled(scenario.estimates)
    work = work_of(scenario.settings, costs)
    jobs = [each.job for each in work]
    start = (costs.job if scenario.jobs else costs.worker).seconds
    least = least_durations(jobs, start, scenario.jobs)
    order = _order(work, scenario.order, least)
    return [
        Simulated(work, count, simulate(jobs, count, order, start, scenario.jobs), lower_bound(jobs, count, least))
        for count in gpus
    ]


def _order(work: Sequence[Work], order: Order, least: Sequence[float]) -> list[float]:
    if order == "longest":
        return [-tail for tail in tails([each.job for each in work], least)]
    if order == "stages":
        return list(map(float, range(len(work))))
    cells = {name: float(number) for number, name in enumerate(dict.fromkeys(each.unit.cell_id for each in work))}
    return [cells[each.unit.cell_id] for each in work]


def report(costs: Costs, settings: Settings, gpus: Sequence[int] = GPUS) -> str:
    """Both tables and what they say, as markdown."""
    base = Scenario(settings)
    found = run(base, costs, gpus)
    return "\n\n".join([_about(found[0]), _table(found), _limit(found[0]), _what_if(base, costs, gpus)])


def _about(one: Simulated) -> str:
    cells = {each.unit.cell_id for each in one.work}
    methods, seeds = {each.cell.method for each in one.work}, {each.cell.seed for each in one.work}
    tasks = {each.cell.task.id for each in one.work}
    return (
        f"{len(tasks)} tasks x {len(methods)} methods x {len(seeds)} seeds: {len(cells):,} cells, {len(one.work):,} "
        "units."
    )


def _table(found: Sequence[Simulated]) -> str:
    rows = []
    for each in found:
        alone = sum(work.job.seconds for work in each.work)
        speed_up, shares = alone / each.makespan, each.shares()
        rows.append(
            [
                each.gpus,
                duration(each.makespan),
                duration(each.bound),
                f"{speed_up:.1f}",
                f"{speed_up / each.gpus:.0%}",
                f"{shares['starting and loading']:.1%}",
                f"{shares['decoding images']:.1%}",
                f"{sum(work.reads for work in each.work) / each.makespan:,.0f}",
                each.bounded_by(),
            ]
        )
    head = ["GPUs", "makespan", "least possible", "speed-up", "efficiency", "starting", "decoding", "images/s", "bound"]
    return tabulate(rows, head, "pipe", disable_numparse=True, colalign=["right"] * 8 + ["left"])


def _limit(one: Simulated) -> str:
    """Where it stops scaling."""
    jobs = [each.job for each in one.work]
    chain = [one.work[number] for number in longest_chain(jobs, [job.seconds for job in jobs])]
    whole, longest = sum(job.seconds for job in jobs), sum(each.job.seconds for each in chain)
    steps = ", ".join(f"{each.title} {duration(each.job.seconds)}" for each in chain)
    return (
        f"The work is {duration(whole)} of one GPU and the longest chain {duration(longest)} ({steps}), so that more "
        f"than {whole / longest:.0f} GPUs gain nothing."
    )


def _what_if(base: Scenario, costs: Costs, gpus: Sequence[int]) -> str:
    rows = []
    for name, scenario in what_ifs(base).items():
        found = run(scenario, costs, gpus)
        rows.append([name, *(duration(each.makespan) for each in found), found[-1].bounded_by()])
    head = ["what differs", *(f"{count} GPU{'s' if count > 1 else ''}" for count in gpus), f"bound on {gpus[-1]}"]
    return tabulate(rows, head, "pipe", disable_numparse=True, colalign=["left"] + ["right"] * len(gpus) + ["left"])


def what_ifs(base: Scenario) -> dict[str, Scenario]:
    """Scenarios that differ from ``base`` in one way each, by what differs."""

    def with_settings(**changes: object) -> Scenario:
        return replace(base, settings=replace(base.settings, **changes))  # type: ignore[arg-type]

    def tokens(**settings: int) -> dict[str, dict[str, int]]:
        return dict.fromkeys(("stable_keypoints", "random_tokens"), settings)

    return {
        "nothing": base,
        "stage by stage, as a plan lists them": replace(base, order="stages"),
        "cell by cell, as `run` does": replace(base, order="cells"),
        "a process for each unit (SLURM)": replace(base, jobs=True),
        "the same, shards of 8,192": replace(with_settings(shard_size=8192), jobs=True),
        "shards of 512": with_settings(shard_size=512),
        "shards of 8,192": with_settings(shard_size=8192),
        "tasks share no fits": with_settings(sharing=False),
        f"{SHARED} GPUs for a fit (torchrun, `batch_size={SHARED}`)": with_settings(
            fit_gpus=SHARED, changes=tokens(batch_size=SHARED)
        ),
        "`selection_images=100`": with_settings(changes=tokens(selection_images=100)),
        "estimated costs halved": replace(base, estimates=0.5),
        "estimated costs doubled": replace(base, estimates=2.0),
    }


def duration(seconds: float) -> str:
    """Hours from 100 minutes on, minutes from 100 seconds on, else seconds."""
    if seconds >= 6000:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 100 else f"{seconds:.0f} s"
