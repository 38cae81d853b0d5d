"""Writing the site: templates to files in a folder that replaces the earlier site as a whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = ("style.css", "site.js")
MARK = ".keypoint-benchmarks-site"  # an empty file: a folder that has it may be replaced
NAVIGATION = (
    ("index.html", "Overview"),
    ("experiments.html", "Experiments"),
    ("protocols.html", "Protocols and audit"),
)


class Site:
    """A folder of pages that is being written; ``render`` adds one."""

    def __init__(self, folder: Path, suites: tuple[str, ...], footer: str) -> None:
        self.folder = folder
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"breaks": _breaks, "sentence": _sentence}
        links = [(f"suites/{name}.html", name) for name in suites]
        self._shared: Mapping[str, Any] = {"navigation": [NAVIGATION[0], *links, *NAVIGATION[1:]], "footer": footer}
        for name in ASSETS:
            shutil.copy(TEMPLATES / name, folder / name)

    def render(self, page: str, template: str, title: str, **context: Any) -> None:
        """Write the page at the path ``page``, with the template's variables."""
        root = "../" * page.count("/")
        text = self._templates.get_template(template).render(
            **self._shared, root=root, page=page, title=title, **context
        )
        path = self.folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _breaks(text: str) -> Markup:
    """The text with places after underscores where a browser may break the line."""
    return Markup("_<wbr>").join(text.split("_"))


def _sentence(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def replace_site(output: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a new folder, which then takes the place of ``output``.

    Raises UserError if ``output`` is a file, or a folder that has files and is no earlier site.
    """
    if output.is_file() or (output.is_dir() and any(output.iterdir()) and not (output / MARK).exists()):
        raise UserError(f"{output} holds other files; name a new or an empty folder with --output")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        filling = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise UserError(f"cannot write to {output}: {error.strerror or error}; name another with --output") from error
    old = filling.with_name(filling.name + ".old")
    try:
        write(filling)
        (filling / MARK).touch()
        filling.chmod(0o755)  # a temporary folder is for its owner alone
        if output.exists():
            output.rename(old)
        filling.rename(output)
    finally:
        if old.exists() and not output.exists():
            with suppress(OSError):
                old.rename(output)
        for leftover in (filling, old):
            shutil.rmtree(leftover, ignore_errors=True)
