"""The digests of fits and of methods' source files."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest

from benchmarks.errors import UserError
from benchmarks.records.digests import (
    FitRecord,
    digest_of,
    fit_digest,
    fit_fault,
    read_fit,
    source_digests,
    write_fit,
)
from benchmarks.records.export import export
from benchmarks.registry import METHODS, Entry


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of somebody else's, with two methods that import their own helpers."""
    for name in ("__init__", "first", "helper", "deep/__init__", "deep/second", "deep/more/__init__", "deep/more/help"):
        path = tmp_path / "keypoints_of_mine" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    (tmp_path / "keypoints_alone.py").write_text("# alone\n")
    (tmp_path / "beside.py").write_text("# another module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    targets = {"mine": "keypoints_of_mine.first", "deep": "keypoints_of_mine.deep", "alone": "keypoints_alone"}
    for name, module in targets.items():
        monkeypatch.setitem(METHODS.entries, name, Entry(name, f"{module}:Method", "", "a package"))
    source_digests.cache_clear()
    yield tmp_path
    source_digests.cache_clear()
    for name in [name for name in sys.modules if name.startswith("keypoints_of_mine")]:
        del sys.modules[name]


def test_the_source_of_a_method_is_its_module_or_all_of_its_package(package):
    assert set(source_digests("grid")) == {"methods/floors.py"}
    files = set(source_digests("stable_keypoints"))
    assert files >= {
        f"methods/stable_keypoints/{name}.py" for name in ("__init__", "method", "losses", "random_tokens")
    }
    assert all(name.startswith("methods/stable_keypoints/") for name in files)
    assert set(source_digests("random_tokens")) == files  # a module of that package
    beside = {f"keypoints_of_mine/{name}.py" for name in ("__init__", "first", "helper")}
    assert set(source_digests("mine")) == beside
    below = {f"keypoints_of_mine/deep/{name}.py" for name in ("__init__", "second", "more/__init__", "more/help")}
    assert set(source_digests("deep")) == below
    assert source_digests("alone") == {"keypoints_alone.py": digest_of(package / "keypoints_alone.py")}


@pytest.fixture
def fit(tmp_path):
    folder = tmp_path / "fits" / "toy--1"
    (folder / "below").mkdir(parents=True)
    (folder / "tokens.bin").write_bytes(b"tokens")
    (folder / "below" / "more.bin").write_bytes(b"more")
    write_fit(folder, "toy--1", FitRecord(seconds=1.5, source={"toy.py": "0" * 64}, resumed=False))
    return folder


def test_a_fit_is_whole_until_any_of_its_files_changes(fit):
    found = read_fit(fit)
    assert found is not None and found.seconds == 1.5 and set(found.files) == {"tokens.bin", "below/more.bin"}
    assert fit_fault(fit, "toy--1") == fit_fault(fit) == ""
    before = fit_digest(fit)
    write_fit(fit, "toy--1", FitRecord(seconds=99.0))
    assert fit_digest(fit) == before  # seconds are no part of what was learned
    assert fit_fault(fit, "toy--2") == "fit.json belongs to another fit, toy--1"
    (fit / "note.txt").write_text("a file beside those of the fit")
    assert fit_fault(fit) == ""
    (fit / "below" / "more.bin").write_bytes(b"mare")
    assert fit_fault(fit) == "below/more.bin has changed since it was recorded"
    (fit / "below" / "more.bin").unlink()
    assert fit_fault(fit) == "below/more.bin is missing"
    assert read_fit(fit) is not None and fit_digest(fit) == before


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text.replace("1.5", "0.5"), "has changed since it was written"),
        (lambda text: text.replace('"digest"', '"diges"'), "cannot be read"),
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: "", "cannot be read"),
        (lambda text: "[" * 100_000, "cannot be read"),
        (lambda text: text.replace('"digest":"', '"digest":null,"fit":"'), "has changed since it was written"),
    ],
)
def test_a_changed_fit_json_is_noticed(fit, change, fault):
    text = (fit / "fit.json").read_text()
    (fit / "fit.json").write_text(change(text))
    assert fit_fault(fit) == f"fit.json {fault}"


def test_a_fit_of_an_older_version_has_the_seconds_alone(fit):
    before = fit_digest(fit)
    (fit / "fit.json").write_text('{"seconds": 2.0}')
    assert fit_fault(fit, "toy--1") == ""
    assert fit_digest(fit) == before


def test_a_fit_remembers_that_it_was_resumed_and_where_it_was_made(fit):
    about = FitRecord(seconds=1.5, resumed=True, machine={"cpu": "a"}, parameters={"own": 3}, peak_memory_mb=1.0)
    write_fit(fit, "toy--1", about)
    found = read_fit(fit)
    assert found is not None and fit_fault(fit) == ""
    assert found.model_dump(exclude={"digest", "files", "fit"}) == about.model_dump(exclude={"digest", "files", "fit"})
    text = (fit / "fit.json").read_text()
    for old, new in (('"cpu":"a"', '"cpu":"b"'), ('"own":3', '"own":4'), ('"resumed":true', '"resumed":false')):
        assert old in text
        (fit / "fit.json").write_text(text.replace(old, new))
        assert fit_fault(fit) == "fit.json has changed since it was written"


@pytest.mark.parametrize("since", [["resumed"], ["machine", "peak_memory_mb", "parameters"]])
def test_a_fit_json_from_before_a_field_was_kept_is_whole(fit, since):
    plain = json.loads((fit / "fit.json").read_text())
    plain = {name: value for name, value in plain.items() if name not in [*since, "digest"]}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    (fit / "fit.json").write_text(json.dumps(plain | {"digest": digest}))
    assert fit_fault(fit, "toy--1") == ""


def test_a_path_in_fit_json_that_is_no_file_is_not_read(fit):
    write_fit(fit, "toy--1", FitRecord(seconds=1.0))
    text = (fit / "fit.json").read_text()
    assert '"tokens.bin"' in text
    (fit / "tokens.bin").unlink()
    (fit / "tokens.bin").symlink_to("/dev/zero")
    assert "tokens.bin cannot be read" in fit_fault(fit)


def test_a_changed_fit_is_not_exported(tmp_path):
    folder = tmp_path / "runs" / "fits" / "stable_keypoints--mini--k4--s0--0"
    folder.mkdir(parents=True)
    for name in ("tokens.safetensors", "state.json"):
        (folder / name).write_bytes(b"not read")
    write_fit(folder, folder.name, FitRecord(seconds=1.0))
    (folder / "tokens.safetensors").write_bytes(b"flipped!")
    for source in (folder, tmp_path / "runs"):
        with pytest.raises(UserError, match=r"is not exported: tokens.safetensors has changed since .*run it again"):
            export(source, tmp_path / "out")
    (folder / "fit.json").unlink()
    with pytest.raises(UserError, match=r"is not exported: fit.json is missing"):
        export(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
