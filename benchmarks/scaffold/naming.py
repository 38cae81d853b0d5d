"""The names that a new method goes by, and what may not be one."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.registry import METHODS

TEMPLATE_METHOD = Path(__file__).with_name("template_method.py")
TEMPLATE_TEST = Path(__file__).with_name("template_test.py")
LONGEST = 30  # characters, so that no line of the plugin is too long
_WORDS = re.compile(r"TemplateConfig|class Template|Template|template")


@dataclass(frozen=True)
class Names:
    """``id`` as commands have it ('my_method'), ``title`` as tables do ('My method'), and the ``cls`` ('MyMethod')."""

    id: str
    title: str
    cls: str

    def put_into(self, template: Path) -> str:
        """The text of a template with these names for its own."""
        own = {"TemplateConfig": f"{self.cls}Config", "class Template": f"class {self.cls}", "Template": self.title}
        text = template.read_text(encoding="utf-8")
        return _WORDS.sub(lambda found: own.get(found[0], self.id), text)


def names_of(id: str) -> Names:
    """The names of a new method. Raises UserError for an id that is taken or cannot be one."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", id) or len(id) > LONGEST or keyword.iskeyword(id):
        raise UserError(
            f"{id!r} cannot be a method's id; take up to {LONGEST} lower-case letters, digits and single "
            f"underscores that begin with a letter and are no keyword of Python, such as my_method"
        )
    if id in METHODS.entries:
        raise UserError(f"method '{id}' is there already: {METHODS.origin(id)}; take another name")
    words = id.split("_")
    cls = "".join(word.capitalize() for word in words)
    if keyword.iskeyword(cls) or cls in _used_by_template():
        raise UserError(f"'{id}' would make a class {cls}, which the plugin needs for something else; take another id")
    return Names(id=id, title=" ".join(words).capitalize(), cls=cls)


def template_summary() -> str:
    """What the template says of itself in a line."""
    summaries = [
        node.value.value
        for node in ast.walk(_template_tree())
        if isinstance(node, ast.keyword) and node.arg == "summary" and isinstance(node.value, ast.Constant)
    ]
    return str(summaries[0])


def _template_tree() -> ast.Module:
    return ast.parse(TEMPLATE_METHOD.read_text(encoding="utf-8"))


def _used_by_template() -> set[str]:
    """Names that the template imports."""
    imports = [node for node in ast.walk(_template_tree()) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}
