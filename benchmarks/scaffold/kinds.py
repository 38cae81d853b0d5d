"""The kinds of plugins that have a template, and the names of a new plugin."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.registry import DATASETS, METHODS, Registry

TEMPLATES = Path(__file__).with_name("templates")
LONGEST = 30  # characters of an id; with longer ids lines of the plugin would be too long
_WORDS = re.compile(r"TemplateConfig|class Template|:Template|Template|template")


@dataclass(frozen=True)
class Kind:
    """A kind of plugin: where its files go in the repository, and the commands to try a new one.

    ``table`` is the table of the ``folder``'s ``__init__.py`` that registers it; ``run`` and ``conformance`` are
    arguments of the command line and of pytest; ``to_fill_in`` are fields of its card.
    """

    registry: Registry
    folder: str
    table: str
    tests: str
    conformance: str
    run: str
    to_fill_in: str

    @property
    def template(self) -> Path:
        """The file with a working plugin."""
        return TEMPLATES / f"{self.registry.kind}.py"

    @property
    def template_test(self) -> Path:
        """The file with its test."""
        return TEMPLATES / f"{self.registry.kind}_test.py"

    @cached_property
    def tree(self) -> ast.Module:
        """The template as a syntax tree."""
        return ast.parse(self.template.read_text(encoding="utf-8"))


METHOD = Kind(
    registry=METHODS,
    folder="methods",
    table="METHODS",
    tests="tests/methods",
    conformance="tests/test_conformance.py",
    run="--profile mini --task cub_001 --method {id}",
    to_fill_in="paper, year, licence, trained_on, and summary, which stands in methods/__init__.py too",
)
DATASET = Kind(
    registry=DATASETS,
    folder="datasets",
    table="DATASETS",
    tests="tests/dataset_plugins",
    conformance="tests/dataset_plugins/test_conformance.py",
    run="--profile mini --method dift_kmeans --dataset {id} --keypoints 4 --data-root DATA_ROOT",
    to_fill_in="landmarks, counts, licence, citation, how_to_get",
)


@dataclass(frozen=True)
class Names:
    """Names of a plugin: ``id`` (my_method), ``title`` in tables (My method) and ``cls``, the class (MyMethod)."""

    id: str
    title: str
    cls: str

    def put_into(self, text: str) -> str:
        """The text of a template, with these names in place of the template's."""
        own = {
            "TemplateConfig": f"{self.cls}Config",
            "class Template": f"class {self.cls}",
            ":Template": f":{self.cls}",
            "Template": self.title,
        }
        return _WORDS.sub(lambda found: own.get(found[0], self.id), text)


def _allowed(id: str) -> bool:
    return bool(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", id)) and len(id) <= LONGEST and not keyword.iskeyword(id)


def _similar(id: str) -> str:
    """The id that a name such as 'My Method' or 'my-method' stands for, '' if none is allowed."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", id)
    found = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return found if _allowed(found) else ""


def names_of(kind: Kind, id: str) -> Names:
    """The names of a new plugin. Raises UserError for an id that is taken or not allowed."""
    noun = kind.registry.kind
    if not _allowed(id):
        raise UserError(
            f"{id!r} cannot be a {noun}'s id; take up to {LONGEST} lower-case letters, digits and single "
            f"underscores that begin with a letter and are no keyword of Python, such as {_similar(id) or f'my_{noun}'}"
        )
    if id in kind.registry.entries:
        raise UserError(f"{noun} '{id}' is there already: {kind.registry.origin(id)}; take another name")
    words = id.split("_")
    cls = "".join(word.capitalize() for word in words)
    imports = [node for node in ast.walk(kind.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    if keyword.iskeyword(cls) or cls in {alias.asname or alias.name for node in imports for alias in node.names}:
        raise UserError(f"'{id}' would make a class {cls}, which the plugin needs for something else; take another id")
    return Names(id=id, title=" ".join(words).capitalize(), cls=cls)
