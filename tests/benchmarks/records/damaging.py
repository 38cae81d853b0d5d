"""Files of a finished run of the toys, and what may happen to them: shared by the tests of damaged files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.benchmarks.importing.toys import write

OF_CELL = (
    *("result.json", "predictions_regress.parquet", "predictions_test.parquet"),
    *("errors.parquet", "history.parquet", "overlay.png"),
)
OF_FIT = ("fits/fit.json", "fits/tokens.bin", "fits/history.parquet")
IMPORTED = ("toy.paper.parquet", "toy.paper.json")
METHODS = {
    "toy_colours": (),
    "toy_colours ": ("--set", "toy_colours.shift=0.1", "--set", "toy_colours.steps=6"),
    "imported:{}/imports/mine": (),
    "imported:{}/imports/theirs": (),
}
FINISHED: dict[str, Path] = {}  # the shared run, made by the first test


def flip(path: Path, other: Path) -> None:
    """Change one bit in the middle of a file, in a JSON file one digit of a number or of a sha256."""
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    if path.suffix == ".json":
        place = next(index for index in range(place, len(content)) if chr(content[index]) in "2468")
    content[place] ^= 1
    path.write_bytes(content)


def truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path: Path, other: Path) -> None:
    path.unlink()


def exchange(path: Path, other: Path) -> None:
    """Swap a file with that of another cell, whose content differs."""
    mine, theirs = path.read_bytes(), other.read_bytes()
    assert mine != theirs
    path.write_bytes(theirs)
    other.write_bytes(mine)


def copy_of_finished(toys, call, tmp_path, tmp_path_factory, monkeypatch) -> Path:
    """A copy of a finished run: a method with two settings, and two imports."""
    save = toys.Colours.save

    def with_tokens(self, folder):
        save(self, folder)
        (folder / "tokens.bin").write_bytes(b"%f " % self.config.shift * 20)

    monkeypatch.setattr(toys.Colours, "save", with_tokens)
    if "runs" not in FINISHED:
        output = FINISHED["runs"] = tmp_path_factory.mktemp("damage") / "runs"
        for name, scale in (("mine", 1.0), ("theirs", 0.9)):
            path = write(tmp_path / f"{name}.parquet", toys, change=lambda points, scale=scale: points * scale)
            call("import", "neutral", path, "--task", "toy", "--method", name, "--output", output)
        for method, more in METHODS.items():
            assert again(call, output, method, *more)[0] == 0
    shutil.copytree(FINISHED["runs"], tmp_path / "runs")
    return tmp_path / "runs"


def again(call, output, method, *more):
    fixed = ("--task", "toy", "--no-floors", "--no-mlflow", "--device", "cpu", "--output", output)
    return call("run", "--method", method.strip().format(output), *fixed, *more)


def damage_one(runs, kind, damage) -> tuple[Path, Path]:
    """Damage one file; gives its cell's folder and the file."""
    by_setting = sorted(runs.glob("cells/toy_colours--*"), key=steps_of)
    if kind in IMPORTED:
        mine, theirs = (runs / "imports" / name / kind for name in ("mine", "theirs"))
        (cell,) = runs.glob("cells/imported_mine--*")
    elif kind in OF_FIT:
        mine, theirs = (runs / "fits" / fit_of(folder) / Path(kind).name for folder in by_setting)
        cell = by_setting[0]
    else:
        mine, theirs = (folder / kind for folder in by_setting)
        cell = by_setting[0]
    damage(mine, theirs)
    return cell, mine


def record_of(folder):
    return json.loads((folder / "result.json").read_text())


def steps_of(folder):
    return record_of(folder)["method_config"]["steps"]


def fit_of(folder):
    return record_of(folder)["provenance"]["fit_id"]


def names_it(text, cell, file):
    """Whether a line of the text names the cell, and the damaged file."""
    place = file.parent.name if file.parent.parent.name in ("fits", "imports") else ""
    return any(cell.name in line and file.name in line and place in line for line in text.splitlines())


EVERY = pytest.mark.parametrize(
    "damaged",
    [(kind, damage) for kind in (*OF_CELL, *OF_FIT, *IMPORTED) for damage in (flip, truncate, delete, exchange)],
    ids=lambda pair: f"{pair[1].__name__} {pair[0]}",
    indirect=True,
)
