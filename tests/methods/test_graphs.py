"""Work that is recorded once and replayed: signatures, values, memory and failures, with a stand-in for CUDA graphs."""

from __future__ import annotations

import warnings
import weakref

import pytest
import torch
from torch import Tensor

from methods import switches
from methods.graphs import Graphs, Recorded, Work
from tests.methods.replays import Replays

CPU = torch.device("cpu")


def scaled(factor: float, values: Tensor, shift: Tensor | None) -> tuple[Tensor, Tensor]:
    moved = values if shift is None else values + shift
    return factor * moved, moved.sum()


def total(values: Tensor) -> Tensor:
    return values.sum()


def test_results_are_those_of_the_function_for_every_call():
    record = Replays()
    graphs = Graphs(CPU, record=record)
    values = [torch.randn(5, generator=torch.Generator().manual_seed(seed)) for seed in range(6)]
    found = [graphs.run("", scaled, 3.0, each, None) for each in values]
    for (first, second), each in zip(found, values, strict=True):
        assert torch.equal(first, 3 * each)
        assert torch.equal(second, each.sum())
    assert (record.recorded, record.replayed) == (1, len(values) - 1)


def test_inputs_and_results_are_copies():
    graphs = Graphs(CPU, record=Replays())
    values = torch.ones(3)
    for _ in range(3):
        graphs.run("", total, values)
    values.fill_(7)
    first = graphs.run("", total, torch.zeros(3))
    assert torch.equal(values, torch.full((3,), 7.0))
    assert float(graphs.run("", total, values)) == 21
    assert float(first) == 0


def test_inputs_that_need_a_gradient_are_only_read():
    graphs = Graphs(CPU, record=Replays())
    tokens = torch.ones(3, requires_grad=True)
    assert [graphs.run("", total, tokens).item() for _ in range(3)] == [3, 3, 3]
    assert not graphs.run("", total, tokens).requires_grad


@pytest.mark.parametrize(
    "other",
    [
        ("", scaled, 2.0, torch.ones(2), None),
        ("", scaled, 3.0, torch.ones(2), torch.ones(2)),
        ("", scaled, 3.0, torch.ones(3), None),
        ("", scaled, 3.0, torch.ones(2, dtype=torch.float64), None),
        ("else", scaled, 3.0, torch.ones(2), None),
        ("", total, torch.ones(2)),
    ],
    ids=["another number", "a tensor for None", "a shape", "a number type", "another purpose", "another function"],
)
def test_each_signature_has_a_graph_of_its_own(other: tuple):
    record = Replays()
    graphs = Graphs(CPU, record=record)
    for call in [("", scaled, 3.0, torch.ones(2), None), other] * 3:
        found, expected = graphs.run(*call), call[1](*call[2:])
        pairs = [(found, expected)] if isinstance(found, Tensor) else zip(found, expected, strict=True)
        assert all(torch.equal(*pair) for pair in pairs)
    assert record.recorded == 2


def test_a_call_that_comes_once_is_not_recorded():
    record = Replays()
    graphs = Graphs(CPU, record=record)
    for size in range(1, 5):
        graphs.run("", total, torch.ones(size))
    assert record.recorded == 0


def test_switches_turn_graphs_off_and_part_them():
    record = Replays()
    graphs = Graphs(CPU, record=record)
    with switches.without("graphs"):
        assert [float(graphs.run("", total, torch.ones(2))) for _ in range(3)] == [2, 2, 2]
    assert record.recorded == 0
    for _ in range(3):
        graphs.run("", total, torch.ones(2))
        with switches.without("norms"):
            graphs.run("", total, torch.ones(2))
    assert record.recorded == 2


@pytest.mark.parametrize("settings", [{}, {"record": Replays(), "possible": False}], ids=["on a CPU", "not possible"])
def test_without_graphs_every_call_runs_as_it_is(settings: dict):
    graphs = Graphs(CPU, **settings)
    assert [float(graphs.run("", total, torch.ones(2))) for _ in range(3)] == [2, 2, 2]
    assert getattr(settings.get("record"), "recorded", 0) == 0


def test_a_recording_that_fails_is_told_once_and_costs_nothing_else():
    def fail(work: Work) -> Recorded:
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        finally:
            raise RuntimeError("the recording was invalidated")

    graphs = Graphs(CPU, record=fail)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = [float(graphs.run("", total, torch.full((size,), 2.0))) for size in (2, 2, 2, 3, 3)]
    assert found == [4, 4, 4, 6, 6]
    (warning,) = told
    assert str(warning.message).endswith("slower: operation not permitted when stream is capturing")


def test_an_error_of_the_work_itself_is_not_hidden():
    def broken(values: Tensor) -> Tensor:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Graphs(CPU, record=Replays()).run("", broken, torch.ones(2))


def test_graphs_are_recorded_again_after_they_were_cleared():
    record = Replays()
    graphs = Graphs(CPU, record=record)
    for _ in range(2):
        for _ in range(3):
            assert float(graphs.run("", total, torch.ones(2))) == 2
        graphs.clear()
    assert record.recorded == 2


def test_a_graph_keeps_the_weights_that_it_reads():
    """A model that is moved to another memory format gets new weights; a graph reads the old ones."""
    layer = torch.nn.Conv2d(2, 2, 3)
    graphs = Graphs(CPU, (layer,), record=Replays())
    layer.more = torch.ones(1000)
    old = [weakref.ref(each.untyped_storage()) for each in (layer.weight.data, layer.more)]
    for _ in range(2):
        graphs.run("", total, torch.ones(2))
    layer.weight.data, layer.more = layer.weight.data.clone(), torch.ones(1000)
    assert all(each() is not None for each in old)
    graphs.clear()
    assert all(each() is None for each in old)
