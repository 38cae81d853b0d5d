"""Cells, fits, imports and the plan: what is broken needs its command, except errors per image and leaderboards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.doctor.folder import Fault, RunFolder
from benchmarks.errors import UserError
from benchmarks.records.checks import lost_fit, record_fault
from benchmarks.records.digests import IMPORTS, fit_fault, read_fit
from benchmarks.records.listing import PLAN
from benchmarks.run.units.plan_file import read_plan
from leaderboard.digests import content_digest
from leaderboard.records import ResultRecord
from methods.base import MethodError

LEFT = "left as it is"


def plan(run: RunFolder) -> Iterator[Fault]:
    """A plan that is not as it was written."""
    if PLAN in run.listing.files:
        try:
            read_plan(run.output / PLAN)
        except UserError as error:
            what = str(error).removeprefix(f"{run.output / PLAN} ").partition(";")[0]
            cure = f"{LEFT}; remove it, or write it again with `run --emit plan`"
            yield Fault(PLAN, what, cure, commands=run.plan_command())


def imports(run: RunFolder) -> Iterator[Fault]:
    """Imported keypoints, or their records, that are not as they were imported."""
    for name, folder in sorted(run.listing.inside(IMPORTS).folders.items()):
        stems = {Path(file).stem for file in folder.files if Path(file).suffix in (".json", ".parquet")}
        for stem in sorted(stem for stem in stems if "." in stem.strip(".")):
            path = run.output / IMPORTS / name
            if wrong := _import_fault(path, stem):
                task, _, profile = stem.rpartition(".")
                command = (
                    f"python -m benchmarks import FORMAT PATH --task {task} --profile {profile} --method NAME "
                    f"--output {run.output}"
                )
                cure = f"{LEFT}; remove {stem}.json and {stem}.parquet there, and import again"
                yield Fault(f"{IMPORTS}/{name}/{wrong[0]}", wrong[1], cure, commands=(command,))


def _import_fault(folder: Path, stem: str) -> tuple[str, str] | None:
    """The file of an import that is broken, with what is wrong."""
    from methods.imported import predictions_sha256, read_record, slug

    task, _, profile = stem.rpartition(".")
    beside, keypoints = f"{stem}.json", f"{stem}.parquet"
    if not (folder / beside).is_file():
        return beside, "is missing"
    try:
        record = read_record(folder / beside)
    except MethodError:
        return beside, "cannot be read"
    if record.digest is not None and record.digest != content_digest(record):
        return beside, "has changed since it was imported"
    if (record.task, record.profile) != (task, profile):
        return beside, f"belongs to another import, {record.task}.{record.profile}"
    if slug(record.method) != folder.name:
        return beside, f"belongs to another import, of '{record.method}'"
    try:
        found = predictions_sha256(folder, task, profile)
    except MethodError:
        return keypoints, "is missing" if not (folder / keypoints).exists() else "cannot be read"
    if found != record.predictions_sha256:
        return keypoints, f"is not the file that {beside} was written for"
    return None


def fits(run: RunFolder) -> Iterator[Fault]:
    """Fits that are not as they were kept."""
    for name, folder in sorted(run.listing.inside("fits").folders.items()):
        if name.endswith(".partial") or not (folder.files or folder.folders) or run.is_busy(fit=name):
            continue
        if wrong := fit_fault(run.output / "fits" / name, name):
            yield Fault(f"fits/{name}", wrong, LEFT, commands=run.commands_of_fit(name))


def cells(run: RunFolder, root: Path | None) -> Iterator[Fault]:
    """Cells that are not as they were recorded; only errors per image can be made again here."""
    for name in run.cells:
        wrong = None if run.is_busy(cell=name) else record_fault(run.output, name)
        if wrong is None:
            continue
        record = run.records.get(name)
        reason = "its record says nothing"
        if wrong.scorable and record is not None:
            from benchmarks.doctor.scoring import score_again, why_not

            if not (reason := why_not(run.store, record, root)):
                repair = partial(score_again, run.store, record, root)
                yield Fault(f"cells/{name}", wrong.text, "scored again", repair, run.commands_of_cell(name))
                continue
        cure = f"{LEFT}, as {reason}" if wrong.scorable else LEFT
        yield Fault(f"cells/{name}", wrong.text, cure, commands=run.commands_of_cell(name))


def leaderboards(run: RunFolder, records: Sequence[ResultRecord]) -> Iterator[Fault]:
    """Leaderboards that are missing or not those of the whole ``records``."""
    from benchmarks.run.summary import leaderboards as texts_of
    from benchmarks.tasks import Profile
    from leaderboard.files import write_atomically

    profiles: tuple[Profile, ...] = ("mini", "paper")
    for profile in profiles:
        own = [record for record in records if record.profile == profile]
        for path, text in texts_of(run.store, own, {record.task for record in own}, profile).items():
            there = path.is_file()
            if there and path.read_bytes() == text.encode():
                continue
            what = "is not what the cells give" if there else "is missing"

            def repair(path: Path = path, text: str = text) -> str:
                write_atomically(path, text)
                return ""

            yield Fault(path.relative_to(run.output).as_posix(), what, "written again", repair)


def notes(run: RunFolder) -> list[str]:
    """Lines about what is no fault: cells that failed, fits that are gone, and what has no digests to check."""
    done = [record for record in run.records.values() if record.status == "done"]
    fits = [read_fit(run.output / "fits" / name) for name in run.listing.inside("fits").folders]
    counts = Counter(
        {
            ("failed cells", "`run` repeats them"): len(run.records) - len(done),
            ("cells whose fit is gone", "they count, as their keypoints are kept"): sum(
                lost_fit(run.output, record) for record in done
            ),
            ("records of an older version, without digests", "their files were not checked"): sum(
                record.digest is None for record in run.records.values()
            ),
            ("fits of an older version, without digests", "their files were not checked"): sum(
                fit is not None and fit.digest is None for fit in fits
            ),
        }
    )
    return [f"{what}: {count:,}; {so}" for (what, so), count in counts.items() if count]
