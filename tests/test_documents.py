"""README.md, CONTRIBUTING.md and docs/: their commands run, and their names, options and links exist.

A block marked ``bash`` alone is run on the synthetic world, in a folder of its own. For a block with a further mark,
such as ``needs-gpu``, only the names and options are checked.
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.registry import FORMATS, METHODS, full_name, is_custom, is_imported, method_class
from benchmarks.settings import choose_tasks, parse_settings
from tests.custom_data import photo
from tests.documents import MARKS, PAGES, ROOT, Block, blocks, prose

APPS = {f"benchmarks{name}": f"benchmarks{name}.__main__" for name in (".speed", ".pretrain", ".scaling")}
TOOLS = {"ruff", "mypy"}
WRITTEN_FIRST = {"my_method"}  # by a command of the same block
BLOCKS = [block for page in PAGES for block in blocks(page) if block.language == "bash"]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def place(block: Block) -> str:
    return f"{block.page.name}:{block.line}"


def command_of(module: str) -> Any:
    """The command line of ``python -m MODULE``."""
    return typer.main.get_command(app if module == "benchmarks" else import_module(APPS[module]).app)


def parsed(module: str, words: list[str]) -> tuple[str, dict[str, list[Any]]]:
    """Name of a command, and the values of its options and arguments; an unknown option or a bad value raises."""
    command, name = command_of(module), module
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    values = command.make_context(name, list(words)).params
    found = {}
    for param in command.params:
        value = values[param.name]
        found[param.opts[0]] = list(value) if isinstance(value, list | tuple) else [value] if value is not None else []
    return name, found


def check_names(name: str, given: dict[str, list[Any]]) -> None:
    """Raise for a name that is not registered: of a method, suite, task, dataset, format or setting."""
    tasks, suites = (given.get(option, []) for option in ("--task", "--suite"))
    if tasks or suites:
        choose_tasks(tasks, suites)
    for dataset in given.get("--dataset", []):
        full_name(dataset)
    if name == "import":
        FORMATS.entry(*given["format"])
    if name == "run":
        methods = [method for method in given["--method"] if not is_imported(method)]
        for method in set(methods) - WRITTEN_FIRST:
            METHODS.entry(method)
        for method, settings in parse_settings(given["--set"], methods).items():
            method_class(method).config_for("mini", settings)


def check(words: list[str]) -> None:
    """Raise for a command that cannot be as it is written."""
    program, *rest = words
    if program == "torchrun":
        program, rest = "python", rest[rest.index("-m") :]
    if Path(program).name.startswith("python") and rest[:1] == ["-m"]:
        module, *arguments = rest[1:]
        if module in ("benchmarks", *APPS):
            check_names(*parsed(module, arguments))
        elif module == "pytest":
            paths = [word for word in arguments if word.startswith("tests/")]
            assert all((ROOT / path).exists() or path.endswith(("_my_method.py", "_my_dataset.py")) for path in paths)
        else:
            assert module in ("venv", "tests.fuzz")
    else:
        assert Path(program).name in {"pip", *TOOLS}


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_commands_have_names_and_options_that_exist(block: Block) -> None:
    assert block.marks <= MARKS, "a mark that nothing knows"
    commands = list(block.commands())
    assert commands
    for words in commands:
        check(words)


@pytest.mark.parametrize(
    "command",
    [
        "run --method stable_keypoints --suite wlid",
        "run --method stable_keypoints --suite wild --set stable_keypoints.sigm=1",
        "run --method stable_keypoint --suite wild",
        "run --method grid --task taichi --sed 3",
        "import imn points.npz --task taichi --method mine",
        "shwo runs",
    ],
)
def test_a_mistyped_command_is_noticed(command: str) -> None:
    with pytest.raises(Exception, match=r"wlid|sigm|--sed|imn|shwo|stable_keypoint'"):
        check(["python", "-m", "benchmarks", *command.split()])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages tell of: the documents, the committed results, arrays and annotated images."""
    for name in ("README.md", "docs", "leaderboard", "submissions"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)
    generator = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 20)):
        landmarks = generator.uniform(-0.8, 0.8, (count, 5, 2))
        np.save(f"{split}_pred.npy", landmarks + generator.normal(0, 0.01, landmarks.shape))
        from scipy.io import savemat

        savemat(f"{split}_gt.mat", {"gt": landmarks})
    birds(tmp_path)
    return tmp_path


def birds(root: Path) -> None:
    """Write ``birds.json`` in COCO's format with its images: a bright pixel each, and two keypoints beside it."""
    names = ["left_eye", "right_eye"]
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "bird"}]}
    document["categories"][0]["keypoints"] = names
    for number in range(15):
        x, y = 12 + 2 * number, 10 + number
        photo(root / "images" / f"{number}.png", (x, y), (64, 48))
        document["images"].append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 48})
        box = {"bbox": [4, 4, 50, 40], "keypoints": [x, y, 2, x + 8, y + 3, 2]}
        document["annotations"].append({"id": number, "image_id": number, "category_id": 1, **box})
    (root / "birds.json").write_text(json.dumps(document))


def shortened(words: list[str]) -> list[str]:
    """The arguments of a command, globs expanded; a method that looks at images is run on a few of them."""
    arguments: list[str] = []
    for word in words:
        is_glob = "/" in word and "*" in word
        arguments += sorted(map(str, Path().glob(word))) if is_glob else [word]
    if arguments[0] == "run":
        looks = method_class(arguments[arguments.index("--method") + 1]).Config.model_fields
        arguments += ["--no-mlflow", "--device", "cpu", *(["--limit", "8"] if looks else [])]
    return arguments


@pytest.mark.slow
@every_page
def test_commands_without_a_mark_run(page: Path, folder: Path) -> None:
    for block in blocks(page):
        if block.language != "bash" or block.marks:
            continue
        for words in block.commands():
            assert words[:3] == ["python", "-m", "benchmarks"], f"{place(block)} needs a mark: {MARKS}"
            done = CliRunner().invoke(app, shortened(words[3:]))
            assert done.exit_code == 0, f"{place(block)}: {' '.join(words)}\n{done.output}\n{done.exception!r}"


@every_page
def test_python_examples_run(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, place(block), "exec"), {"__name__": "example"})
            assert capsys.readouterr().out.strip(), "an example shows something"


@every_page
def test_options_and_settings_named_in_the_text_exist(page: Path) -> None:
    known = {"--help", "--nproc-per-node"}
    waiting = [command_of(module) for module in ("benchmarks", *APPS)]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        known |= {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", prose(page))) <= known
    for method, setting in re.findall(r"--set ([a-z_]+)\.([a-z_]+)", prose(page)):
        assert method == "my_method" or setting in method_class(method).Config.model_fields


@every_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)#?([^)\s]*)\)", prose(page)):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"({page.relative_to(ROOT)})" not in text] == []


def test_the_readme_is_short_and_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    table = text.split("| command | what it does |")[1].split("\n\n")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", table, re.M)
    named = [name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(named) == sorted(command_of("benchmarks").commands)


def test_every_list_stands_in_some_page() -> None:
    from benchmarks.tables.lists import LISTS

    used = [name for page in PAGES for name in re.findall(r"^<!-- list:(\w+) -->$", page.read_text(), re.M)]
    assert set(used) == set(LISTS)


def test_custom_data_names_in_the_text_are_of_known_kinds() -> None:
    named = {name for page in PAGES for name in re.findall(r"--dataset ([a-z]+:\S+?)[`\s]", page.read_text())}
    assert named
    assert all(is_custom(name) and full_name(name) for name in named)
