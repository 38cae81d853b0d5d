"""The arrows of the design, read off the import statements of every file."""

import ast
from pathlib import Path

import pytest

MAY_IMPORT = {
    "benchmarks": {"benchmarks", "leaderboard", "methods", "datasets", "metrics"},
    "leaderboard": {"leaderboard", "metrics"},
    "methods": {"methods"},
    "datasets": {"datasets"},
    "metrics": {"metrics"},
}
HEAVY = {"torch", "diffusers", "transformers", "mlflow", "matplotlib", "pandas", "pyarrow", "scipy"}
LIGHT = [
    "benchmarks/cli.py",
    "benchmarks/describe/catalogue.py",
    "benchmarks/data/cli.py",
    "benchmarks/importing/cli.py",
    "benchmarks/regress/cli.py",
    "benchmarks/scaffold/cli.py",
    "benchmarks/score/cli.py",
    "benchmarks/registry.py",
    "benchmarks/settings.py",
    "benchmarks/tasks.py",
    "benchmarks/errors.py",
    "datasets/__init__.py",
    "datasets/base.py",
    "methods/__init__.py",
    "methods/base.py",
]


def imports(tree: ast.AST) -> set[str]:
    """Top-level names of the absolute imports at any depth."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def eager(tree: ast.Module) -> set[str]:
    """Names imported when the module is, type checking aside."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= imports(node)
    return found


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_the_reader_of_imports_sees_them_at_every_depth():
    tree = ast.parse("import a.b\nif x:\n    from c.d import e\ndef f():\n    import g as h\nfrom . import i")
    assert imports(tree) == {"a", "c", "g"}
    assert eager(tree) == {"a"}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_arrows_go_one_way(repository, folder):
    paths = list((repository / folder).rglob("*.py"))
    assert paths
    for path in paths:
        wrong = imports(parse(path)) & (MAY_IMPORT.keys() - MAY_IMPORT[folder])
        assert not wrong, f"{path.relative_to(repository)} imports {wrong}"


@pytest.mark.parametrize("name", LIGHT)
def test_what_list_and_help_need_imports_nothing_heavy(repository, name):
    assert not eager(parse(repository / name)) & HEAVY


def test_no_package_imports_relatively_or_the_tests(repository):
    for folder in MAY_IMPORT:
        for path in (repository / folder).rglob("*.py"):
            tree = parse(path)
            relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
            assert not relative, path
            assert "tests" not in imports(tree), path


def test_no_folder_of_the_tests_hides_a_package(repository):
    assert not (repository / "tests" / "datasets").exists()
