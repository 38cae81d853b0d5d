"""The site: the numbers of the tables, text from outside as text, and folders that are not replaced."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import typer.testing

from benchmarks.cli import app
from benchmarks.errors import UserError
from benchmarks.publish.charts.axes import apart, short, ticks
from benchmarks.publish.command import publish_site
from benchmarks.publish.site import replace_site
from benchmarks.publish.tables import measured_table
from benchmarks.publish.tasks import _per_landmark
from benchmarks.records.store import Store
from benchmarks.registry import opener
from benchmarks.run.examples import QUANTILES, examples_of, load_examples, save_examples
from benchmarks.tasks import SUITES
from leaderboard.load import load_records, load_results
from leaderboard.rows import known
from leaderboard.tables import rows
from tests.leaderboard.synthetic import record, score_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run directory with two floors and a small fit."""
    folder = tmp_path_factory.mktemp("runs")
    options = [
        "--profile",
        "mini",
        "--task",
        "cub_001",
        "--task",
        "celeba_wild_k4",
        "--method",
        "dift_kmeans",
        "--no-mlflow",
    ]
    options += [f"--set=dift_kmeans.{setting}" for setting in ("ensemble=1", "fit_images=8", "iterations=2")]
    done = typer.testing.CliRunner().invoke(app, ["run", *options, "--output", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def site(runs):
    folder = runs.parent / "site"
    publish_site(folder, runs, None, show_images=False)
    return folder


def texts(cells):
    return [re.sub(r"<[^>]*>", "", cell) for cell in cells]


def test_the_numbers_are_those_of_the_tables(tmp_path):
    publish_site(tmp_path / "site", None, None, show_images=False)
    records = load_results()
    size = sum(path.stat().st_size for path in (tmp_path / "site").rglob("*") if path.is_file())
    assert size < 14_000 * len(records)  # each result has its numbers, intervals and keypoints on example images
    measured = {suite: rows(records, suite.tasks, "mini") for suite in SUITES.values() if suite.kind == "plain"}
    assert sum(map(bool, measured.values())) >= 5
    for suite, found in measured.items():
        if not found:
            continue
        page = (tmp_path / "site" / "suites" / f"{suite.name}.html").read_text()
        table = page[page.index(f'id="{suite.name}-mini-0"') :]
        table = table[: table.index("</table>")]
        for row in found:
            line = next(each for each in table.split("<tr ")[1:] if f'data-order="{row.label}' in unescape(each))
            value = f"{row.value:.2f}"
            assert any(text.split()[:1] == [value] for text in texts(re.findall(r"<td.*?</td>", line, re.DOTALL)))


def test_differences_from_the_best_stand_on_the_pages_of_suite_task_and_method(runs, site):
    means = {}
    for path in runs.glob("cells/*--cub_001--*/errors.parquet"):
        errors = pd.read_parquet(path)
        means[path.parent.name.partition("--")[0]] = errors[errors["protocol"] == "sk/side"]["error"].mean()
    best = min(means, key=means.__getitem__)
    for method, mean in means.items():
        if method != best:
            expected = f"{mean - means[best]:+.2f} ("
            for page in ("suites/wild.html", "tasks/cub_001.html", f"methods/{method}.html"):
                text = re.sub(r"<[^>]*>", "", (site / page).read_text(encoding="utf-8"))
                assert expected in text, page


def test_the_overview_leads_to_every_method(runs, site):
    page = (site / "index.html").read_text(encoding="utf-8")
    for method in {each.method for each in load_records(runs)}:
        assert f'href="methods/{method}.html"' in page
    assert "-means clusters of a frozen diffusion model" in page


def test_tasks_that_no_method_has_are_named_below_the_overall_table_and_not_in_it(site):
    page = (site / "suites" / "wild.html").read_text(encoding="utf-8")
    table = re.sub(r"<[^>]*>", "", page[page.index('id="wild-mini-overall"') :].partition("</table>")[0])
    assert "cub_001" in table and "taichi" not in table and "missing" not in table
    assert "No method has a skill on celeba_wild_k8, cub_002, cub_003, cub_all, taichi, deepfashion" in page


def test_the_page_of_a_task_says_nothing_of_what_this_machine_lacks(site):
    page = (site / "tasks" / "cub_001.html").read_text(encoding="utf-8")
    assert "data root" not in page and "cannot be run" not in page


def test_the_page_of_a_method_says_what_it_cost_and_saw(runs, site):
    text = re.sub(r"<[^>]*>", " ", (site / "methods" / "dift_kmeans.html").read_text(encoding="utf-8"))
    for heading in ("seconds a fit", "ms an image", "hardware", "parameters learned", "frozen part trained on"):
        assert heading in text
    assert "drawings of the synthetic world (without the test images)" in text
    (record,) = [each for each in load_records(runs) if each.method == "dift_kmeans" and each.task == "cub_001"]
    assert f"{record.provenance['parameters']['own']:,}" in text
    assert f"{record.provenance['parameters']['frozen']:,}" in text
    assert f"{record.seconds['fit']:,.1f}" in text


def test_marks_of_flags_stand_behind_the_method_with_their_legend(tmp_path):
    records = [
        record("alpha", "cub_001", 7.0, provenance={"git_sha": "1a2b3c4", "git_dirty": True, "fit_resumed": True}),
        record("beta", "cub_001", 8.0, provenance={"git_sha": "1a2b3c4", "git_dirty": False}),
    ]
    table = measured_table(rows(records, ["cub_001"], "mini"))
    assert table is not None
    assert [(line.label, line.flags) for line in table.lines] == [("Alpha", "ᵘʳ"), ("Beta", "")]
    assert [note[0] for note in table.notes if note[0] in "ᵘʳ"] == ["ᵘ", "ʳ"]


def test_the_images_are_at_the_quantiles_of_the_median_methods_errors(runs):
    records = load_records(runs)
    found = {each.task: each for each in examples_of(Store(runs), records, opener(None))}
    assert found.keys() == {"cub_001", "celeba_wild_k4"}
    example = found["celeba_wild_k4"]
    record = next(each for each in records if each.method == "dift_kmeans" and each.task == example.task)
    errors = pd.read_parquet(runs / "cells" / record.cell_id / "errors.parquet")
    own = errors[errors.protocol == example.protocol].sort_values("error")
    assert example.by == record.method_label
    assert example.worst == own.image_id.to_list()[::-1][:10]
    shown = next(each for each in example.methods if each.method == "dift_kmeans")
    ranks = [(own.error <= known(error) + 1e-3).mean() for error in shown.errors[: len(QUANTILES)]]
    assert np.allclose(ranks, QUANTILES, atol=1.5 / len(own))


def test_examples_are_kept_as_they_are_and_gain_methods(runs, tmp_path):
    records = load_records(runs)
    whole = examples_of(Store(runs), records, opener(None))
    save_examples(whole, tmp_path / "examples.json")
    assert load_examples(tmp_path / "examples.json") == whole
    learned = [record for record in records if record.method == "dift_kmeans"]
    fewer = examples_of(Store(runs), learned, opener(None))
    assert [len(each.methods) for each in fewer] == [1, 1]
    floors = [record for record in records if record.method != "dift_kmeans"]
    assert examples_of(Store(runs), floors, opener(None), fewer) == whole


def test_names_from_records_are_text(runs, site, tmp_path):
    evil = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    copied = tmp_path / "runs"
    shutil.copytree(runs, copied)
    for path in copied.glob("cells/dift*/result.json"):
        record = json.loads(path.read_text())
        record.update(method_label=evil)
        record.pop("sha256", None)
        path.write_text(json.dumps(record))
    publish_site(tmp_path / "site", copied, None, show_images=False)
    pages = [path.read_text() for path in (tmp_path / "site").rglob("*.html")]
    assert not any("<script>alert" in page or "<img src=x" in page for page in pages)


def test_a_folder_with_other_files_is_refused_and_an_earlier_site_is_replaced(tmp_path):
    output = tmp_path / "site"
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        replace_site(output, lambda folder: None)
    assert (output / "thesis.txt").read_text() == "mine"
    (output / "thesis.txt").unlink()
    replace_site(output, lambda folder: (folder / "index.html").touch())
    replace_site(output, lambda folder: (folder / "other.html").touch())
    assert not (output / "index.html").exists() and (output / "other.html").exists()


def test_an_error_while_writing_keeps_the_earlier_site(tmp_path):
    output = tmp_path / "site"
    replace_site(output, lambda folder: (folder / "index.html").touch())

    def fail(folder):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_site(output, fail)
    assert (output / "index.html").exists()
    assert list(tmp_path.iterdir()) == [output]


def test_photographs_of_real_datasets_are_left_out():
    from benchmarks.publish.tasks import Gallery

    class Real:
        def available(self):
            return True, ""

    for show, blank in ((False, True), (True, False)):
        _, photos = Gallery(Path("images"), cast(Any, lambda name: Real()), show).open("celeba_wild")
        assert photos._blank is blank


@pytest.mark.parametrize("high", [0.013, 0.9, 1.0, 7.3, 25, 99, 1234.5])
def test_ticks_are_a_few_round_numbers_up_to_the_largest(high):
    found = ticks(high)
    assert found[0] == 0 and found[-1] <= high < found[-1] + found[1] and 4 <= len(found) <= 11


def test_names_stay_apart_and_inside():
    assert apart([1, 2, 50], 17, 330) == [1, 18, 50]
    found = apart([320, 321, 329], 17, 330)
    assert found == [296, 313, 330]


@pytest.mark.parametrize(
    ("value", "text"), [(1.3333, "1.33"), (99.96, "100"), (1514.6, "1515"), (0.0, "0"), (46000, "46000")]
)
def test_numbers_of_axes_are_never_powers_of_ten(value, text):
    assert short(value) == text


def test_errors_of_landmarks_are_those_of_the_first_protocol_that_has_some() -> None:
    """As in tasks of parts, whose headline measures all landmarks together."""
    parts = score_of(50.0, protocol="parts/nmi", unit="NMI %", per_landmark=(None, None))
    records = [
        record(name, "cub_parts_k4", 1.0, seed=seed, scores=(parts, score_of(3.0, per_landmark=(error + seed, None))))
        for name, error in (("a", 6.0), ("b", 2.0))
        for seed in (0, 1)
    ]
    lines, measured = _per_landmark(records, 2)
    assert measured == "sk/side (% side)"
    assert lines == [("B", [(2.5, 0.385), (None, None)]), ("A", [(6.5, 1.0), (None, None)])]
    assert _per_landmark([record("a", "cub_parts_k4", 1.0, scores=(parts,))], 2) == ([], "")
