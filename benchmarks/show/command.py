"""The ``show`` command: chooses the cells, draws their pictures, prints their numbers, and says what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from benchmarks.errors import UserError, correctable, first_line, near_match
from benchmarks.records.checks import cell_fault, readable_records, record_fault
from benchmarks.records.store import HISTORY, RESULT
from benchmarks.registry import opener
from benchmarks.settings import choose_data_root, choose_device
from benchmarks.show.boxes import box_lines
from benchmarks.show.cells import heading, label, open_same
from benchmarks.show.curves import read_curves, write_curves
from benchmarks.show.options import ShowOptions
from benchmarks.show.pictures import Artist, pictures
from benchmarks.show.rows import write_rows
from leaderboard.load import CURE
from leaderboard.records import ResultRecord

if TYPE_CHECKING:
    from benchmarks.registry import Open

ATTENTION, CHOICES, LOSSES = "attention.png", "choices.png", "losses.png"
TOGETHER = "pictures"


def show_command(options: ShowOptions) -> int:
    """Draw the pictures of each cell, and print their paths and the number of keypoints inside the object's box.

    Returns the exit status: 1 if something is missing. Raises UserError for an unknown cell and if there is nothing to
    show, LeaderboardError for a missing run directory.
    """
    run, names = _run_and_cells(options)
    show = _Show(options, run)
    records = _choose(readable_records(run, show.left_out), names, run)
    if options.rows is not None:
        show.rows(records, options.rows)
        return 0
    for record in records:
        show.cell(record)
    show.together(records)
    if not show.pictures and not show.numbers:
        why = "the lines above say why" if show.missing else "they have neither attention maps, curves nor object boxes"
        raise UserError(f"no picture could be drawn of {len(records)} cells in {run}; {why}")
    if options.mlflow and options.output is None:
        show.to_mlflow(records)
    return 1 if show.missing else 0


def _run_and_cells(options: ShowOptions) -> tuple[Path, Sequence[str]]:
    """The run directory and the names of cells; ``run`` may also be the folder of one cell."""
    path = options.run
    if not (path / RESULT).is_file() and path.absolute().parent.name != "cells":
        return path, options.cells
    if options.cells:
        raise UserError(f"{path} is the folder of one cell; to name further ones, give their run directory first")
    path = path.resolve()
    return path.parent.parent, [path.name]


def _choose(records: Sequence[ResultRecord], names: Sequence[str], run: Path) -> list[ResultRecord]:
    """The records whose ids match a name or shell pattern; all of them without names. Raises UserError for no match."""
    ids = [record.cell_id for record in records]
    wanted: set[str] = set()
    for name in names:
        matches = {cell_id for cell_id in ids if fnmatchcase(cell_id, name)}
        if not matches and Path(name).name == name and (fault := record_fault(run, name)):
            raise UserError(f"cell {name} cannot be shown: {fault.text}; {CURE}")
        if not matches:
            hint = near_match(name, ids) if len(ids) <= 20 or "did you mean" in near_match(name, ids) else ""
            raise UserError(f"no cell '{name}' in {run / 'cells'}{hint}; a pattern such as '*--cub_*' is allowed too")
        wanted |= matches
    return [record for record in records if not names or record.cell_id in wanted]


class _Show:
    """Draws the pictures of one run directory and prints the path of each."""

    def __init__(self, options: ShowOptions, run: Path) -> None:
        self._options = options
        self._run = run
        self._out, self._err = Console(highlight=False), Console(stderr=True, highlight=False)
        self.pictures: list[Path] = []
        self.numbers = 0
        self.missing = 0

    @cached_property
    def _datasets(self) -> Open:
        return opener(choose_data_root(self._options.data_root)[0])

    @cached_property
    def _artist(self) -> Artist:
        options, device = self._options, choose_device(self._options.device)
        return Artist(self._run, self._datasets, device, options.images, options.selection_images)

    def cell(self, record: ResultRecord) -> None:
        """Draw and print everything about one cell; a failed cell has nothing to show."""
        if record.failure:
            self._lacks(f"{record.cell_id}: it failed: {record.failure.message}")
            return
        if fault := cell_fault(self._run, record):
            self._lacks(f"{record.cell_id}: {fault.text}; {CURE}")
            return
        folder = (self._options.output or self._run / "cells") / record.cell_id
        try:
            wanted = pictures(record)
        except correctable() as error:
            self._lacks(f"{record.cell_id}: no {ATTENTION}: {first_line(error)}")
            wanted = frozenset()
        artist = self._artist if wanted else None  # a bad device or data root ends the command
        if artist and "attention" in wanted:
            self._draw(record, folder / ATTENTION, partial(artist.attention, record))
        if artist and "choices" in wanted:
            self._draw(record, folder / CHOICES, partial(artist.choices, record))
        if self._curves_file(record).is_file():
            self._draw(record, folder / LOSSES, partial(self._losses, [record], heading(record)))
        self._boxes(record)

    def _boxes(self, record: ResultRecord) -> None:
        """Print the number of the cell's test keypoints inside the object's box, if the dataset has boxes."""
        datasets = self._datasets  # a bad data root ends the command
        try:
            dataset = datasets(record.dataset)
            if not dataset.card.has_boxes and not dataset.available()[0]:
                return  # without its files it is unknown whether it has boxes
            dataset = open_same(datasets, record, record.dataset, "test")
            lines = box_lines(self._run / "cells" / record.cell_id, dataset.object_box)
        except correctable() as error:
            self._lacks(f"{record.cell_id}: no count inside the object's box: {first_line(error)}")
            return
        self.numbers += len(lines)
        for line in lines:
            self._out.print(Text(f"{record.cell_id}: {line}"), soft_wrap=True)

    def rows(self, records: Sequence[ResultRecord], path: Path) -> None:
        """Draw one picture with a row of test images for each cell. Raises UserError for a failed cell."""
        failed = next((record for record in records if record.failure), None)
        if failed is not None:
            raise UserError(f"{failed.cell_id} failed and has no keypoints to draw; name cells that are done")
        for record in records:
            if fault := cell_fault(self._run, record):
                raise UserError(f"{record.cell_id}: {fault.text}; {CURE}")
        write_rows(path, self._run, records, self._datasets)
        self._out.print(Text(str(path)), soft_wrap=True)

    def together(self, records: Sequence[ResultRecord]) -> None:
        """Draw the curves of all cells of a task (methods, settings, seeds) in one picture."""
        whole = [record for record in records if not record.failure and cell_fault(self._run, record) is None]
        with_curves = [record for record in whole if self._curves_file(record).is_file()]
        with_curves.sort(key=lambda record: (record.profile, record.task, record.variant is not None, label(record)))
        for (profile, task), group in groupby(with_curves, key=lambda record: (record.profile, record.task)):
            cells = list(group)
            if len(cells) > 1:
                folder = self._options.output or self._run / TOGETHER
                title = f"{task}, {profile} profile: {len(cells)} fits"
                path = folder / f"losses--{task}--{profile}.png"
                self._draw(cells[0], path, partial(self._losses, cells, title))

    def to_mlflow(self, records: Sequence[ResultRecord]) -> None:
        """Add the pictures to the MLflow runs of these cells, if the run directory has an MLflow store."""
        from benchmarks.records.mlflow_mirror import Tracker
        from benchmarks.records.mlflow_store import has_store, problem

        if not has_store(self._run):
            return
        try:
            count = len(Tracker(self._run, sys.argv[1:]).log_pictures(record.cell_id for record in records))
        except Exception as error:  # MLflow raises many kinds
            text = f"MLflow is not updated: {problem(self._run, error)}"
            self._err.print(Text(text, style="yellow"), soft_wrap=True)
            return
        if count:
            text = f"pictures of {count} cells added to MLflow: python -m benchmarks ui --output {self._run}"
            self._out.print(Text(text), soft_wrap=True)

    def _losses(self, records: Sequence[ResultRecord], title: str, path: Path) -> str:
        write_curves(path, title, [read_curves(self._run / "cells" / each.cell_id, each) for each in records])
        return ""

    def _curves_file(self, record: ResultRecord) -> Path:
        return self._run / "cells" / record.cell_id / HISTORY

    def _draw(self, record: ResultRecord, path: Path, draw: Callable[[Path], str]) -> None:
        try:
            with self._err.status(f"{record.cell_id}: {path.name}"):
                remark = draw(path)
        except Exception as error:
            if not isinstance(error, (*correctable(), OSError)):
                raise
            self._lacks(f"{record.cell_id}: no {path.name}: {first_line(error)}")
            return
        self.pictures.append(path)
        self._out.print(Text(str(path)), soft_wrap=True)
        if remark:
            self._err.print(Text(f"{record.cell_id}: {path.name}: {remark}", style="yellow"), soft_wrap=True)

    def left_out(self, line: str) -> None:
        """Print a line about a record that cannot be shown; it counts as missing unless other cells were named."""
        self.missing += not self._options.cells
        self._err.print(Text(line, style="yellow"), soft_wrap=True)

    def _lacks(self, text: str) -> None:
        self.missing += 1
        self._err.print(Text(text, style="yellow"), soft_wrap=True)
