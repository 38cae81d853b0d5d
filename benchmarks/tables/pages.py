"""The generated parts of documents: checking and rewriting them, and merging a run directory into the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from benchmarks.errors import UserError
from benchmarks.records.checks import examine
from benchmarks.records.image_errors import errors_of
from benchmarks.records.store import ERRORS, Store
from benchmarks.registry import opener
from benchmarks.run.examples import examples_of, examples_text, load_examples, path_beside
from benchmarks.settings import choose_data_root
from benchmarks.tables.lists import LISTS
from benchmarks.tables.recompute import recompute
from benchmarks.tasks import SUITES
from leaderboard import readme
from leaderboard.merge import Merged
from leaderboard.records import ResultRecord

MISSING_SHOWN = 4  # missing cells that are named on the command line; of the others only the number is given


def pages(paths: Iterable[Path]) -> list[Path]:
    """The files, and for each folder its markdown files with a generated part; UserError for a folder without any."""
    found: list[Path] = []
    for path in paths:
        inside = [page for page in sorted(path.rglob("*.md")) if readme.has_block(page)] if path.is_dir() else [path]
        if not inside:
            raise UserError(f"folder {path} has no .md file with a block such as <!-- leaderboard:mini:wild -->")
        found += inside
    return list(dict.fromkeys(found))


def check_pages(paths: Sequence[Path]) -> int:
    """Return 0 if the generated parts of all pages are fresh and each list of results comes from one clean commit.

    Otherwise return 1 and name what is wrong on stderr. A path is a file or a folder of files.
    """
    stale = {path: found for path in pages(paths) if (found := readme.check(path, SUITES, lists=LISTS))}
    unclean, named = readme.unclean(), _update_options(paths)
    for path, found in stale.items():
        cure = f"renew them with python -m benchmarks leaderboard --update {path}"
        typer.echo(f"{path}: stale tables {', '.join(found)}; {cure}", err=True)
    if unclean:
        cure = (
            "commit all changes, run all cells of the list again with that commit into a new folder, then "
            f"python -m benchmarks leaderboard {named} --runs FOLDER --replace"
        )
        typer.echo(f"a list of committed results must come from one clean commit: {unclean}; {cure}", err=True)
    if stale or unclean:
        return 1
    typer.echo(f"{', '.join(map(str, paths))}: tables are up to date, each list of results of one clean commit")
    return 0


def update_pages(paths: Sequence[Path], runs: Path | None, replace: bool = False, data_root: Path | None = None) -> int:
    """Rewrite the generated parts of the pages; with ``runs``, merge its records into the committed results first.

    Results and pages change together or not at all. A cell that is not as it was recorded, and a record whose scores
    are not those of its predictions, is not merged; the exit status is then 1. ``replace`` removes the committed
    results that the run directory does not have from the lists that it has results for. A warning goes to stderr if a
    list of results does not come from one clean commit. A path is a file or a folder. Raises UserError for ``replace``
    without ``runs`` or with a cell that cannot be merged, and if no cell can be.
    """
    if replace and runs is None:
        raise UserError("--replace removes results that a run directory does not have; name it with --runs DIR")
    found = pages(paths)
    new: dict[Path, Merged] = {}
    beside: dict[Path, str] = {}
    refused = 0
    if runs is not None:
        new, kept, refused = _merged(found, runs, replace, data_root)
        beside = _examples(path_beside(next(iter(new)).parent), runs, kept, replace, data_root)
    if unclean := readme.unclean(instead=new):
        _warn(unclean)
    errors = errors_of(runs) if runs is not None else None
    changed = readme.update(found, SUITES, lists=LISTS, new=new, errors=errors, beside=beside)
    for file, merged in new.items():
        missing = _missing(readme.gaps(merged.records))
        typer.echo(f"{file}: {len(merged.records)} records ({merged.counts()}){missing}")
    for path in found:
        typer.echo(f"{path}: {'tables renewed' if changed[path] else 'tables were up to date'}")
    return 1 if refused else 0


def _examples(
    path: Path, runs: Path, records: Sequence[ResultRecord], replace: bool, data_root: Path | None
) -> dict[Path, str]:
    """The file of the example images with the keypoints of these records, as far as the run directory has them."""
    store = Store(runs)
    there = [
        record
        for record in records
        if all((store.cells / record.cell_id / name).is_file() for name in (ERRORS, "predictions_test.parquet"))
    ]
    tasks = {(record.task, record.profile) for record in there}
    earlier = [each for each in load_examples(path) if not (replace and (each.task, each.profile) in tasks)]
    found = examples_of(store, there, opener(choose_data_root(data_root)[0]), earlier)
    return {path: examples_text(found)} if found else {}


def _merged(
    paths: Sequence[Path], runs: Path, replace: bool, data_root: Path | None
) -> tuple[dict[Path, Merged], list[ResultRecord], int]:
    """The committed lists with a run directory merged in, the records merged, and the number of cells refused."""
    boards = [path for path in paths if readme.has_block(path, ["leaderboard"])] or paths
    there = examine(runs)
    wanted: set[str] = set()
    if there.records:
        lists = readme.merged_lists(boards, there.records, SUITES, replace=replace)
        wanted = {record.cell_id for merged in lists.values() for record in merged.records}
    records = [record for record in there.records if record.cell_id in wanted]
    checked = recompute(runs, records, opener(choose_data_root(data_root)[0]))
    for line in checked.refused.values():
        typer.echo(line, err=True)
    refused = len(there.left_out) + len(checked.refused)
    kept = [record for record in records if record.cell_id not in checked.refused]
    if refused and (replace or not kept):
        why = "--replace would remove their committed results" if kept else "nothing is left to merge"
        raise UserError(f"{refused} cells of {runs} are refused, as the lines above say: {why}; nothing changed")
    for line in checked.lines():
        typer.echo(line)
    return readme.merged_lists(boards, kept, SUITES, replace=replace), kept, refused


def _update_options(paths: Iterable[Path]) -> str:
    return " ".join(f"--update {path}" for path in paths)


def _warn(unclean: str) -> None:
    typer.echo(f"warning: {unclean}; leaderboard --check takes results of one clean commit alone", err=True)


def _missing(gaps: Sequence[str]) -> str:
    """The cells that a committed list lacks; the first by name, the others as a number."""
    if not gaps:
        return ""
    more = f" and {len(gaps) - MISSING_SHOWN} more" if len(gaps) > MISSING_SHOWN else ""
    return f"; not there: {', '.join(gaps[:MISSING_SHOWN])}{more}"
