"""The process of a worker, without a cluster."""

import pytest
from rich.console import Console

from benchmarks.progress import Progress
from benchmarks.registry import opener
from benchmarks.run import worker as worker_module
from benchmarks.run.cluster.host import Host
from benchmarks.run.cluster.messages import Job, Setup
from benchmarks.run.perform import Busy, rescore
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.plan_file import PlanFile
from benchmarks.run.worker import Worker
from datasets.base import DatasetError
from tests.benchmarks.run.cluster.fake import scene


@pytest.fixture
def found(toys, tmp_path):
    return scene(tmp_path)


def test_data_that_a_node_lacks_are_the_reason_why_it_gets_no_unit(found, toys, tmp_path, monkeypatch):
    plan = PlanFile(cells=tuple(found.cells), units=(), device="cpu")
    host = Host(
        Setup(plan=plan, output=tmp_path / "runs", mark="mark", key="key", refit=False, began=0.0, environment={})
    )

    def digest(self, name):
        raise DatasetError(f"{self.card.id}: no such folder")

    monkeypatch.setattr(toys.Squares, "digest", digest)
    answer = host.do(Job(unit=found.units[0]))
    assert (answer.status, answer.reason) == ("refused", "toy_many: no such folder")


def test_a_cell_is_scored_again_by_one_process(run_toy, tmp_path, monkeypatch):
    assert run_toy(tmp_path, "--no-floors").status == 0
    found = scene(tmp_path, tasks=("toy",))
    (cell,) = found.cells
    record = found.store.record(cell.id)
    assert record is not None
    old = record.model_copy(update={"scores": ()})
    claims = Claims(found.store.output)
    worker = Worker(found.store, opener(tmp_path), "cpu", Progress(Console(quiet=True), 1), cells=found.cells)
    with Claims(found.store.output).taken(f"score--{cell.id}"), pytest.raises(Busy):
        rescore(cell, old, worker, claims)
    monkeypatch.setattr(worker_module, "score_cell", lambda *_: pytest.fail("the cell is current by now"))
    assert rescore(cell, old, worker, claims) == record
    assert not claims.all()
