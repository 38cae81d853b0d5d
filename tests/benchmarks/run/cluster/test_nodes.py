"""Workers that a cluster can never place are refused before anything is started."""

import pytest

from benchmarks.errors import UserError
from benchmarks.run.cluster.nodes import Needs, choose_needs, choose_workers

CPUS = {"CPU": 4.0}
GPUS = {"CPU": 16.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("needs", "node", "places"),
    [
        (Needs(1, 0), CPUS, 4),
        (Needs(2, 0), CPUS, 2),
        (Needs(8, 0), CPUS, 0),
        (Needs(1, 1), GPUS, 4),
        (Needs(1, 2), GPUS, 2),
        (Needs(1, 3), GPUS, 1),
        (Needs(1, 8), GPUS, 0),
        (Needs(1, 0.5), GPUS, 8),
        (Needs(1, 0.3), GPUS, 12),  # three a GPU: a worker has all of its share on one GPU
        (Needs(1, 0.1), GPUS, 16),  # one CPU each
        (Needs(1, 1), CPUS, 0),
        (Needs(1, 1), {}, 0),
    ],
)
def test_places_on_a_node(needs, node, places):
    assert needs.places(node) == places


@pytest.mark.parametrize(
    ("gpus", "device", "nodes", "needs"),
    [
        (None, "auto", [CPUS], Needs(2, 0)),
        (None, "auto", [CPUS, GPUS], Needs(1, 1)),
        (None, "cpu", [GPUS], Needs(2, 0)),
        (None, "cuda", [CPUS], Needs(1, 1)),
        (0.5, "auto", [CPUS], Needs(1, 0.5)),
        (0.0, "auto", [GPUS], Needs(2, 0)),
    ],
)
def test_what_a_worker_needs(gpus, device, nodes, needs):
    assert choose_needs(gpus, device, 2, nodes) == needs


@pytest.mark.parametrize(("gpus", "device"), [(1.5, "auto"), (0.0, "cuda"), (1.0, "cpu")])
def test_needs_that_go_with_no_device(gpus, device):
    with pytest.raises(UserError, match="--gpus-per-unit"):
        choose_needs(gpus, device, 2, [GPUS])


def test_as_many_workers_as_there_is_room_for():
    assert choose_workers(None, Needs(1, 1), [CPUS, GPUS, GPUS]) == 8
    assert choose_workers(3, Needs(1, 1), [CPUS, GPUS, GPUS]) == 3


@pytest.mark.parametrize(
    ("asked", "needs", "words"),
    [
        (None, Needs(1, 1), ["1 CPU and 1 GPU", "has room for none", "4 CPUs, 0 GPUs", "--device cpu"]),
        (None, Needs(8, 0), ["8 CPUs", "has room for none", "OMP_NUM_THREADS"]),
        (5, Needs(1, 0), ["--workers 5", "has room for 4 workers", "--workers 4 or fewer"]),
    ],
)
def test_what_can_never_be_placed(asked, needs, words):
    with pytest.raises(UserError) as refused:
        choose_workers(asked, needs, [CPUS])
    assert all(word in str(refused.value) for word in words)
