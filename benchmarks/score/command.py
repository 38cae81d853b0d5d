"""The ``score`` command from its options to the scores that it prints and keeps."""

from __future__ import annotations

import typer

from benchmarks.errors import UserError
from benchmarks.importing.tasks import open_task
from benchmarks.score.choose import choose_protocols
from benchmarks.score.inputs import read_inputs
from benchmarks.score.options import ScoreOptions
from benchmarks.score.report import Result, as_json, as_table
from leaderboard.files import write_atomically
from methods.adapters.base import OutputError
from metrics.scoring import score_all


def score_command(options: ScoreOptions) -> None:
    """Read and score the files, print the scores, and keep them with ``--record``. Raises UserError for bad input."""
    if options.record is None and options.method is not None:
        raise UserError("--method names the row that --record DIR keeps; give both or neither")
    if options.task is None and (options.profile is not None or options.data_root is not None):
        raise UserError("--profile and --data-root say where a --task has its landmarks; name one, or leave them out")
    if options.record is not None:
        from benchmarks.score import record

        record.check_recordable(options)
    data = open_task(options.task, options.profile, options.data_root) if options.task else None
    try:
        inputs = read_inputs(options, data)
    except OutputError as error:
        raise UserError(str(error)) from error
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
    result = Result(options, inputs, data, scores)
    text = as_json(result) if options.format == "json" else as_table(result)
    if options.output is not None:
        write_atomically(options.output, text)
    else:
        typer.echo(text, nl=False)
    if options.record is not None and data is not None:
        typer.echo(f"recorded {record.record_scored(options.record, options, inputs, data)}", err=True)
