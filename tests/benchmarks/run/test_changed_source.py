"""A method whose source was edited without another version keeps its numbers, and that is said."""

from __future__ import annotations

import json

import pytest

from benchmarks.records.digests import source_digests
from benchmarks.registry import METHODS, Entry

SOURCE = """
from keypoint_toys import Colours

class Edited(Colours):
    version = "{version}"

    def predict(self, batch):
        return super().predict(batch) * {scale}
"""
LINE = "edited.py changed since this was measured (version 1 both times): raise version, or --overwrite all"


@pytest.fixture
def edit(toys, tmp_path_factory, monkeypatch):
    """Write the method's module, as an editor would between two commands."""
    import sys

    folder = tmp_path_factory.mktemp("plugin")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(METHODS.entries, "edited", Entry("edited", "edited:Edited", "", "a package"))

    def write(scale, version="1"):
        (folder / "edited.py").write_text(SOURCE.format(scale=scale, version=version))
        for cache in (folder / "__pycache__").glob("*"):
            cache.unlink()
        sys.modules.pop("edited", None)
        source_digests.cache_clear()

    yield write
    sys.modules.pop("edited", None)
    source_digests.cache_clear()


@pytest.fixture
def run(run_toy, tmp_path):
    def call(*options):
        return run_toy(tmp_path, "--task", "toy_transfer", "--seeds", "2", "--no-floors", *options, method="edited")

    return call


def sources(tmp_path):
    found = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("runs/cells/*/result.json"))]
    return [record["digests"]["source"] for record in found]


def test_an_edited_method_keeps_its_number_and_says_so_once(edit, run, toys, tmp_path):
    edit(1.0)
    first = run()
    assert first.status == 0 and "changed since" not in first.out
    before = sources(tmp_path)
    edit(0.5)
    again = run()
    assert again.status == 0 and not any(call.startswith("predict") for call in toys.CALLS)
    assert again.out.count("(finished before)") == 4
    progress, _, summary = again.out.rpartition("(finished before)")
    assert progress.count(f"edited: {LINE}") == summary.count(f"edited: {LINE}") == 1
    dry = run("--dry-run")
    assert dry.out.count(f"edited: {LINE}") == 1 and "4 finished" in dry.out
    assert sources(tmp_path) == before
    renewed = run("--overwrite", "all")
    assert renewed.status == 0 and "changed since" not in renewed.out
    assert sources(tmp_path) != before
    assert "changed since" not in run().out


def test_another_version_is_another_cell(edit, run, tmp_path):
    edit(1.0)
    run()
    edit(0.5, version="2")
    done = run()
    assert "changed since" not in done.out and "finished before" not in done.out
    assert len(sources(tmp_path)) == 8


def test_a_cell_that_takes_a_fit_of_the_source_before_says_so_too(edit, run_toy, toys, tmp_path):
    edit(1.0)
    run_toy(tmp_path, "--no-floors", method="edited")
    edit(0.5)
    done = run_toy(tmp_path, "--no-floors", method="edited", task="toy_transfer")
    assert done.status == 0 and "load" in toys.CALLS
    assert f"edited: {LINE}" in done.out
    one, other = sources(tmp_path)
    assert one == other
