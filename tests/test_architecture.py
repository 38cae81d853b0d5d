"""The arrows of the design, read off the import statements of every file."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "benchmarks": {"benchmarks", "leaderboard", "methods", "datasets", "metrics"},
    "leaderboard": {"leaderboard", "metrics"},
    "methods": {"methods"},
    "datasets": {"datasets"},
    "metrics": {"metrics"},
}
HEAVY = {"torch", "diffusers", "transformers", "mlflow", "matplotlib", "pandas", "pyarrow", "scipy"}
LIGHT = [
    *("errors", "options", "registry", "settings", "tasks/catalogue", "tasks/naming", "cli", "describe/catalogue"),
    *(path.relative_to(ROOT / "benchmarks").with_suffix("").as_posix() for path in ROOT.glob("benchmarks/*/cli.py")),
]
LONGEST_FILE, LONGEST_FUNCTION, LOOSE_FILES = 300, 45, 12
FILES = {path: ast.parse(path.read_text("utf-8")) for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py")}


def module(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


def imports(tree: ast.AST) -> set[str]:
    """Full names of what is imported absolutely, at any depth: 'a.b' and, of ``from a.b import c``, 'a.b.c'."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(names: set[str]) -> set[str]:
    """Top-level packages of full names."""
    return {name.partition(".")[0] for name in names}


def eager(tree: ast.Module) -> set[str]:
    """What is imported when the module is, type checking aside."""
    return set().union(*(imports(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)))


def needed(name: str) -> str | None:
    """The module of this repository that a full name is of, or in."""
    return next((found for found in (name, name.rpartition(".")[0]) if found in MODULES), None)


def room(name: str) -> str:
    """The folder below a top-level package that a module is in; a loose file is a room of its own."""
    parts = MODULES[name].relative_to(ROOT).parts
    return "/".join(parts[:2])


def arrows(group) -> dict[str, set[str]]:
    """Which groups of modules each group imports, lazy imports and those for type checking counted."""
    found: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        there = {group(other) for full in imports(FILES[path]) if (other := needed(full)) and other != name}
        found.setdefault(group(name), set()).update(there - {group(name)})
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of a graph, or []."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_the_reader_of_imports_sees_them_at_every_depth():
    tree = ast.parse("import a.b\nif x:\n    from c.d import e\ndef f():\n    import g as h\nfrom . import i")
    assert imports(tree) == {"a.b", "c.d.e", "g"}
    assert eager(tree) == {"a.b"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_arrows_go_one_way(folder):
    for path, tree in FILES.items():
        if path.is_relative_to(ROOT / folder):
            wrong = packages(imports(tree)) & (MAY_IMPORT.keys() - MAY_IMPORT[folder])
            assert not wrong, f"{path} imports {wrong}"


@pytest.mark.parametrize("group", [str, room])
def test_no_imports_go_in_a_circle(group):
    assert not circle(arrows(group))


@pytest.mark.parametrize("name", LIGHT)
def test_list_help_and_describe_import_nothing_heavy(name):
    assert not packages(eager(FILES[ROOT / "benchmarks" / f"{name}.py"])) & HEAVY


def test_no_package_imports_relatively_or_the_tests():
    for path, tree in FILES.items():
        relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
        assert not relative, path
        assert "tests" not in packages(imports(tree)), path


def test_files_and_functions_stay_short():
    long = [
        f"{path}: {lines} lines"
        for path in FILES
        if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST_FILE
    ]
    for path, tree in FILES.items():
        if path.name in ("cli.py", "__main__.py"):  # a command's signature holds its help
            continue
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        for function in functions:
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > LONGEST_FUNCTION:
                long.append(f"{path}: {function.name} has {lines} lines")
    assert not long


def test_benchmarks_keeps_its_files_in_folders():
    assert len(list((ROOT / "benchmarks").glob("*.py"))) <= LOOSE_FILES


def test_no_folder_of_the_tests_hides_a_package():
    assert not (ROOT / "tests" / "datasets").exists()
