"""The order of units: needs before what needs them, a worker goes on with its fit, nobody is idle without need."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.run.cluster.schedule import LOSSES, PATIENCE, Schedule
from benchmarks.run.units.unit import Unit
from tests.benchmarks.run.cluster.fake import Clock, scene


@pytest.fixture
def two_fits(toys, tmp_path):
    """Two cells with a fit each, and 11 predictions (5 of 40 and 6 of 44 images) a cell."""
    return scene(tmp_path, seeds=2)


def schedule(found, now=None):
    return Schedule(found.cells, found.units, now or Clock(0.0))


def test_one_worker_finishes_a_cell_before_it_begins_the_next(two_fits):
    plan, order = schedule(two_fits), []
    while (unit := plan.next("1")) is not None:
        order.append(unit)
        plan.done(unit)
    first, second = (cell.id for cell in two_fits.cells)
    assert [unit.stage for unit in order] == (["fit"] + ["predict"] * 11 + ["score"]) * 2
    assert [unit.cell_id for unit in order] == [first] * 13 + [second] * 13
    assert plan.is_over


def test_fits_begin_before_anybody_helps(two_fits):
    plan = schedule(two_fits)
    assert [plan.next(worker).stage for worker in "12"] == ["fit", "fit"]
    assert plan.next("3") is None  # all else needs a fit


def test_a_worker_goes_on_with_its_fit_and_an_idle_one_helps(two_fits):
    plan = schedule(two_fits)
    one, two = plan.next("1"), plan.next("2")
    plan.done(two)
    assert plan.next("2").cell_id == two.cell_id
    assert plan.next("3").cell_id == two.cell_id
    plan.done(one)
    assert plan.next("1").cell_id == one.cell_id
    assert plan.next("4").cell_id == one.cell_id  # where the most units are left for each worker


def test_a_score_needs_all_predictions_of_its_cell(two_fits):
    plan = schedule(two_fits)
    fit = plan.next("1")
    plan.done(fit)
    predictions = [plan.next("1") for _ in range(11)]
    assert {unit.stage for unit in predictions} == {"predict"}
    for unit in predictions[1:]:
        plan.done(unit)
    assert plan.next("1").stage == "fit"  # of the other cell: the score is not ready
    plan.done(predictions[0])
    assert plan.next("2").stage == "score"


def test_cells_that_share_a_fit_have_it_once_and_fail_with_it(toys, tmp_path):
    found = scene(tmp_path, tasks=["toy", "toy_transfer"])
    assert found.cells[0].fit_id == found.cells[1].fit_id
    plan = schedule(found)
    fit = plan.next("1")
    assert fit.stage == "fit" and plan.next("2") is None
    assert plan.fail(fit) == [cell.id for cell in found.cells]
    assert plan.is_over and plan.next("1") is None
    assert plan.fail(fit) == []


def test_a_failed_prediction_fails_its_cell_alone(toys, tmp_path):
    found = scene(tmp_path, tasks=["toy", "toy_transfer"])
    plan = schedule(found)
    plan.done(plan.next("1"))
    unit = plan.next("1")
    assert plan.fail(unit) == [unit.cell_id]
    left = []
    while (unit := plan.next("1")) is not None:
        left.append(unit)
        plan.done(unit)
    assert {each.cell_id for each in left} == {found.cells[1].id}
    assert plan.is_over


def test_one_worker_does_all_units_of_a_fit_that_cannot_be_kept(toys, tmp_path):
    found = scene(tmp_path, floors=True)
    kept = {cell.id for cell in found.cells if not cell.is_floor}
    plan = schedule(found)
    by: dict[str, set[str]] = {}
    for _ in range(len(found.units)):
        for worker in "12":
            if (unit := plan.next(worker)) is not None:
                by.setdefault(unit.cell_id, set()).add(worker)
                plan.done(unit)
    assert plan.is_over
    assert all(len(workers) == 1 for cell, workers in by.items() if cell not in kept)


def test_a_unit_whose_worker_is_lost_comes_next_and_at_most_three_times_more(two_fits):
    plan = schedule(two_fits)
    for _ in range(LOSSES):
        unit = plan.next("1")
        assert unit == two_fits.units[0]
        assert plan.lose("1", unit)
    assert not plan.lose("1", plan.next("1"))


def test_a_unit_of_another_process_comes_again_later(two_fits):
    clock = Clock(0.0)
    plan = schedule(two_fits, clock)
    one, two = plan.next("1"), plan.next("2")
    plan.later(one, 5.0)
    assert plan.next("1") is None
    clock.seconds = 5.0
    assert plan.next("1") == one
    assert not plan.waits_too_long(two)
    clock.seconds = 6.0 + PATIENCE
    assert plan.waits_too_long(two)


@settings(max_examples=40)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_every_unit_is_done_once_after_its_needs_whatever_happens(count, seed):
    """Any number of workers, in any order, with losses: each done unit comes after all that it needs."""
    cells, units = PLAN["cells"], PLAN["units"]
    plan = Schedule(cells, units, Clock(0.0))
    busy: dict[str, Unit] = {}
    done: list[Unit] = []
    workers, random = [str(number) for number in range(count)], Random(seed)
    for _ in range(100 * len(units)):
        if plan.is_over:
            break
        worker = random.choice(workers)
        if worker not in busy:
            unit = plan.next(worker)
            if unit is not None:
                busy[worker] = unit
        elif plan.losses.get(busy[worker], 0) < LOSSES and random.random() < 0.1:
            assert plan.lose(worker, busy.pop(worker))
        else:
            unit = busy.pop(worker)
            assert _needs(unit, cells, units) <= set(done)
            done.append(unit)
            plan.done(unit)
        assert max(Counter(busy.values()).values(), default=1) == 1
    assert plan.is_over
    assert sorted(done, key=units.index) == units


PLAN: dict = {}


@pytest.fixture(autouse=True)
def plan_of_all(toys, tmp_path_factory):
    found = scene(tmp_path_factory.mktemp("all"), tasks=["toy", "toy_transfer", "toy_many"], seeds=2, floors=True)
    PLAN.update(cells=found.cells, units=found.units)


def _needs(unit, cells, units):
    """The units that a unit needs, from the meaning of the stages."""
    fit_of = {cell.id: cell.fit_id for cell in cells}
    if unit.stage == "fit":
        return set()
    fit = {each for each in units if each.stage == "fit" and fit_of[each.cell_id] == fit_of[unit.cell_id]}
    if unit.stage == "predict":
        return fit
    return fit | {each for each in units if each.stage == "predict" and each.cell_id == unit.cell_id}
