"""Units: every image of every split is in exactly one, and each comes after what it needs."""

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.errors import UserError
from benchmarks.registry import opener
from benchmarks.run.units.unit import STAGES, Unit, claim_name, units_of


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 60), limit=st.none() | st.integers(1, 50))
def test_each_image_is_predicted_by_one_unit(cells, size, limit):
    plan = cells("toy_many", "toy", limit=limit)
    units = units_of(plan, opener(None), size)
    counts = {"toy_many": {"regress": 40, "test": 44}, "toy": {"regress": 12, "test": 8}}
    for cell in plan:
        for split, count in counts[cell.task.id].items():
            own = [unit for unit in units if (unit.cell_id, unit.split) == (cell.id, split)]
            assert all(0 < unit.last - unit.first <= size for unit in own)
            rows = Counter(row for unit in own for row in range(unit.first, unit.last))
            assert rows == Counter(range(count if limit is None else min(count, limit)))


def test_units_come_stage_by_stage_and_once(cells):
    plan = cells("toy_many", "toy", seeds=2)
    units = units_of(plan, opener(None), 7)
    assert len({unit.name for unit in units}) == len(units) == len(set(units))
    places = [STAGES.index(unit.stage) for unit in units]
    assert places == sorted(places)
    assert Counter(unit.stage for unit in units if unit.stage != "predict") == {"fit": 4, "score": 4}


def test_cells_that_share_a_fit_have_one_unit_for_it_under_the_first(cells):
    plan = cells("toy_transfer", "toy")  # both learn on the same images
    assert plan[0].fit_id == plan[1].fit_id
    fits = [unit for unit in units_of(plan, opener(None)) if unit.stage == "fit"]
    assert [unit.cell_id for unit in fits] == [plan[0].id]
    names = {claim_name(Unit(cell_id=cell.id, stage="fit"), cell) for cell in plan}
    assert names == {f"fit--{plan[0].fit_id}"}, "one claim, whichever cell asks for the fit"


def test_images_that_two_splits_share_are_predicted_once(cells):
    units = units_of(cells("toy_coinciding"), opener(None))
    assert [(unit.split, unit.first, unit.last) for unit in units if unit.stage == "predict"] == [("regress", 0, 20)]


def test_a_method_that_saves_nothing_has_no_unit_for_its_fit(cells, toys, monkeypatch):
    monkeypatch.delattr(toys.Colours, "save")
    assert {unit.stage for unit in units_of(cells("toy"), opener(None))} == {"predict", "score"}


def test_a_unit_is_plain_data():
    unit = Unit(cell_id="a", stage="predict", split="test", first=2048, last=4096)
    text = unit.model_dump_json()
    assert Unit.model_validate(json.loads(text)) == unit and unit.name == "predict--a--test-00002048-00004096"
    assert Unit(cell_id="a", stage="score").name == "score--a"
    with pytest.raises(ValidationError):
        Unit.model_validate({"cell_id": "a", "stage": "train"})


def test_a_shard_has_at_least_one_image(cells):
    with pytest.raises(UserError, match="--shard-size 0: expected at least 1 image"):
        units_of(cells("toy"), opener(None), 0)
