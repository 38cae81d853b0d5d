"""Checkpoints of unfinished fits and parts of unfinished predictions: broken ones are removed, to be made again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.doctor.folder import Fault, RunFolder
from benchmarks.doctor.leftovers import removing
from benchmarks.records.listing import Folder
from benchmarks.run.units.parts import About, read_about, rows_of
from methods.checkpoints import FILE

_OLD = re.compile(r"\d{8}\.parquet")  # the name of a part in older versions


def checkpoints(run: RunFolder) -> Iterator[Fault]:
    """Checkpoints that are not as they were written, and those that a killed process left beside the saved fit."""
    from methods.checkpoints import fault

    folders = run.listing.inside("fits").folders
    for name, folder in sorted(folders.items()):
        fit = name.removesuffix(".partial")
        if name.endswith(".partial") and FILE in folder.files and not run.is_busy(fit=fit):
            path = run.output / "fits" / name / FILE
            if fit in folders:
                yield Fault(f"fits/{name}/{FILE}", "is left beside the saved fit", "removed", removing(path))
            elif wrong := fault(path):
                yield Fault(f"fits/{name}/{FILE}", wrong, "removed; the fit begins again", removing(path))


def parts(run: RunFolder) -> Iterator[Fault]:
    """Parts of predictions, and what is written beside them, that are not as they were written."""
    for fit, folder in sorted(run.listing.inside("partial").folders.items()):
        if run.is_busy(fit=fit):
            continue
        for name in sorted(folder.folders.keys() | {Path(file).stem for file in folder.files}):
            yield from _of_split(run.output / "partial" / fit / name, folder, f"partial/{fit}/{name}")


def _of_split(path: Path, fit: Folder, where: str) -> Iterator[Fault]:
    """The faults in one folder of parts; its description goes with the last part."""
    about, beside = None, path.with_name(f"{path.name}.json")
    there = fit.inside(path.name).files
    broken = 0
    if beside.name in fit.files and there:
        try:
            about = read_about(path)
        except ValueError as error:
            yield Fault(
                f"{where}.json", str(error), "removed; it is written again with the next part", removing(beside)
            )
    for name in sorted(there):
        if wrong := _part_fault(path / name, about):
            broken += 1
            yield Fault(f"{where}/{name}", wrong, "removed; the images are predicted again", removing(path / name))
    if beside.name in fit.files and broken == len(there):
        yield Fault(f"{where}.json", "describes no predictions", "removed", removing(beside))


def _part_fault(path: Path, about: About | None) -> str:
    from benchmarks.run.predictions import read_part

    if _OLD.fullmatch(path.name):
        return "is of an older version"
    if (rows := rows_of(path.name)) is None:
        return ""
    try:
        _, found = read_part(path)
    except ValueError as error:
        return str(error)
    if about and (count := found.keypoints.shape[1]) != about.num_keypoints:
        return f"has {count} keypoints an image, expected {about.num_keypoints}"
    if about and rows[1] > about.images:
        return f"has images up to {rows[1]}, expected at most {about.images}"
    return ""
