"""Claims: one holder at a time, whatever the order of steps, and nothing lost when a holder dies or is suspended."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.run.units import claim_files
from benchmarks.run.units.claim_files import new_claim
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.holders import claims_in
from tests.benchmarks.run.units.planted import LONG_AGO, claim_on, files, held_by
from tests.benchmarks.run.units.steps import Actor, Stage


def test_a_holder_that_comes_back_leaves_the_claims_of_others_alone(tmp_path):
    """It was suspended; its claim was taken over, the unit was done, and a third process has the first number again."""
    first, second, third = (Claims(tmp_path) for _ in range(3))
    with first.taken("unit"):
        os.utime(tmp_path / "claims" / "unit.0", (0, 0))
        with second.taken("unit") as held:
            assert held and files(tmp_path) == ["unit.0", "unit.1"]
        assert files(tmp_path) == []
        late = third.taken("unit")
        assert late.__enter__() and files(tmp_path) == ["unit.0"]
    assert files(tmp_path) == ["unit.0"], "the late release removes nothing"
    late.__exit__(None, None, None)
    assert files(tmp_path) == []


def test_a_holder_that_comes_back_while_another_works_leaves_its_claim(tmp_path):
    with Claims(tmp_path).taken("unit"):
        os.utime(tmp_path / "claims" / "unit.0", (0, 0))
        second = Claims(tmp_path).taken("unit")
        assert second.__enter__()
    assert files(tmp_path) == ["unit.1"]
    second.__exit__(None, None, None)
    assert files(tmp_path) == []


def take_at(monkeypatch, method, moment, act):
    """Run ``act`` once, right ``moment`` ("before" or "after") the next call of a method."""
    original = getattr(*method)

    def interleaved(*arguments):
        monkeypatch.setattr(*method, original)
        if moment == "before":
            act()
        result = original(*arguments)
        if moment == "after":
            act()
        return result

    monkeypatch.setattr(*method, interleaved)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("method", [(claim_files.Held, "make"), (Claims, "_is_alone")])
@pytest.mark.parametrize("ends", [True, False])
def test_another_process_between_two_steps_of_a_take_over(tmp_path, monkeypatch, ended, method, moment, ends):
    """It takes the stale claim over too, and goes on or ends at once; only one of both holds a claim at a time."""
    held_by(tmp_path, ended)
    others = []

    def other():
        taken = Claims(tmp_path).taken("unit")
        if taken.__enter__():
            others.append(taken)
            if ends:
                others.pop().__exit__(None, None, None)

    take_at(monkeypatch, method, moment, other)
    with Claims(tmp_path).taken("unit") as held:
        assert held + len(others) == 1
        assert claim_on(Claims(tmp_path), "unit").stale is False
    for taken in others:
        taken.__exit__(None, None, None)
    assert files(tmp_path) == []


def make_then_stop(tmp_path, number):
    """A process that has made a claim file after a look that is old now, and was suspended before its next look."""
    held = new_claim("unit", tmp_path / "claims" / f"unit.{number}")
    assert held.make()
    return held


def test_a_late_claim_with_a_higher_number_keeps_nobody_out_for_long(tmp_path):
    with Claims(tmp_path).taken("unit") as held:
        late = make_then_stop(tmp_path, 1)
        assert held
    assert claim_on(Claims(tmp_path), "unit").number == 1
    late.remove()
    assert files(tmp_path) == []


def test_a_process_that_dies_with_a_late_claim_gives_nobody_the_unit_of_another(tmp_path, ended):
    """It made its claim after an old look at a stale one, and was killed before it saw that another process has one."""
    with Claims(tmp_path).taken("unit") as held:
        late = new_claim("unit", tmp_path / "claims" / "unit.1")
        changed = json.loads(late.text) | {"process": ended}
        late.path.write_text(json.dumps(changed))
        assert held and claim_on(Claims(tmp_path), "unit").stale is False
        there = [path.name for path in (tmp_path / "claims").iterdir()]
        assert [(each.stale, each.pid) for each in claims_in(tmp_path, there)] == [(False, os.getpid())]
        with Claims(tmp_path).taken("unit") as also:
            assert not also
    with Claims(tmp_path).taken("unit") as held:
        assert held
    assert files(tmp_path) == []


ORDERS = st.lists(st.integers(0, 99), min_size=20, max_size=120)


def contend(stage, output, choices, suspend):
    """Three actors do one unit in an order of steps that ``choices`` gives; a choice can kill or suspend an actor.

    Returns how often the unit was done, and the actors that were never suspended while they held the claim together
    with another one.
    """
    done: list[str] = []
    holders: dict[str, Actor] = {}
    doubles: list[str] = []

    def act(actor):
        own = Claims(output, seconds=LONG_AGO)
        while not done:
            with own.taken("unit") as held:
                if held and not done:
                    if any(not each.suspected for each in holders.values()) and not actor.suspected:
                        doubles.append(actor.name)
                    holders[actor.name] = actor
                    actor.step()
                    done.append(actor.name)
                    holders.pop(actor.name, None)

    stage.actors[:] = [Actor(f"actor-{number}-1", act) for number in range(3)]
    steps = iter(choices)
    while alive := [each for each in stage.actors if not each.ended]:
        choice = next(steps, None)
        actor = alive[(len(done) + (choice or 0)) % len(alive)] if choice is not None else alive[0]
        if choice is None or choice < 80:
            actor.suspended = False
            for _ in range(1 if choice is not None else 10):
                if not actor.ended:
                    actor.go()
        elif choice < 90 and sum(not each.killed for each in alive) > 1:
            actor.killed = True
            holders.pop(actor.name, None)
            actor.go()
        elif suspend:
            actor.suspended = actor.suspected = True
        if choice is None:
            stage.actors.sort(key=lambda each: each is actor)
    errors = [each.error for each in stage.actors if each.error is not None]
    assert not errors, errors
    return done, doubles


@settings(max_examples=60)
@given(choices=ORDERS)
def test_no_order_of_steps_gives_two_holders(choices):
    stage = Stage()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        stage.patch(monkeypatch)
        done, doubles = contend(stage, Path(folder), choices, suspend=False)
    assert doubles == [] and len(done) == 1


@settings(max_examples=60)
@given(choices=ORDERS)
def test_two_holders_only_after_one_was_suspended(choices):
    stage = Stage()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        stage.patch(monkeypatch)
        done, doubles = contend(stage, Path(folder), choices, suspend=True)
    assert doubles == [] and done


def test_processes_that_are_killed_at_random_do_every_unit_once(tmp_path, repository):
    command = [sys.executable, "-m", "tests.benchmarks.run.units.contenders", str(tmp_path / "runs"), "40", "6", "40"]
    ran = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["killed"] > 10 and set(found["statuses"]) == {0}
    assert found["done"] == [1] * 40
