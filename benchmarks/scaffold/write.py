"""Write the files of a new plugin, into this repository or as a separate package."""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.scaffold.kinds import TEMPLATES, Kind, Names, names_of
from leaderboard.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
LINE_LENGTH = 120


def into_repository(kind: Kind, id: str, root: Path = ROOT) -> str:
    """Write a plugin, its test and its line in the table of its kind; returns the files written and the next steps.

    Raises UserError for an id that is taken or not allowed, and if one of the files exists.
    """
    names = names_of(kind, id)
    plugin, test = root / kind.folder / f"{id}.py", root / kind.tests / f"test_{id}.py"
    for path in (plugin, plugin.with_suffix(""), test):
        if path.exists():
            raise UserError(f"{path} is there already; take another name, or remove it")
    table = root / kind.folder / "__init__.py"
    registered = with_entry(kind, table.read_text(encoding="utf-8"), names, table)
    written = {
        plugin: (_filled(kind.template, names), f"the {kind.registry.kind}"),
        test: (_filled(kind.template_test, names), "its test"),
        table: (registered, f"its line in {kind.table}"),
    }
    for path, (text, _) in written.items():
        write_atomically(path, text)
    lines = [f"{path.relative_to(root)}: {what}" for path, (_, what) in written.items()]
    return "\n".join([*lines, *_next_steps(kind, id, Path(kind.tests))])


def into_package(kind: Kind, id: str, folder: Path) -> str:
    """Write a package with a plugin, its test and its entry point; returns the files written and the next steps.

    Raises UserError for an id that is taken or not allowed, and for a folder that is not empty.
    """
    names = names_of(kind, id)
    module = f"keypoints_{id}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and is no empty folder; name a new one")
    if module in sys.modules or find_spec(module) is not None:
        raise UserError(f"there is a module {module} already; take another id")
    project = _filled(TEMPLATES / "pyproject.toml", names).replace("keypoint_benchmarks.plugins", kind.registry.group)
    texts = {
        folder / "pyproject.toml": project,
        folder / f"{module}.py": _filled(kind.template, names),
        folder / "tests" / f"test_{id}.py": _filled(kind.template_test, names),
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    steps = _next_steps(kind, id, folder / "tests")
    return "\n".join([*map(str, texts), f"install it: python -m pip install --editable {folder}", *steps])


def with_entry(kind: Kind, source: str, names: Names, where: Path) -> str:
    """The text of the folder's ``__init__.py`` with a line for the plugin at the end of its table.

    Raises UserError if the table is missing or its closing bracket is not on its own line.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == kind.table:
            last = (node.end_lineno or 0) - 1
            if lines[last].strip() == "}":
                return "".join([*lines[:last], _entry(kind, names), *lines[last:]])
    raise UserError(f"{where}: found no table {kind.table}: ... = {{...}} with its closing bracket on its own line")


def _filled(template: Path, names: Names) -> str:
    return names.put_into(template.read_text(encoding="utf-8"))


def _entry(kind: Kind, names: Names) -> str:
    """The line of the table, or several lines where it is too long for one; the summary is the template's docstring."""
    about = (ast.get_docstring(kind.tree) or "").partition(": ")[2].rstrip(".")
    target, summary = f'"{kind.folder}.{names.id}:{names.cls}"', f'"{names.put_into(about)}"'
    line = f'    "{names.id}": ({target}, {summary}),\n'
    if len(line) <= LINE_LENGTH + 1:
        return line
    return f'    "{names.id}": (\n        {target},\n        {summary},\n    ),\n'


def _next_steps(kind: Kind, id: str, tests: Path) -> list[str]:
    return [
        f"run it: python -m benchmarks run {kind.run.format(id=id)}",
        f"test it: python -m pytest {tests / f'test_{id}.py'} {kind.conformance} -k {id}",
        f"change it, and fill in its card: {kind.to_fill_in}",
        f"CONTRIBUTING.md says what each part of it must do, under 'Add a {kind.registry.kind}'",
    ]
