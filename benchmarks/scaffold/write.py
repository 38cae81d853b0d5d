"""Writes the files of a new method: into this repository, or as a package of its own."""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.scaffold.naming import TEMPLATE_METHOD, TEMPLATE_TEST, Names, names_of, template_summary
from leaderboard.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
LINE_LENGTH = 120
_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "keypoints-{id}"
version = "0.1.0"
description = "{title}: a method for the keypoint benchmarks"
requires-python = ">=3.11"
dependencies = ["numpy", "pydantic", "scipy"]

# The benchmark finds the method by this line. The module imports `methods` from the benchmark's checkout, where the
# commands are started.
[project.entry-points."keypoint_benchmarks.methods"]
{id} = "{module}:{cls}"

[tool.setuptools]
py-modules = ["{module}"]
"""


def into_repository(id: str, root: Path = ROOT) -> str:
    """Write ``methods/ID.py``, its test and its line in METHODS; gives what was written and what to do next.

    Raises UserError for a name that is taken or cannot be one, and where a file is there already.
    """
    names = names_of(id)
    plugin, test = root / "methods" / f"{id}.py", root / "tests" / "methods" / f"test_{id}.py"
    for path in (plugin, plugin.with_suffix(""), test):
        _refuse_existing(path)
    table = root / "methods" / "__init__.py"
    registered = with_entry(table.read_text(encoding="utf-8"), names, table)
    write_atomically(plugin, names.put_into(TEMPLATE_METHOD))
    write_atomically(test, names.put_into(TEMPLATE_TEST))
    write_atomically(table, registered)
    written = {plugin: "the method", test: "its test", table: "its line in METHODS"}
    lines = [f"{path.relative_to(root)}: {what}" for path, what in written.items()]
    return "\n".join([*lines, *_next_steps(id, Path("tests/methods"))])


def into_package(id: str, folder: Path) -> str:
    """Write a package with the method, its test and its entry point; gives what was written and what to do next.

    Raises UserError for a name that is taken or cannot be one, and for a folder that holds something.
    """
    names = names_of(id)
    module = f"keypoints_{id}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and is no empty folder; name a new one")
    if module in sys.modules or find_spec(module) is not None:
        raise UserError(f"there is a module {module} already; take another id")
    texts = {
        folder / "pyproject.toml": _PYPROJECT.format(id=id, title=names.title, cls=names.cls, module=module),
        folder / f"{module}.py": names.put_into(TEMPLATE_METHOD),
        folder / "tests" / f"test_{id}.py": names.put_into(TEMPLATE_TEST),
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    steps = _next_steps(id, folder / "tests")
    return "\n".join([*map(str, texts), f"install it: python -m pip install --editable {folder}", *steps])


def with_entry(source: str, names: Names, where: Path) -> str:
    """The text of ``methods/__init__.py`` with a line for the method at the end of METHODS.

    Raises UserError where no table METHODS can be found that ends on a line of its own.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "METHODS":
            last = (node.end_lineno or 0) - 1
            if lines[last].strip() == "}":
                return "".join([*lines[:last], _entry(names), *lines[last:]])
    raise UserError(f"{where}: found no table METHODS: ... = {{...}} with its closing bracket on a line of its own")


def _entry(names: Names) -> str:
    """The line of METHODS, in several where it is too long for one."""
    target, summary = f'"methods.{names.id}:{names.cls}"', f'"{template_summary()}"'
    line = f'    "{names.id}": ({target}, {summary}),\n'
    if len(line) <= LINE_LENGTH + 1:
        return line
    return f'    "{names.id}": (\n        {target},\n        {summary},\n    ),\n'


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UserError(f"{path} is there already; take another name, or remove it")


def _next_steps(id: str, tests: Path) -> list[str]:
    return [
        f"run it: python -m benchmarks run --profile mini --method {id} --task cub_001",
        f"test it: python -m pytest {tests / f'test_{id}.py'} tests/test_conformance.py -k {id}",
        "change it, and fill in its card (paper, year, licence, trained_on)",
    ]
