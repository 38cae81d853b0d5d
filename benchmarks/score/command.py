"""The ``score`` command from its options to the scores that it prints and keeps."""

from __future__ import annotations

import shlex

import typer

from benchmarks.errors import UserError
from benchmarks.importing.tasks import TaskData, errors_of, open_task, open_task_on
from benchmarks.score.choose import choose_protocols
from benchmarks.score.inputs import count_keypoints, read_inputs
from benchmarks.score.options import ScoreOptions
from benchmarks.score.report import Result, as_json, as_table
from benchmarks.settings import choose_custom
from leaderboard.files import write_atomically
from metrics.scoring import score_all


def score_command(options: ScoreOptions) -> None:
    """Read and score the files, print the scores, and keep them with ``--record``. Raises UserError for bad input."""
    if options.record is None and options.method is not None:
        raise UserError("--method names the row that --record DIR keeps; give both or neither")
    if options.record is not None:
        from benchmarks.score import record

        record.check_recordable(options)
    with errors_of(None):
        data = _data(options)
    with errors_of(data):
        inputs = read_inputs(options, data)
    if options.record is not None and data is not None:
        record.check_count(inputs, data)
    protocols = choose_protocols(options.protocol, inputs, data.task.protocols if data else None)
    scores = score_all(
        protocols,
        inputs.fit,
        inputs.test,
        seed=options.seed,
        resamples=options.resamples,
        left_right_pairs=inputs.left_right_pairs,
        interocular=inputs.interocular,
    )
    result = Result(options, inputs, data, [each.id for each in protocols], scores)
    text = as_json(result) if options.format == "json" else as_table(result)
    if options.output is not None:
        write_atomically(options.output, text)
    else:
        typer.echo(text, nl=False)
    if options.record is not None and data is not None:
        cell = record.record_scored(options.record, options, inputs, data)
        command = ["leaderboard", "--task", data.task.id, "--profile", data.profile, "--runs", str(options.record)]
        typer.echo(f"recorded {cell}; see its row beside the others with:", err=True)
        typer.echo(f"  python -m benchmarks {shlex.join([*command, '--against', 'best'])}", err=True)


def _data(options: ScoreOptions) -> TaskData | None:
    """Open the task of ``--task``, or that of ``--dataset`` with the K of the keypoints; None without either."""
    if options.task is not None and options.dataset is not None:
        raise UserError("--task beside --dataset; name the landmarks one way")
    choices = choose_custom(options.split, options.interocular, [options.dataset] if options.dataset else [])
    if options.dataset is not None:
        count = count_keypoints(options)
        return open_task_on(options.dataset, count, options.profile, options.data_root, choices)
    if options.task is not None:
        return open_task(options.task, options.profile, options.data_root)
    if options.profile is not None or options.data_root is not None:
        raise UserError("--profile and --data-root say where a --task has its landmarks; name one, or leave them out")
    return None
