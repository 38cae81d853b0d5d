"""How long scoring takes, as multiples of one least-squares fit: bounds loose enough for any machine."""

import time
from collections.abc import Callable
from typing import Any

import scipy.linalg

from metrics.left_right import swapped_order
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score_all
from tests.metrics.worlds import HUMAN36M_PAIRS, shuffled_sides, world

FACES = [name for name, protocol in PROTOCOLS.items() if "interocular" in protocol.needs]
HUMAN36M = [name for name, protocol in PROTOCOLS.items() if protocol.either_side]


def gelsd(fit: Points) -> None:
    design, targets = fit.keypoints.reshape(len(fit), -1), fit.landmarks.reshape(len(fit), -1)
    scipy.linalg.lstsq(design, targets, lapack_driver="gelsd", check_finite=False)


def best_of_three(work: Callable[[], Any]) -> float:
    """Processor time in seconds."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def ratio(benchmark: Any, work: Callable[[], Any], fit: Points) -> float:
    """Processor time of the work in units of one fit's; its seconds go to the benchmark's table."""
    benchmark.pedantic(work, rounds=1)
    found = best_of_three(work) / best_of_three(lambda: gelsd(fit))
    benchmark.extra_info["fits"] = found
    return found


def test_all_protocols_of_faces_at_the_size_of_mafl(benchmark):
    fit, test = (world(seed, n=n, k=10, shown=1.0) for seed, n in ((0, 19_000), (1, 1000)))
    assert ratio(benchmark, lambda: score_all(FACES, fit, test, interocular=(0, 1), resamples=10_000), fit) < 300


def test_the_swap_loops_of_human36m_at_a_twentieth_of_its_size(benchmark):
    order, sizes = swapped_order(32, HUMAN36M_PAIRS), ((0, 40_000), (1, 4400))
    fit, test = (shuffled_sides(world(seed, n, 16, 32, 1.0), order, 0.3, seed) for seed, n in sizes)
    assert ratio(benchmark, lambda: score_all(HUMAN36M, fit, test, left_right_pairs=HUMAN36M_PAIRS), fit) < 30
