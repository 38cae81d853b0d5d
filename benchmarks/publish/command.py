"""The ``publish`` command: records and examples in, a folder of pages out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.errors import UserError
from benchmarks.publish.feed import write_feed
from benchmarks.publish.methods import write_method
from benchmarks.publish.pictures import photo, picture
from benchmarks.publish.protocols import write_protocols
from benchmarks.publish.results import Results
from benchmarks.publish.site import Site, replace_site
from benchmarks.publish.suites import ABOUT, PROFILES, leader_of, write_experiments, write_suite
from benchmarks.publish.tasks import Gallery, write_task
from benchmarks.records.checks import whole_records
from benchmarks.records.image_errors import errors_of
from benchmarks.records.provenance import git_state
from benchmarks.records.store import Store
from benchmarks.registry import opener
from benchmarks.run.examples import Examples, examples_of, load_examples, path_beside
from benchmarks.tasks import SUITES, TASKS
from leaderboard.committed_errors import committed_errors
from leaderboard.load import RESULTS, load_results
from leaderboard.origins import each_once
from leaderboard.overall import RULE
from leaderboard.records import ResultRecord


def publish_site(output: Path, runs: Path | None, data_root: Path | None, show_images: bool) -> str:
    """Write the site, and say in one line what it holds.

    ``runs`` None means the committed results. Raises UserError if there are no results, or if ``output`` holds files
    that are no earlier site.
    """
    started = time.perf_counter()
    datasets = opener(data_root)
    repeated = whole_records(runs) if runs else load_results(repeated=True)
    records = each_once(repeated)
    if not records:
        raise UserError(f"no results in {runs or RESULTS}; run a suite first (python -m benchmarks run)")
    examples = examples_of(Store(runs), records, datasets) if runs else load_examples(path_beside(RESULTS))
    results = Results(records, errors_of(runs) if runs else committed_errors(RESULTS), examples, repeated)
    replace_site(
        output, lambda folder: _write(folder, results, Gallery(folder / "images", datasets, show_images), output)
    )
    files = [path for path in output.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    pages = sum(path.suffix == ".html" for path in files)
    seconds = time.perf_counter() - started
    return f"{output / 'index.html'}: {pages} pages, {size:.1f} MB, {seconds:.0f} s; open it in a browser"


def _write(folder: Path, results: Results, gallery: Gallery, earlier: Path) -> None:
    records = results.records
    tasks = list(dict.fromkeys(record.task for record in records if record.task in TASKS))
    suites = [suite for suite in SUITES.values() if set(suite.tasks) & set(tasks) and suite.kind != "pairs"]
    site = Site(folder, tuple(suite.name for suite in suites), _footer(records))
    figures = [_figure(example, gallery) for example in results.examples]
    methods = [write_method(site, name, results, gallery) for name in dict.fromkeys(each.method for each in records)]
    methods.sort(key=lambda method: ("", "supervised", "floor (baseline)").index(method.kind))
    about = [ABOUT[profile] for profile in PROFILES if any(record.profile == profile for record in records)]
    leaders = {suite.name: leader for suite in suites if (leader := leader_of(suite, results))}
    site.render(
        "index.html",
        "index.html",
        "Overview",
        suites=suites,
        figures=figures,
        leaders=leaders,
        methods=methods,
        about=about,
        rule=f"{RULE[:1].upper()}{RULE[1:]}" if leaders else "",
    )
    for suite in suites:
        write_suite(site, suite, results)
    linked = dict.fromkeys([*tasks, *(task for suite in suites for task in suite.tasks)])
    for name in linked:
        write_task(site, TASKS[name], results, gallery)
    write_protocols(site)
    write_experiments(site, results)
    write_feed(site, results, earlier)


def _figure(example: Examples, gallery: Gallery) -> dict[str, Any]:
    """The image with the median error of the median method, with that method's keypoints."""
    shown = next(each for each in example.methods if each.label == example.by)
    middle = example.quantiles[len(example.quantiles) // 2]
    _, photos = gallery.open(example.dataset)
    keypoints = shown.keypoints[example.ids.index(middle)]
    drawn = picture(photo(photos.address(middle, "")), keypoints, label=f"Keypoints of {shown.label}")
    return {"task": example.task, "picture": drawn, "label": shown.label}


def _footer(records: Sequence[ResultRecord]) -> str:
    dates = sorted(str(record.provenance.get("date", ""))[:10] for record in records)
    commit = str(git_state()["git_sha"] or "")[:7]
    made = f"Made by keypoint-benchmarks{f' at commit {commit}' if commit else ''}"
    return f"{made} from {len(records):,} results measured until {dates[-1]}."
