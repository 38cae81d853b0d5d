"""The file of a plan: what it holds comes back, and a process with other code or data refuses it."""

import json

import pytest

from benchmarks.errors import UserError
from benchmarks.registry import NO_CHOICES, opener
from benchmarks.run.units.plan_file import check_plan, make_plan_file, read_plan, write_plan


@pytest.fixture
def plan(cells):
    return make_plan_file(cells("toy_many", seeds=2), opener(None), None, NO_CHOICES, shard_size=20, argv=["run"])


def test_a_plan_comes_back_as_it_was_written(plan, tmp_path):
    write_plan(tmp_path / "runs" / "plan.json", plan)
    found = read_plan(tmp_path / "runs" / "plan.json")
    assert found == plan and len(found.units) == 2 + 2 * 5 + 2
    assert [cell.id for cell in found.cells] == [cell.id for cell in plan.cells], "an id is made from all of a cell"
    assert found.cell(found.unit(3)) in plan.cells
    for number in (-1, 14):
        with pytest.raises(UserError, match=rf"--unit {number}: the plan has units 0 to 13"):
            found.unit(number)


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"plan_version": 2}', "[" * 100_000])
def test_a_file_that_is_no_plan_is_one_line(tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"plan\.json is no plan of this version \(.*\); write it again with") as error:
        read_plan(path)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="cannot read plan .*none.json: No such file"):
        read_plan(tmp_path / "none.json")


def test_a_plan_with_a_changed_cell_is_refused(plan, tmp_path):
    """The ids of cells follow from their content, so that a plan that was edited cannot give a wrong record."""
    write_plan(tmp_path / "plan.json", plan)
    content = json.loads((tmp_path / "plan.json").read_text())
    content["cells"][0]["config"]["shift"] = 0.5
    (tmp_path / "plan.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="no plan of this version .*unit"):
        read_plan(tmp_path / "plan.json")


def test_other_code_and_other_data_are_refused(plan, toys, monkeypatch):
    cell, datasets = plan.cells[0], opener(None)
    check_plan(cell, datasets)
    other = cell.model_copy(update={"source": {**cell.source, "keypoint_toys.py": "0" * 64}})
    with pytest.raises(UserError, match="keypoint_toys.py is not as it was when the plan was made"):
        check_plan(other, datasets)
    monkeypatch.setattr(toys.Squares, "digest", lambda self, name: "1" * 64)
    with pytest.raises(UserError, match="split fit of toy_many is not as it was when the plan was made; name the same"):
        check_plan(cell, datasets)
