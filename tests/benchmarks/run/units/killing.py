"""Processes that do the units of one plan together and are killed at random moments.

``python -m tests.benchmarks.run.units.killing --kills 20`` keeps four ``work`` processes at the units of a plan of toy
cells, kills them (SIGKILL) at random moments, and compares what is kept at the end with that of a ``run`` in one
process. Run it in the root of a checkout.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.run.units.plan_file import PlanFile, read_plan
from tests.benchmarks.records.killing import kept
from tests.benchmarks.run.toy_process import PROGRAM

ROOT = Path(__file__).resolve().parents[4]
OPTIONS = ["--method", "toy_colours", "--task", "toy_many", "--no-floors", "--device", "cpu"]
MORE = ["--method", "grid", "--seeds", "2", "--task", "toy", "--task", "toy_transfer"]
SLOW = ["--set", "toy_colours.pause=0.05", "--set", "toy_colours.batch_pause=0.1"]


def command(*arguments: str) -> list[str]:
    """A command line of the benchmark with the toys."""
    return [sys.executable, "-c", PROGRAM, str(ROOT / "tests" / "plugins"), *arguments]


def toy_run(root: Path, output: Path, *options: str) -> list[str]:
    """``run`` of the toys into a folder; the same options for the plan and for the run to compare with."""
    fixed = ["--data-root", str(root), "--output", str(output), "--no-mlflow"]
    return command("run", *OPTIONS, *SLOW, *fixed, *options)


def run(arguments: Sequence[str]) -> None:
    """Run a command. Raises CalledProcessError unless its exit status is 0."""
    subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@dataclass
class Workers:
    """Processes at the units of a plan; ``statuses`` has the exit statuses of those that ended by themselves."""

    path: Path
    output: Path
    plan: PlanFile
    count: int = 4
    killed: int = 0
    statuses: list[int] = field(default_factory=list)
    running: list[tuple[int, subprocess.Popen[str]]] = field(default_factory=list)

    def work(self, kills: int, drawn: random.Random) -> None:
        """Do all units, those of a stage in a random order; kill ``kills`` processes on the way."""
        due = time.monotonic() + drawn.uniform(0.5, 2)
        for stage in ("fit", "predict", "score"):
            waiting = [number for number, unit in enumerate(self.plan.units) if unit.stage == stage]
            drawn.shuffle(waiting)
            waiting += waiting[: self.count]  # some units twice, often at the same time
            while waiting or self.running:
                while waiting and len(self.running) < self.count:
                    self._start(waiting.pop(0))
                time.sleep(0.01)
                waiting += self._ended()
                if self.killed < kills and self.running and time.monotonic() > due:
                    drawn.choice(self.running)[1].kill()
                    due = time.monotonic() + drawn.uniform(0.2, 1.5)

    def _start(self, number: int) -> None:
        arguments = command("work", str(self.path), "--unit", str(number), "--output", str(self.output))
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.running.append((number, process))

    def _ended(self) -> list[int]:
        """Forget the processes that have ended; returns the units that must be done again."""
        again = []
        for number, process in list(self.running):
            status = process.poll()
            if status is None:
                continue
            self.running.remove((number, process))
            said = process.communicate()[1]
            if status == -9:
                self.killed += 1
                again.append(number)
            else:
                self.statuses.append(status)
                if status:
                    print(f"unit {number}: exit status {status}\n{said[-1000:]}", file=sys.stderr)
        return again


def kill_workers(
    folder: Path, kills: int, seed: int, workers: int = 4, options: Sequence[str] = ()
) -> tuple[Workers, list[str]]:
    """Do a plan with kills, and a run without; returns the workers, and the files that differ at the end."""
    root, output, whole = folder / "data", folder / "runs", folder / "whole"
    root.mkdir()
    run(toy_run(root, output, *options, "--emit", "plan", "--shard-size", "16"))
    path = output / "plan.json"
    found = Workers(path, output, read_plan(path), workers)
    found.work(kills, random.Random(seed))
    run(toy_run(root, whole, *options))
    killed, expected = kept(output), kept(whole)
    names = sorted(killed.keys() | expected.keys())
    return found, [name for name in names if killed.get(name, 0) != expected.get(name, 0)]


def main(
    kills: Annotated[int, typer.Option(help="Kills in all.")] = 20,
    workers: Annotated[int, typer.Option(help="Processes at the same time.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the moments and of the order of units.")] = 0,
) -> None:
    """Kill ``work`` processes, and print how many files differ from those of a run in one process."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        found, unequal = kill_workers(Path(folder), kills, seed, workers, MORE)
        left = [path.name for path in Path(folder, "runs", "claims").iterdir() if path.name.startswith(".")]
    bad = sum(status != 0 for status in found.statuses)
    print(
        f"{found.killed} kills at {len(found.plan.units)} units of {len(found.plan.cells)} cells with {workers} "
        f"processes: {len(unequal)} files differ, {bad} of {len(found.statuses)} commands that were not killed failed, "
        f"{len(left)} temporary files left"
    )
    for name in unequal:
        print(name)
    raise typer.Exit(1 if unequal or bad or found.killed < kills else 0)


if __name__ == "__main__":
    typer.run(main)
