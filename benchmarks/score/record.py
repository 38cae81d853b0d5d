"""The record of scored predictions, which stands in the leaderboard beside what was run here.

What tells the two apart: ``provenance["kind"]`` is 'scored'; tables mark such rows (``leaderboard.kinds``).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError
from benchmarks.records.provenance import provenance
from benchmarks.records.store import Store, write_predictions, write_record
from benchmarks.run.cells import Cell
from benchmarks.run.scoring import score_records, write_errors
from benchmarks.score.arrays import parse_source

if TYPE_CHECKING:
    from benchmarks.score.inputs import Inputs
    from benchmarks.score.options import ScoreOptions
    from benchmarks.score.report import Result
    from benchmarks.score.tasks import TaskData

KIND = "scored"


def check_recordable(options: ScoreOptions) -> None:
    """Raise UserError unless the options make a row that may stand beside others."""
    if options.task is None:
        raise UserError("--record needs a --task: a row is comparable only where the task's own landmarks are scored")
    if options.method is None or not _slug(options.method):
        raise UserError("--record needs --method NAME: what the leaderboard calls the row")
    if options.fit_gt or options.test_gt:
        raise UserError("--record takes the task's own landmarks; leave out --fit-gt and --test-gt")
    if options.protocol or options.normalizer or options.pairs:
        raise UserError("--record keeps the task's own protocols; leave out --protocol, --normalizer and --pairs")


def cell_of(options: ScoreOptions, inputs: Inputs, data: TaskData) -> Cell:
    """The cell of the row. Raises UserError for another number of keypoints than the task's."""
    count, name = inputs.test.keypoints.shape[1], options.method or ""
    if count != data.task.num_keypoints:
        raise UserError(
            f"--record: {count} keypoints an image, task {data.task.id} has K={data.task.num_keypoints}; "
            "record under a task with that K"
        )
    return Cell(
        method=_slug(name),
        label=name,
        version=KIND,
        settings={},
        config={},
        identity={"predictions": _digest(inputs.files)},
        is_floor=False,
        supervision=options.supervision,
        task=data.task,
        profile=data.profile,
        seed=0,
        limit=None,
        digests={"fit": "", "regress": data.dataset.digest("regress"), "test": data.dataset.digest("test")},
    )


def write_scored(output: Path, cell: Cell, result: Result) -> Path:
    """Write ``cells/<id>/`` into a run directory and give its path; what stood there is replaced.

    Raises UserError for a folder that cannot be written to.
    """
    store = Store(output)
    store.prepare()
    folder = store.cells / cell.id
    inputs, options = result.inputs, result.options
    found = {"kind": KIND, "files": [parse_source(name)[0].name for name in inputs.files]}
    found |= {"range": options.range, "order": options.order}
    with store.staged(folder) as filling:
        write_predictions(filling, "regress", inputs.fit.ids, inputs.fit.keypoints)
        write_predictions(filling, "test", inputs.test.ids, inputs.test.keypoints)
        write_errors(filling, result.scores, inputs.test)
        write_record(filling, cell.record(score_records(result.scores), provenance=provenance("cpu") | found))
    return folder


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _digest(files: tuple[str, ...]) -> str:
    """sha256 of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for name in files:
        with parse_source(name)[0].open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
