"""The ``doctor`` command from options to exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from benchmarks.doctor import leftovers, predictions, results
from benchmarks.doctor.folder import Fault, RunFolder
from benchmarks.doctor.options import DoctorOptions
from benchmarks.records.checks import record_fault
from benchmarks.records.listing import PLAN, list_run
from benchmarks.settings import choose_data_root
from leaderboard.load import CURE
from leaderboard.text import counted, printable


def doctor_command(options: DoctorOptions) -> int:
    """Check a run directory and repair it; returns the exit status.

    Raises UserError if the folder is no run directory or cannot be written.
    """
    root, _ = choose_data_root(options.data_root)
    visit = _Visit(options.output, root, options.dry_run)
    visit.go()
    return 1 if visit.left or (options.dry_run and visit.faults) else 0


class _Visit:
    """One examination: ``faults`` counts those that were found, ``left`` has those that are still there."""

    def __init__(self, output: Path, root: Path | None, dry_run: bool) -> None:
        self._output = output
        self._root = root
        self._dry_run = dry_run
        self._console = Console(highlight=False)
        self.faults = 0
        self.left: list[Fault] = []

    def go(self) -> None:
        """Examine and repair, kind by kind; later kinds see what earlier ones have removed."""
        run = RunFolder(self._output, list_run(self._output))
        examine: list[Callable[[RunFolder], Iterator[Fault]]] = [
            *(leftovers.stale_claims, leftovers.abandoned, predictions.checkpoints, predictions.parts),
            *(results.plan, results.imports, results.fits),
            lambda run: results.cells(run, self._root),
        ]
        for look in examine:
            self._treat(look(run))
        if not self._dry_run:
            run = RunFolder(self._output, list_run(self._output))
        while self._treat(leftovers.of_nothing(run)) and not self._dry_run:  # folders of empty folders
            run = RunFolder(self._output, list_run(self._output))
        if not run.live:
            whole = [record for name, record in run.records.items() if not record_fault(self._output, name)]
            self._treat(results.leaderboards(run, whole))
        self._report(run)

    def _treat(self, faults: Iterator[Fault]) -> int:
        """Name each fault and repair it, unless nothing is to be changed; returns how many there are."""
        count = 0
        for fault in faults:
            count += 1
            reason = fault.repair() if fault.repair and not self._dry_run else ""
            if fault.repair is None or reason:
                self.left.append(fault)
            would = "would be " if self._dry_run and fault.repair else ""
            cure = f"{results.LEFT}, as {reason}" if reason else f"{would}{fault.cure}"
            self._say(f"{fault.where} {fault.what}: {cure}", "" if fault.repair and not reason else "yellow")
        self.faults += count
        return count

    def _report(self, run: RunFolder) -> None:
        for line in results.notes(run):
            self._say(line)
        if run.live:
            self._say(f"left alone: what other processes work on ({counted(len(run.live), 'claim')})")
        checked = f"{counted(len(run.cells), 'cell')} checked"
        if not self.faults:
            self._say(f"{checked}: everything is whole")
            return
        verb = "can be repaired" if self._dry_run else "repaired"
        faults = counted(self.faults, "fault")
        self._say(f"{checked}; {faults}: {self.faults - len(self.left):,} {verb}, {len(self.left):,} left")
        commands = list(dict.fromkeys(command for fault in self.left for command in fault.commands))
        if commands:
            self._say("to make again what is left (a cell whose record is lost may need the --set options of its run):")
        for command in commands:
            self._say(f"  {command}")
        if any(not fault.commands and fault.where != PLAN for fault in self.left):
            self._say(f"where no command is known: {CURE}")

    def _say(self, line: str, style: str = "") -> None:
        self._console.print(Text(printable(line), style=style), soft_wrap=True)
