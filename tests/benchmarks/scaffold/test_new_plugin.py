"""``new-method`` and ``new-dataset``: what they write works, and they refuse what they cannot write."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cli import main
from benchmarks.errors import UserError
from benchmarks.scaffold.kinds import DATASET, LONGEST, METHOD, names_of
from benchmarks.scaffold.write import into_package, into_repository, with_entry

LONG = "a" * (LONGEST - 2) + "_z"
MOST_LINES = {METHOD: 40, DATASET: 60}
every_kind = pytest.mark.parametrize("kind", [METHOD, DATASET], ids=["method", "dataset"])


def tree(root, kind=METHOD):
    """A root with as much of the repository as the command needs."""
    table = root / kind.folder / "__init__.py"
    table.parent.mkdir(parents=True)
    table.write_text(
        f'{kind.table}: dict[str, tuple[str, str]] = {{\n    "old": ("old:Old", "is there"),\n}}\nAFTER = 1\n'
    )
    return root


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@every_kind
@pytest.mark.parametrize(
    ("id", "title", "cls"),
    [
        ("mine", "Mine", "Mine"),
        ("my_plugin", "My plugin", "MyPlugin"),
        ("v2_of_2d", "V2 of 2d", "V2Of2d"),
        ("mytemplate", "Mytemplate", "Mytemplate"),
    ],
)
def test_the_plugin_goes_by_its_names(tmp_path, kind, id, title, cls):
    into_repository(kind, id, tree(tmp_path, kind))
    source = (tmp_path / kind.folder / f"{id}.py").read_text()
    classes = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert classes == ([f"{cls}Config", cls] if kind is METHOD else [cls])
    assert f'id="{id}"' in source
    assert f'="{title}"' in source
    assert f'("{id}"' in (tmp_path / kind.tests / f"test_{id}.py").read_text()


@every_kind
@pytest.mark.parametrize("id", ["b", LONG])
def test_the_plugin_is_short_and_clean_with_the_shortest_and_the_longest_id(tmp_path, repository, kind, id):
    into_repository(kind, id, tree(tmp_path, kind))
    plugin = tmp_path / kind.folder / f"{id}.py"
    assert len(plugin.read_text().splitlines()) <= MOST_LINES[kind]
    written = [plugin, tmp_path / kind.folder / "__init__.py", tmp_path / kind.tests / f"test_{id}.py"]
    assert max(len(line) for path in written for line in path.read_text().splitlines()) <= 120
    if importlib.util.find_spec("ruff"):
        settings = ["--config", str(repository / "pyproject.toml"), "--no-cache"]
        for command in (["check", "--ignore=S101"], ["format", "--check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, *settings, *written],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout


@every_kind
def test_the_line_of_the_table_stands_last_and_changes_nothing_else(repository, kind):
    path = repository / kind.folder / "__init__.py"
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    exec(path.read_text(), before)
    exec(with_entry(kind, path.read_text(), names_of(kind, "my_own"), path), after)
    table = after[kind.table]
    target, summary = table["my_own"]
    assert list(table) == [*before[kind.table], "my_own"]
    assert {name: entry for name, entry in table.items() if name != "my_own"} == before[kind.table]
    assert target == f"{kind.folder}.my_own:MyOwn"
    assert "template" not in summary and summary[-1] not in " ."


@pytest.mark.parametrize(
    "source", ["METHODS = {}\n", "METHODS: dict = {}\n", "METHODS: dict = dict(\n)\n", "A: int = 1\n"]
)
def test_a_table_that_cannot_be_read_is_named(source):
    with pytest.raises(UserError, match=r"somewhere: found no table METHODS"):
        with_entry(METHOD, source, names_of(METHOD, "mine"), Path("somewhere"))


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("grid", r"method 'grid' is there already: methods\.floors:Grid \(methods/__init__\.py\)"),
        ("My", "'My' cannot be a method's id"),
        ("corner-blobs", "cannot be.* such as corner_blobs$"),
        ("CornerBlobs", "such as corner_blobs$"),
        ("class", "such as my_method$"),
        ("2d", "cannot be"),
        ("a__b", "cannot be"),
        ("_a", "cannot be"),
        ("../a", "cannot be"),
        ("naïve", "cannot be"),
        ("a\n", "cannot be"),
        ("", "cannot be"),
        ("a" * (LONGEST + 1), "up to 30"),
        ("none", "would make a class None"),
        ("array_method", "would make a class ArrayMethod"),
    ],
)
def test_bad_names_are_refused(tmp_path, id, message):
    before = files(tree(tmp_path))
    with pytest.raises(UserError, match=message) as error:
        into_repository(METHOD, id, tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=message):
        into_package(METHOD, id, tmp_path / "package")
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("cub_001", r"dataset 'cub_001' is there already: datasets\.cub:CUB_001"),
        ("a-b", "'a-b' cannot be a dataset's id"),
        ("table_dataset", "would make a class TableDataset"),
    ],
)
def test_bad_names_of_datasets_are_refused(tmp_path, id, message):
    with pytest.raises(UserError, match=message):
        into_repository(DATASET, id, tree(tmp_path, DATASET))


def test_a_name_of_an_installed_package_is_taken(toys, tmp_path):
    with pytest.raises(UserError, match="toy_colours' is there already.*package keypoint-toys"):
        into_repository(METHOD, "toy_colours", tree(tmp_path))


@pytest.mark.parametrize("existing", ["methods/mine.py", "methods/mine/part.py", "tests/methods/test_mine.py"])
def test_nothing_is_written_over(tmp_path, existing):
    path = tree(tmp_path) / existing
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("dear\n")
    before = files(tmp_path)
    with pytest.raises(UserError, match="is there already") as error:
        into_repository(METHOD, "mine", tmp_path)
    assert "\n" not in str(error.value)
    assert files(tmp_path) == before


def test_a_package_takes_an_empty_folder_only(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "dear.txt").write_text("dear\n")
    for folder in (tmp_path / "full", tmp_path / "full" / "dear.txt"):
        with pytest.raises(UserError, match="is no empty folder"):
            into_package(METHOD, "mine", folder)
    assert list(files(tmp_path)) == ["full/dear.txt"]
    (tmp_path / "empty").mkdir()
    into_package(METHOD, "mine", tmp_path / "empty")
    expected = ["keypoints_mine.py", "pyproject.toml", "tests/test_mine.py"]
    assert sorted(files(tmp_path / "empty")) == expected


def test_a_module_of_the_name_of_the_package_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "keypoints_mine.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="there is a module keypoints_mine already"):
        into_package(METHOD, "mine", tmp_path / "package")


@pytest.mark.parametrize("arguments", [("new-method", "grid"), ("new-dataset", "cub_001")])
def test_a_mistake_is_one_line_and_status_2(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Runs Python in a copy of the repository; gives its standard output."""
    copy = tmp_path_factory.mktemp("copy")
    left_out = shutil.ignore_patterns("__pycache__", "mini_model", "results", "pictures", ".*")
    repository = Path(__file__).resolve().parents[3]
    for name in ("benchmarks", "methods", "datasets", "metrics", "leaderboard", "tests"):
        shutil.copytree(repository / name, copy / name, ignore=left_out)
    shutil.copy(repository / "pyproject.toml", copy)

    def run(*arguments, **variables):
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.slow
@every_kind
def test_the_plugin_passes_its_test_and_the_conformance_suite(repository, python, tmp_path, kind):
    said = python("-m", "benchmarks", f"new-{kind.registry.kind}", "brand_new")
    if kind is DATASET:  # the suite skips a dataset without data
        write = "import pathlib, sys; from tests.dataset_plugins.test_brand_new import write"
        python("-c", f"{write}; write(pathlib.Path(sys.argv[1]))", str(tmp_path))
    step = next(line for line in said.splitlines() if line.startswith("test it: python "))
    test = [*step.removeprefix("test it: python ").split(), "-p", "no:cacheprovider", "-q", "-rN"]
    passed = python(*test, KEYPOINTS_DATA_ROOT=str(tmp_path))
    conformance = (repository / kind.conformance).read_text().count(f"@every_{kind.registry.kind}")
    assert "skipped" not in passed
    assert int(passed.splitlines()[-1].split(" passed")[0]) > conformance
