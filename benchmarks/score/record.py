"""``score --record``: keeps the keypoints as an import and scores them as ``run`` does, so that both give one row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.errors import UserError
from benchmarks.importing.joining import join
from benchmarks.importing.writing import check_name, make_record, source_files, write_import
from benchmarks.progress import Progress
from benchmarks.records.store import Store
from benchmarks.registry import IMPORTED, full_method_name, opener
from benchmarks.run.distributed import Coordinator
from benchmarks.run.executor import InProcess
from benchmarks.run.perform import Busy
from benchmarks.run.plan import Request, make_plan
from benchmarks.run.supervision import stated_landmarks
from methods.adapters.arrays import parse_source
from methods.adapters.base import Outputs

if TYPE_CHECKING:
    from benchmarks.importing.joining import Joined
    from benchmarks.importing.tasks import TaskData
    from benchmarks.score.inputs import Inputs
    from benchmarks.score.options import ScoreOptions
    from methods.adapters.neutral import ImportRecord


def check_recordable(options: ScoreOptions) -> None:
    """Raise UserError unless the options make a row that can be compared with others."""
    if options.task is None and options.dataset is None:
        raise UserError(
            "--record needs a --task or a --dataset: a row is comparable only if it is scored on their own landmarks"
        )
    if options.method is None:
        raise UserError("--record needs --method NAME, the name of the row in the leaderboard")
    check_name("--method", options.method)
    stated_landmarks(options.supervision, options.saw_landmarks)
    if options.fit_gt or options.test_gt:
        raise UserError("--record takes the task's own landmarks; leave out --fit-gt and --test-gt")
    if options.protocol or options.normalizer or options.pairs:
        raise UserError("--record keeps the task's own protocols; leave out --protocol, --normalizer and --pairs")


def check_count(inputs: Inputs, data: TaskData) -> None:
    """Raise UserError for another number of keypoints than the task's."""
    count = inputs.test.keypoints.shape[1]
    if count != data.task.num_keypoints:
        raise UserError(
            f"--record: {count} keypoints per image, task {data.task.id} has K={data.task.num_keypoints}; record under "
            "a task with that K"
        )


def record_scored(output: Path, options: ScoreOptions, inputs: Inputs, data: TaskData) -> Path:
    """Import the keypoints into a run directory and run them; returns the folder of the cell, which is replaced.

    Raises UserError for a folder that cannot be written.
    """
    fit, test = inputs.scores
    outputs = [
        Outputs("--fit-pred", inputs.fit.keypoints, "regress", tuple(inputs.fit.ids), scores=fit),
        Outputs("--test-pred", inputs.test.keypoints, "test", tuple(inputs.test.ids), scores=test),
    ]
    joined = join(outputs, data.truths())
    files = source_files({path: path.name for path in (parse_source(name)[0] for name in inputs.files)})
    format = f"arrays ({options.range}, {options.order})"
    record = make_record(data, options, format, files, inputs.notes)
    return score_import(output, joined, record, data)


def score_import(output: Path, joined: Joined, record: ImportRecord, data: TaskData) -> Path:
    """Keep keypoints as an import in a run directory and run them as ``run`` does; returns the folder of the cell.

    Raises UserError for a folder that cannot be written, and if the keypoints cannot be scored or another process
    works on them.
    """
    store = Store(output)
    store.prepare()
    _, folder = write_import(output, joined, record)
    datasets = opener(data.root, data.dataset.choices)
    name = full_method_name(f"{IMPORTED}{folder}")
    plan = make_plan(Request([name], [data.task], data.profile, datasets, floors=False))
    if not plan.cells:
        raise UserError("; ".join(plan.skipped.values()))
    executor = InProcess(store, datasets, "cpu", Progress(Console(quiet=True), 1), Coordinator("cpu"))
    try:
        result = executor.submit(plan.cells[0])
    except Busy as error:
        raise UserError(
            f"{plan.cells[0].id}: another process works on it ({error}); run the same command again once it has ended"
        ) from error
    store.drop_partial(plan.cells[0].fit_id)
    if result.failure:
        raise UserError(result.failure.message)
    return store.cells / result.cell_id
