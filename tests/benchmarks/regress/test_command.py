"""The gate: what it compares, and that nothing gets past it by being absent."""

import json
import math

import pytest

from benchmarks.errors import UserError
from benchmarks.regress import command
from benchmarks.regress.command import RegressOptions, regress_command
from benchmarks.regress.references import read_log, read_references

TOLERANCES = [
    {"cells": "*", "metrics": ["keypoints"], "within": 0.1, "absolute": 10, "reason": "a test", "meaning": "far"},
    {"cells": "*", "relative": 1e-6, "reason": "a test", "meaning": "it moved"},
]


@pytest.fixture
def grid(monkeypatch):
    """A small grid in place of the real one; a test may change its numbers."""
    values = {"first/a": 1.0, "first/b": 2.5, "second/a": 3.0}
    cells = {cell: lambda cell=cell: {"value": values[cell]} for cell in values}
    monkeypatch.setattr(command, "the_grid", lambda bench: {cell: cells[cell] for cell in values})
    return values


@pytest.fixture(autouse=True)
def tolerances(monkeypatch, tmp_path):
    (tmp_path / "tolerances.json").write_text(json.dumps(TOLERANCES))
    monkeypatch.setattr(command, "TOLERANCES", tmp_path / "tolerances.json")


@pytest.fixture(autouse=True)
def changed(monkeypatch):
    """The files with uncommitted changes; a test may add some."""
    files: list[str] = []
    monkeypatch.setattr(command, "changed_files", lambda: files)
    return files


@pytest.fixture
def gate(tmp_path, capsys):
    class Gate:
        folder = tmp_path / "reference"

        def __call__(self, **options):
            return regress_command(RegressOptions(self.folder, **options)), capsys.readouterr().out

    return Gate()


@pytest.fixture
def written(grid, gate):
    assert gate(update=True, reason="the first")[0] == 0
    return gate


def test_without_references_everything_is_new_and_the_gate_fails(grid, gate):
    status, out = gate()
    assert status == 1
    assert "it has no reference yet" in out
    assert not gate.folder.exists()


def test_what_was_written_passes(written):
    status, out = written()
    assert status == 0
    assert "passed: 3 values of 3 cells" in out
    assert {path.name for path in written.folder.iterdir()} == {"first.json", "second.json", "log.json"}


def test_a_number_that_moved_fails_and_is_shown_with_all_that_helps(grid, written):
    grid["first/b"] = 2.6
    status, out = written()
    assert status == 1
    row = next(line for line in out.splitlines() if "first/b" in line)
    assert row.split() == ["first/b", "value", "2.5", "2.6", "+0.1", "2.5e-06"]
    assert "it moved" in out
    assert "first/a" not in out
    assert "--update --reason" in out


def test_a_part_or_a_pattern_can_be_measured_alone(grid, written):
    grid["first/b"] = 2.6
    assert written(only=("second",))[0] == 0
    assert written(only=("first/a", "second/*"))[0] == 0
    assert written(only=("*/b",))[0] == 1


def test_a_pattern_that_names_nothing_is_an_error(written):
    with pytest.raises(UserError, match=r"--only frist: no cell of that name; did you mean 'first'\?"):
        written(only=("frist",))


def test_a_gate_that_measures_nothing_fails(grid, gate):
    grid.clear()
    status, out = gate()
    assert status == 1
    assert "nothing was measured" in out


def test_cells_that_are_gone_fail_even_alone(grid, written):
    del grid["second/a"]
    assert written()[0] == 1
    status, out = written(only=("second",))
    assert status == 1
    assert "no longer measured" in out


def test_update_wants_a_reason_and_a_reason_wants_update(grid, gate):
    for reason in (None, "", "  \n"):
        with pytest.raises(UserError, match="--update needs --reason"):
            gate(update=True, reason=reason)
    with pytest.raises(UserError, match="goes with --update"):
        gate(reason="because")
    assert not gate.folder.exists()


def test_update_rewrites_the_parts_that_moved_and_keeps_every_reason(grid, written):
    before = {path.name: path.read_bytes() for path in written.folder.iterdir()}
    grid["first/b"] = 2.75
    status, out = written(update=True, reason="halves  are\nnow quarters")
    assert status == 0
    assert "2.75" in out
    assert (written.folder / "second.json").read_bytes() == before["second.json"]
    assert json.loads((written.folder / "first.json").read_text())["cells"]["first/b"] == {"value": 2.75}
    first, second = read_log(written.folder)
    assert (first.reason, second.reason) == ("the first", "halves are now quarters")
    assert second.moved == {"first": ["first/b value: 2.5 -> 2.75"]}
    assert set(second.parts) == {"first"}
    assert written()[0] == 0


def test_update_changes_nothing_where_nothing_moved(written):
    before = {path.name: path.read_bytes() for path in written.folder.iterdir()}
    status, out = written(update=True, reason="just because")
    assert (status, "nothing moved" in out) == (0, True)
    assert {path.name: path.read_bytes() for path in written.folder.iterdir()} == before


def test_update_drops_what_is_gone(grid, written):
    del grid["second/a"]
    assert written(update=True, reason="no longer wanted")[0] == 0
    assert not (written.folder / "second.json").exists()
    assert written()[0] == 0


def test_update_refuses_while_a_cell_fails(grid, written):
    before = {path.name: path.read_bytes() for path in written.folder.iterdir()}
    grid |= {"first/a": 9.0, "second/a": math.nan}
    status, out = written(update=True, reason="in a hurry")
    assert (status, "references are unchanged" in out) == (1, True)
    assert {path.name: path.read_bytes() for path in written.folder.iterdir()} == before


def test_update_refuses_uncommitted_changes_and_names_them(grid, written, changed):
    before = {path.name: path.read_bytes() for path in written.folder.iterdir()}
    grid["first/a"] = 9.0
    changed += ["README.md", "metrics/errors.py"]
    with pytest.raises(UserError, match=r"in README\.md, metrics/errors\.py: .*; commit or stash these files"):
        written(update=True, reason="from an edited tree")
    assert {path.name: path.read_bytes() for path in written.folder.iterdir()} == before
    assert written()[0] == 1  # measuring alone is allowed
    changed += [f"metrics/m{index:02d}.py" for index in range(12)]
    with pytest.raises(UserError, match=r"metrics/m07\.py and 4 more: "):
        written(update=True, reason="from an edited tree")


def test_update_is_allowed_where_only_the_references_themselves_have_changed(grid, written, changed, monkeypatch):
    monkeypatch.setattr(command, "ROOT", written.folder.parent)
    grid["first/a"] = 9.0
    changed += ["reference/first.json", "reference/log.json"]
    assert written(update=True, reason="a second part")[0] == 0
    changed.append("reference.py")
    with pytest.raises(UserError, match=r"in reference\.py: "):
        written(update=True, reason="a third")


def test_update_without_git_says_that_the_commit_is_unknown(grid, written, monkeypatch):
    monkeypatch.setattr(command, "changed_files", lambda: None)
    grid["first/a"] = 9.0
    status, out = written(update=True, reason="from an archive")
    assert (status, "no git checkout" in out) == (0, True)
    assert "no git checkout" not in written()[1]


def test_update_of_a_piece_of_a_part_is_refused(written):
    with pytest.raises(UserError, match="use --only first"):
        written(update=True, reason="a piece", only=("first/a",))
    assert written(update=True, reason="a part", only=("first",))[0] == 0


def test_references_changed_by_hand_fail(grid, written):
    path = written.folder / "first.json"
    path.write_text(path.read_text().replace("2.5", "2.6"))
    grid["first/b"] = 2.6
    status, out = written()
    assert status == 1
    assert "changed without --update" in out
    assert written(only=("second",))[0] == 0
    assert written(update=True, reason="what I typed is right")[0] == 0
    assert written()[0] == 0


@pytest.mark.parametrize("name", ["first.json", "log.json"])
@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"cells": {"first/a": 3}, "made_with": {}}', '{"cells": {}}', "[NaN]"]
)
def test_unreadable_references_are_one_line(written, name, text):
    (written.folder / name).write_text(text)
    with pytest.raises(UserError, match=r"cannot be read .*restore it"):
        written()


def test_the_machine_and_the_libraries_are_recorded_and_a_change_of_version_is_told(written):
    path = written.folder / "first.json"
    content = json.loads(path.read_text())
    assert {"python", "platform", "cpu", "versions"} == content["made_with"].keys()
    assert {"numpy", "scipy", "torch"} <= content["made_with"]["versions"].keys()
    path.write_text(path.read_text().replace(content["made_with"]["versions"]["numpy"], "0.1"))
    assert "references of first were made with numpy 0.1, here" in written()[1]


def test_references_are_readable_and_sorted(written):
    text = (written.folder / "first.json").read_text()
    assert text.startswith(
        '{\n "cells": {\n  "first/a": {\n   "value": 1.0\n  },\n  "first/b": {\n   "value": 2.5\n  }\n },'
    )
    assert read_references(written.folder).cells["first/a"] == {"value": 1.0}


def test_settings_and_keypoints_are_kept_as_they_are(monkeypatch, gate):
    values = {
        "keypoints": [[0.123456789, 0.5], [0.25, 1]],
        "schedule": "cosine",
        "weights": None,
        "range": [0.5, 1.5],
        "flip": False,
        "é": "\u00e9",
    }
    monkeypatch.setattr(command, "the_grid", lambda bench: {"one/a": lambda: values})
    gate(update=True, reason="the first")
    assert read_references(gate.folder).cells["one/a"] == values
    text = (gate.folder / "one.json").read_text()
    for line in (
        '   "schedule": "cosine",',
        '   "weights": null',
        "    [0.123456789, 0.5],",
        '   "range": [0.5, 1.5],',
    ):
        assert line in text
    assert gate()[0] == 0
    values["schedule"] = "linear"
    out = gate()[1]
    assert '"cosine"' in out and '"linear"' in out


def test_much_that_moved_is_cut_short_unless_asked_for(monkeypatch, gate):
    cases = {f"one/{index:02d}": lambda: {"value": 1.0} for index in range(50)}
    monkeypatch.setattr(command, "the_grid", lambda bench: cases)
    assert "and 10 more" in gate()[1]
    assert "one/49" in gate(every_row=True)[1]
