"""Nothing that a run spends its time on has become several times as slow, and a guard would tell."""

import math
import time
from importlib import import_module

import pytest
import torch

from tests.performance.guards import GUARDS, guard_named
from tests.performance.ratios import Guard, check, one_thread, ratio, slowed

# What makes up most of each guarded work.
PLANTS = {
    "regression": ("metrics.regression", "tall_qr"),
    "errors": ("metrics.errors", "distances"),
    "bootstrap": ("metrics.statistics", "_resampled"),
    "protocols": ("metrics.scoring", "_regress"),
    "faces": ("datasets.mini_world.faces", "draw"),
    "birds": ("datasets.mini_world.birds", "draw"),
    "people": ("datasets.mini_world.people", "draw"),
    "fit_step": ("methods.stable_keypoints.learning", "Learner.losses"),
}


@pytest.mark.parametrize("name", GUARDS)
def test_it_takes_as_many_baselines_as_ever(name, benchmark):
    check(guard_named(name), benchmark)


@pytest.mark.parametrize("name", GUARDS)
def test_a_part_that_becomes_ten_times_as_slow_is_noticed(name, monkeypatch):
    module, part = PLANTS[name]
    owner, _, attribute = part.rpartition(".")
    target = getattr(import_module(module), owner) if owner else import_module(module)
    monkeypatch.setattr(target, attribute, slowed(getattr(target, attribute)))
    with pytest.raises(AssertionError, match="times as slow"):
        check(guard_named(name), rounds=1)


def spin(count):
    return lambda: sum(math.sqrt(number) for number in range(count))


def test_a_ratio_is_how_many_baselines_the_work_takes():
    assert ratio(Guard(work=spin(40_000), baseline=spin(4_000), usual=10)) == pytest.approx(10, rel=0.4)
    assert ratio(Guard(work=slowed(spin(4_000), 10), baseline=spin(4_000), usual=10)) == pytest.approx(10, rel=0.4)


def test_a_guard_passes_up_to_its_bound_and_says_what_it_measured():
    check(Guard(work=spin(10_000), baseline=spin(10_000), usual=1.0))
    with pytest.raises(AssertionError, match=r"usually 0\.1, expected at most 0\.3; something got .* times as slow"):
        check(Guard(work=spin(10_000), baseline=spin(10_000), usual=0.1))


def test_waiting_is_no_work():
    def work():
        time.sleep(0.05)
        return spin(20_000)()

    assert ratio(Guard(work, baseline=spin(20_000), usual=1.0), rounds=2) < 2


def test_one_thread_while_measured_and_as_many_as_before_afterwards():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_what_is_slowed_does_its_work_again_and_again_and_gives_the_same():
    calls = []

    def add(value, more):
        calls.append(value)
        return value + more

    assert slowed(add, 3)(1, more=2) == 3
    assert calls == [1, 1, 1]
