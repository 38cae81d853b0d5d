"""``new-method``: what it writes works, and it refuses what it cannot write."""

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
from benchmarks.scaffold.naming import LONGEST, TEMPLATE_METHOD, TEMPLATE_TEST, names_of
from benchmarks.scaffold.write import into_package, into_repository, with_entry

LONG = "a" * (LONGEST - 2) + "_z"


def tree(root):
    """A root with as much of the repository as the command needs."""
    table = root / "methods" / "__init__.py"
    table.parent.mkdir(parents=True)
    table.write_text(
        'METHODS: dict[str, tuple[str, str]] = {\n    "old": ("methods.old:Old", "is there"),\n}\nAFTER = 1\n'
    )
    return root


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("id", "title", "cls"),
    [
        ("mine", "Mine", "Mine"),
        ("my_method", "My method", "MyMethod"),
        ("v2_of_2d", "V2 of 2d", "V2Of2d"),
        ("mytemplate", "Mytemplate", "Mytemplate"),
        ("method", "Method", "Method"),
    ],
)
def test_the_plugin_goes_by_its_names(tmp_path, id, title, cls):
    into_repository(id, tree(tmp_path))
    source = (tmp_path / "methods" / f"{id}.py").read_text()
    classes = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert classes == [f"{cls}Config", cls]
    assert f'id="{id}"' in source
    assert f'name="{title}"' in source
    assert f'method_class("{id}")' in (tmp_path / "tests" / "methods" / f"test_{id}.py").read_text()


@pytest.mark.parametrize("id", ["b", LONG])
def test_the_plugin_is_short_and_clean_with_the_shortest_and_the_longest_id(tmp_path, repository, id):
    into_repository(id, tree(tmp_path))
    plugin = tmp_path / "methods" / f"{id}.py"
    assert len(plugin.read_text().splitlines()) <= 40
    written = [plugin, tmp_path / "methods" / "__init__.py", tmp_path / "tests" / "methods" / f"test_{id}.py"]
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


def test_the_line_of_the_table_stands_last_and_changes_nothing_else(tmp_path):
    into_repository("my_method", tree(tmp_path))
    space: dict[str, Any] = {}
    exec((tmp_path / "methods" / "__init__.py").read_text(), space)
    assert space["METHODS"] == {
        "old": ("methods.old:Old", "is there"),
        "my_method": ("methods.my_method:MyMethod", "centres of the K colours of the fit images"),
    }
    assert space["AFTER"] == 1


def test_the_real_table_takes_a_line(repository):
    path = repository / "methods" / "__init__.py"
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    exec(path.read_text(), before)
    exec(with_entry(path.read_text(), names_of("my_method"), path), after)
    assert {name: entry for name, entry in after["METHODS"].items() if name != "my_method"} == before["METHODS"]
    assert after["METHODS"]["my_method"][0] == "methods.my_method:MyMethod"


@pytest.mark.parametrize(
    "source", ["METHODS = {}\n", "METHODS: dict = {}\n", "METHODS: dict = dict(\n)\n", "A: int = 1\n"]
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, source):
    with pytest.raises(UserError, match=r"somewhere: found no table METHODS"):
        with_entry(source, names_of("mine"), Path("somewhere"))


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("grid", r"method 'grid' is there already: methods\.floors:Grid \(methods/__init__\.py\)"),
        ("My", "'My' cannot be a method's id"),
        ("my-method", "cannot be"),
        ("2d", "cannot be"),
        ("class", "cannot be"),
        ("a__b", "cannot be"),
        ("_a", "cannot be"),
        ("a.b", "cannot be"),
        ("../a", "cannot be"),
        ("naïve", "cannot be"),
        ("a\n", "cannot be"),
        ("", "cannot be"),
        ("a" * (LONGEST + 1), "up to 30"),
        ("none", "would make a class None"),
        ("array_method", "would make a class ArrayMethod"),
        ("image_batch", "would make a class ImageBatch"),
    ],
)
def test_bad_names_are_refused(tmp_path, id, message):
    before = files(tree(tmp_path))
    with pytest.raises(UserError, match=message) as error:
        into_repository(id, tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=message):
        into_package(id, tmp_path / "package")
    assert files(tmp_path) == before


def test_a_name_of_an_installed_package_is_taken(toys, tmp_path):
    with pytest.raises(UserError, match="toy_colours' is there already.*package keypoint-toys"):
        into_repository("toy_colours", tree(tmp_path))


@pytest.mark.parametrize("existing", ["methods/mine.py", "methods/mine/part.py", "tests/methods/test_mine.py"])
def test_nothing_is_written_over(tmp_path, existing):
    path = tree(tmp_path) / existing
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("dear\n")
    before = files(tmp_path)
    with pytest.raises(UserError, match="is there already") as error:
        into_repository("mine", tmp_path)
    assert "\n" not in str(error.value)
    assert files(tmp_path) == before


def test_a_package_takes_an_empty_folder_only(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "dear.txt").write_text("dear\n")
    for folder in (tmp_path / "full", tmp_path / "full" / "dear.txt"):
        with pytest.raises(UserError, match="is no empty folder"):
            into_package("mine", folder)
    assert list(files(tmp_path)) == ["full/dear.txt"]
    (tmp_path / "empty").mkdir()
    into_package("mine", tmp_path / "empty")
    expected = ["keypoints_mine.py", "pyproject.toml", "tests/test_mine.py"]
    assert sorted(files(tmp_path / "empty")) == expected


def test_a_module_of_the_name_of_the_package_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "keypoints_mine.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="there is a module keypoints_mine already"):
        into_package("mine", tmp_path / "package")


def test_a_mistake_is_one_line_and_status_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "new-method", "grid"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)


@pytest.mark.slow
def test_in_a_copy_of_the_repository_the_plugin_passes_its_test_and_the_conformance_suite(repository, tmp_path):
    left_out = shutil.ignore_patterns("__pycache__", "mini_model", "results", "pictures", ".*")
    for name in ("benchmarks", "methods", "datasets", "metrics", "leaderboard", "tests"):
        shutil.copytree(repository / name, tmp_path / name, ignore=left_out)
    shutil.copy(repository / "pyproject.toml", tmp_path)

    def python(*arguments):
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = python("-m", "benchmarks", "new-method", "brand_new")
    step = next(line for line in said.splitlines() if line.startswith("test it: python "))
    passed = python(*step.removeprefix("test it: python ").split(), "-p", "no:cacheprovider", "-q", "-rN")
    conformance = (repository / "tests" / "test_conformance.py").read_text().count("@every_method")
    assert int(passed.splitlines()[-1].split(" passed")[0]) > conformance


def test_the_templates_are_those_of_the_file_names():
    assert ast.parse(TEMPLATE_METHOD.read_text()).body
    assert "def test_" in TEMPLATE_TEST.read_text()
