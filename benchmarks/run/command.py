"""The ``run`` command from options to exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from benchmarks.errors import UserError, first_line
from benchmarks.progress import Progress
from benchmarks.records.image_errors import errors_of
from benchmarks.records.mlflow_mirror import Tracker
from benchmarks.records.mlflow_store import has_store, next_step, problem
from benchmarks.records.provenance import git_state, peak_memory_mb
from benchmarks.records.store import Store
from benchmarks.registry import full_name, is_custom, method_class, opener
from benchmarks.run.cells import as_before
from benchmarks.run.cluster.command import check_options, run_on_cluster
from benchmarks.run.cluster.view import View
from benchmarks.run.distributed import Coordinator, is_worker, run_worker
from benchmarks.run.emit import check_emit, emit
from benchmarks.run.executor import InProcess
from benchmarks.run.options import RunOptions
from benchmarks.run.plan import Plan, Request, make_plan
from benchmarks.run.runner import Outcome, drive
from benchmarks.run.summary import (
    next_steps,
    print_files,
    print_outdated,
    print_plan,
    print_remarks,
    print_skipped,
    print_table,
    write_leaderboards,
)
from benchmarks.run.units.claims import Claims
from benchmarks.settings import DATA_ROOT, choose_custom, choose_data_root, choose_device, choose_profile, choose_tasks
from benchmarks.tasks import Profile, Task, task_on
from leaderboard.errors import LeaderboardError
from leaderboard.process import this_process
from leaderboard.records import ResultRecord
from leaderboard.text import printable

if TYPE_CHECKING:
    from benchmarks.registry import Open


def run_command(options: RunOptions) -> int:
    """Plan, run and report; returns the exit status. Raises errors that the user can correct before anything is run."""
    check_emit(options)
    check_options(options)
    worker = is_worker()
    console = Console(highlight=False, quiet=worker)
    request = _request(options, console)
    plan = make_plan(request)
    print_remarks(console, request.tasks, request.datasets)
    print_skipped(console, plan.skipped)
    if not plan.cells:
        raise UserError(_nothing_to_run(plan))
    store = Store(options.output)
    if worker and (options.dry_run or options.emit):  # the first process does that alone
        return 0
    if worker:
        return run_worker(plan, request.datasets, choose_device(options.device))
    if options.dry_run:
        print_plan(console, plan, store, options.overwrite)
        return 0
    if options.emit:
        return emit(options, plan, request, store, console)
    store.prepare()
    claims = Claims(store.output)
    claims.sweep()
    git_state()  # cached now, as another commit may be checked out during the run
    with claims.taken(f"run--{this_process()}", fits=sorted({cell.fit_id for cell in plan.cells})):
        outcome, mlflow = _run(options, plan, request, store, console)
    _drop_partial(store, plan, outcome)
    return _report(console, store, request, outcome, mlflow)


def _run(options: RunOptions, plan: Plan, request: Request, store: Store, console: Console) -> tuple[Outcome, str]:
    """Run the plan; returns the outcome, and the command or address that opens MLflow's page."""
    output = options.output if options.mlflow else None
    if options.executor == "ray":
        view = View(console, len(plan.cells))
        mirror = _Mirror(output, view)
        outcome = run_on_cluster(options, plan, request.datasets, store, view, mirror.log)
        return outcome, mirror.finish(outcome)
    device = choose_device(options.device)
    progress = Progress(console, len(plan.cells), lambda: peak_memory_mb(device))
    mirror = _Mirror(output, progress)
    coordinator = Coordinator(device)
    executor = InProcess(
        store,
        request.datasets,
        device,
        progress,
        coordinator,
        refit=options.overwrite == "all",
        cells=plan.cells,
        shard_size=options.shard_size,
    )
    outcome = drive(plan, store, executor, progress, options.overwrite, mirror.log)
    coordinator.dismiss()
    return outcome, mirror.finish(outcome)


def _request(options: RunOptions, console: Console) -> Request:
    names = [full_name(name) for name in options.datasets]
    profile, root, why = _profile(options, names)
    console.print(Text(f"profile {profile}: {why}"), soft_wrap=True)
    if profile == "paper" and root is None and not any(map(is_custom, names)):
        raise UserError(f"profile 'paper' needs data: name its folder with --data-root or {DATA_ROOT}")
    datasets = opener(root, choose_custom(options.split, options.interocular, names))
    tasks = choose_tasks(options.tasks, options.suites) if options.tasks or options.suites or not names else []
    cells = Store(options.output).cells
    tasks += [as_before(task, cells) for task in _tasks_on(names, options.keypoints, datasets)]
    return Request(
        methods=options.methods,
        tasks=list({task.id: task for task in tasks}.values()),
        profile=profile,
        datasets=datasets,
        seeds=options.seeds,
        limit=options.limit,
        floors=options.floors,
        assignments=[*_memory_settings(options, console), *options.assignments],
        suites=options.suites,
    )


def _memory_settings(options: RunOptions, console: Console) -> list[str]:
    """``--memory`` as a setting of each method that has it; ``--set`` comes later and overrides it."""
    if options.memory == "auto":
        return []
    known = [name for name in options.methods if "memory" in method_class(name).Config.model_fields]
    if not known:
        console.print(
            f"--memory {options.memory} changes nothing: no method here has a setting 'memory'", style="yellow"
        )
    return [f"{name}.memory={options.memory}" for name in known]


def _profile(options: RunOptions, names: Sequence[str]) -> tuple[Profile, Path | None, str]:
    """The profile, the data root, and the reason for the profile.

    Custom data alone needs no data root; a dataset without a synthetic counterpart needs one.
    """
    profile, root, why = choose_profile(options.profile, options.data_root)
    if names and all(map(is_custom, names)) and not (options.profile or options.suites or options.tasks):
        return "paper", root, "custom data, with the paper's settings; --profile mini takes the small preset"
    if profile == "mini" and names:
        root, _ = choose_data_root(options.data_root)
    return profile, root, why


def _tasks_on(names: Sequence[str], keypoints: int | None, datasets: Open) -> list[Task]:
    """The tasks on the datasets of ``--dataset``. Raises UserError for custom data that is missing."""
    if keypoints is None and names:
        raise UserError(f"--dataset {names[0]} needs --keypoints, the number of keypoints to discover, such as 10")
    if keypoints is None:
        return []
    if not names:
        raise UserError("--keypoints goes with --dataset; a task has its own number")
    for name in filter(is_custom, names):
        found, reason = datasets(name).available()
        if not found:
            raise UserError(reason)
    return [task_on(name, keypoints, datasets(name)) for name in names]


def _drop_partial(store: Store, plan: Plan, outcome: Outcome) -> None:
    """Remove the partial predictions and the checkpoints of fits whose cells are all done.

    Those of fits that other processes may need stay.
    """
    others = Claims(store.output).fits_of_others()
    if others is None:
        return
    done = {cell_id for cell_id, record in outcome.records.items() if record.status == "done"}
    needed = {cell.fit_id for cell in plan.cells if cell.id not in done}
    for fit_id in {cell.fit_id for cell in plan.cells} - needed - others:
        store.drop_partial(fit_id)
        store.drop_checkpoints(fit_id)


def _nothing_to_run(plan: Plan) -> str:
    if len(plan.skipped) > 1:
        return f"none of the {len(plan.skipped)} tasks can be run; the lines above say what each needs"
    ((task, reason),) = plan.skipped.items()
    return f"{task} cannot be run: {reason}"


def _report(console: Console, store: Store, request: Request, outcome: Outcome, mlflow: str) -> int:
    tasks = [task.id for task in request.tasks]
    print_table(console, outcome.records.values(), tasks, request.profile, errors_of(store.output))
    print_outdated(console, outcome.outdated)
    errors: list[str] = []
    leaderboards: list[Path] = []
    try:
        leaderboards += [] if outcome.unwritable else write_leaderboards(store, tasks, request.profile)
    except LeaderboardError as error:
        errors.append(f"error: {first_line(error)}")
    scored = any(record.scores for record in outcome.records.values())
    commands = next_steps(store.output, request) if scored and leaderboards else []
    print_files(console, store, outcome, leaderboards, mlflow, commands)
    failures = _failures(outcome.records.values())
    if outcome.interrupted:
        console.print(interrupted(outcome))
    for reason, cells in failures.items():
        others = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        errors.append(f"failed: {cells[0]}{others}: {reason}")
    if outcome.unwritable:
        left = f"; {outcome.left} not tried" if outcome.left else ""
        errors.append(f"error: {outcome.unwritable}, which goes on where this one stopped{left}")
    for text in errors:
        Console(stderr=True).print(Text(printable(text), style="red"), soft_wrap=True)
    return outcome.exit_status or (2 if errors else 0)


def interrupted(outcome: Outcome) -> str:
    """What an interrupted run keeps, and how to continue it."""
    done = sum(record.status == "done" for record in outcome.records.values())
    if not done:
        return (
            "interrupted: no cell was finished; the same command begins again, or continues from the last checkpoint "
            "of the fit or the last part of the predictions, if there is one"
        )
    kept = "1 finished cell is" if done == 1 else f"{done} finished cells are"
    return f"interrupted: {kept} kept; run the same command again to continue"


def _failures(records: Iterable[ResultRecord]) -> dict[str, list[str]]:
    """The failed cells by reason; several often share one, such as a broken image that fails every method."""
    found: dict[str, list[str]] = {}
    for record in records:
        if record.failure:
            found.setdefault(record.failure.message, []).append(record.cell_id)
    return found


class _Mirror:
    """Passes records to MLflow; after an error it prints a warning and passes no more, and the run continues."""

    def __init__(self, output: Path | None, progress: Progress) -> None:
        self._output = output
        self._progress = progress
        self._tracker = Tracker(output, sys.argv[1:], self._warn) if output else None

    def log(self, record: ResultRecord) -> None:
        if self._output and self._tracker and self._progress.is_live:
            self._progress.phase(next_step(self._output))
        else:
            self._announce()
        self._attempt(lambda tracker: tracker.log(record.cell_id))

    def finish(self, outcome: Outcome) -> str:
        """Close the MLflow run, and add records that it lacks; returns the command or address that opens its page."""
        kept = [cell_id for cell_id in outcome.records if cell_id not in outcome.unrecorded]
        cells = [] if outcome.interrupted else kept
        status = "KILLED" if outcome.interrupted else "FAILED" if outcome.exit_status else "FINISHED"
        if cells:
            self._announce()
        self._attempt(lambda tracker: tracker.finish(status, cells))
        return self._tracker.how_to_open() if self._tracker else ""

    def _announce(self) -> None:
        """Say that the store is made, which takes a while."""
        if self._output and self._tracker and not has_store(self._output):
            self._progress.say(next_step(self._output))

    def _attempt(self, action: Callable[[Tracker], None]) -> None:
        if self._output is None or self._tracker is None:
            return
        try:
            action(self._tracker)
        except Exception as error:  # MLflow raises many kinds
            self._tracker = None
            self._warn(f"MLflow is not updated: {problem(self._output, error)}")

    def _warn(self, text: str) -> None:
        self._progress.say(text, "yellow")
