"""The driver on a pool without a cluster: what is done again, what fails, and what a signal does."""

import json

import pytest

from benchmarks.run.cluster import drive as module
from benchmarks.run.cluster.drive import NoWorker
from benchmarks.run.cluster.messages import Answer
from leaderboard.records import Failure
from tests.benchmarks.run.cluster.fake import LOST, scene, succeed


@pytest.fixture
def found(toys, tmp_path):
    return scene(tmp_path, seeds=3)


def test_all_cells_are_finished_tracked_and_reported_once(found):
    outcome = found.drive(succeed(found.cells), workers=4)
    ids = [cell.id for cell in found.cells]
    assert list(outcome.records) == ids and sorted(found.tracked) == sorted(ids)
    assert outcome.exit_status == 0
    assert len(found.pool.jobs) == len(found.units)
    assert found.view.tally.done == len(found.units) == found.view.tally.total
    assert not any(job.halved or job.last for _, job in found.pool.jobs)


def test_a_unit_whose_worker_is_lost_is_done_by_another(found):
    lost: list[tuple] = []

    def answer(worker, job):
        if len(lost) < 3 and job.unit.stage == "predict":
            lost.append((worker, job.unit))
            return LOST
        return succeed(found.cells)(worker, job)

    outcome = found.drive(answer, workers=2)
    assert outcome.exit_status == 0 and len(outcome.records) == 3
    for _, unit in lost:
        by = [worker for worker, job in found.pool.jobs if job.unit == unit]
        assert len(set(by)) == len(by) == 1 + sum(unit == each for _, each in lost)
    assert sum("was lost: node down" in line for line in found.lines) == 3


def test_the_claim_of_a_lost_worker_is_free_at_once(found):
    """On another machine it would be held for minutes, because nobody could know that its process has ended."""
    (fit, *_), (cell, *_) = found.units, found.cells
    seen = []

    def answer(worker, job):
        path = found.store.output / "claims" / f"fit--{cell.fit_id}.0"
        if job.unit == fit and worker == "1":
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"unit": "", "host": "node1", "process": "process-1"}))
            return LOST
        if job.unit == fit:
            seen.append(path.exists())
        return succeed(found.cells)(worker, job)

    assert found.drive(answer, workers=1).exit_status == 0
    assert seen == [False]


def test_a_unit_that_ends_its_worker_four_times_fails_its_cell_alone(found):
    bad = next(unit for unit in found.units if unit.stage == "predict" and unit.cell_id == found.cells[1].id)

    def answer(worker, job):
        return LOST if job.unit == bad else succeed(found.cells)(worker, job)

    outcome = found.drive(answer, workers=2)
    assert [record.status for record in outcome.records.values()] == ["done", "failed", "done"]
    failure = found.store.record(bad.cell_id).failure
    assert failure.type == "LostWorker" and "lost 4 times, last: node down" in failure.message
    assert sum(job.unit == bad for _, job in found.pool.jobs) == 4
    assert outcome.exit_status == 1
    tally = found.view.tally
    assert tally.done + tally.failed == tally.total


def test_out_of_memory_is_done_once_more_in_a_new_process_with_half_the_batch(found):
    hungry = next(unit for unit in found.units if unit.stage == "predict")

    def answer(worker, job):
        if job.unit == hungry and not job.halved:
            return Answer(status="memory", reason="CUDA out of memory")
        return succeed(found.cells)(worker, job)

    outcome = found.drive(answer, workers=1)
    assert outcome.exit_status == 0
    jobs = [(worker, job) for worker, job in found.pool.jobs if job.unit == hungry]
    assert [(job.halved, job.last) for _, job in jobs] == [(False, False), (True, True)]
    assert jobs[0][0] != jobs[1][0] and found.pool.ended == [jobs[0][0]]
    assert sum(job.halved for _, job in found.pool.jobs) == 1


def test_a_fit_out_of_memory_is_done_again_with_its_own_batch(found):
    tried = []

    def answer(worker, job):
        if job.unit.stage == "fit" and job.unit.cell_id == found.cells[0].id:
            tried.append(job)
            return Answer(status="memory", reason="out of memory")
        return succeed(found.cells)(worker, job)

    def again(worker, job):
        if tried and job.last:
            return failed(found.cells[0], "out of memory")
        return answer(worker, job)

    outcome = found.drive(again, workers=1)
    assert len(tried) == 1 and not tried[0].halved
    assert [job.halved for _, job in found.pool.jobs if job.last] == [False]
    assert [record.status for record in outcome.records.values()] == ["failed", "done", "done"]


def failed(cell, message):
    failure = Failure(type="ValueError", message=message, traceback="")
    return Answer(status="failed", reason=message, record=cell.record(failure=failure))


def test_a_failed_fit_fails_all_cells_that_share_it_with_records_of_their_own(toys, tmp_path):
    found = scene(tmp_path, tasks=["toy", "toy_transfer"])
    outcome = found.drive(lambda worker, job: failed(found.cells[0], "crashed"), workers=2)
    assert len(found.pool.jobs) == 1
    assert list(outcome.records) == [cell.id for cell in found.cells]
    assert {record.failure.message for record in outcome.records.values()} == {"crashed"}
    assert found.store.record(found.cells[1].id).task == "toy_transfer"


def test_units_of_another_process_are_asked_for_until_they_are_done(found):
    asked: list = []

    def answer(worker, job):
        if job.unit.stage == "score" and asked.count(job.unit) < 2:
            asked.append(job.unit)
            return Answer(status="claimed", reason="node9, process 5")
        done = succeed(found.cells)(worker, job)
        return done.model_copy(update={"status": "kept"}) if job.unit.stage == "score" else done

    outcome = found.drive(answer, workers=2, step=0.1)
    assert len(outcome.records) == 3 and len(asked) == 6
    assert found.tracked == []  # the other process passes them on


def test_what_does_not_appear_on_this_file_system_fails_after_some_patience(found):
    def answer(worker, job):
        if job.unit.stage == "score":
            return Answer(status="waiting", reason="its fit is not there")
        return succeed(found.cells)(worker, job)

    outcome = found.drive(answer, workers=1, step=1.0)
    assert {record.failure.message for record in outcome.records.values()} == {"its fit is not there"}


def test_a_worker_with_other_code_gets_no_more_units(found):
    def answer(worker, job):
        if worker == "1":
            return Answer(status="refused", reason="methods/x.py is not as it was when the plan was made")
        return succeed(found.cells)(worker, job)

    outcome = found.drive(answer, workers=2)
    assert outcome.exit_status == 0 and len(outcome.records) == 3
    assert sum(worker == "1" for worker, _ in found.pool.jobs) == 1 and found.pool.ended == ["1"]
    assert any("worker 1 on node1 gets no more units: methods/x.py" in line for line in found.lines)


def test_it_ends_when_no_worker_is_left(found):
    with pytest.raises(NoWorker, match="another run directory"):
        found.drive(succeed(found.cells), workers=2, refusals=dict.fromkeys("12", "another run directory"))
    with pytest.raises(NoWorker, match="node down"):
        found.drive(lambda worker, job: LOST, workers=2, room=0)


def test_ctrl_c_lets_running_units_end_and_keeps_what_is_done(found):
    def answer(worker, job):
        if job.unit.cell_id == found.cells[2].id:
            raise KeyboardInterrupt
        return succeed(found.cells)(worker, job)

    outcome = found.drive(answer, workers=1)
    assert found.pool.stops == 1
    assert outcome.stopped == 130 and list(outcome.records) == [cell.id for cell in found.cells[:2]]
    assert found.view.running_units == {}


def test_a_second_ctrl_c_ends_at_once(found, monkeypatch):
    def answer(worker, job):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "STOPPING", 1e9)
    monkeypatch.setattr("tests.benchmarks.run.cluster.fake.Pool.stop", lambda self: None)  # the unit does not end
    assert found.drive(answer, workers=1).stopped == 130
    assert len(found.pool.jobs) == 1


def test_nothing_more_is_given_once_the_run_directory_cannot_be_written(found):
    def answer(worker, job):
        return failed(found.cells[0], "bad").model_copy(update={"status": "unrecorded", "reason": "disk full"})

    outcome = found.drive(answer, workers=1)
    assert outcome.unwritable == "disk full" and outcome.left == 2 and outcome.exit_status == 2
    assert len(found.pool.jobs) == 1
