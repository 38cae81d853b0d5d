"""Jobs of the paper's units: their number, what they need, and seconds that can be computed by hand."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from typer.testing import CliRunner

from benchmarks.errors import UserError
from benchmarks.scaling.__main__ import app
from benchmarks.scaling.costs import OWN, Cost, read_costs
from benchmarks.scaling.plan import TASK_NAMES, Settings, decoded, work_of
from benchmarks.scaling.report import Scenario, duration, run
from tests.documents import ROOT

HUMAN36M = Settings(tasks=("human36m",), methods=("stable_keypoints",), seeds=1)


def seconds(cost: Cost | None) -> float:
    """The seconds of a cost that is there."""
    assert cost is not None
    return cost.seconds


def test_the_paper_has_sixteen_tasks():
    assert len(set(TASK_NAMES)) == 16


def test_units_of_human36m_by_hand():
    """796,648 images to learn on, 50,000 to regress, 87,975 to test: 25 and 43 shards of 2,048; 256 warped copies."""
    costs = read_costs()
    work = work_of(HUMAN36M, costs)
    assert Counter((each.unit.stage, each.unit.split) for each in work) == {
        ("fit", None): 1,
        ("predict", "regress"): 25,
        ("predict", "test"): 43,
        ("predict", "warped"): 1,
        ("score", None): 1,
    }
    sk, unit = costs.method("stable_keypoints"), costs.unit.seconds
    fit, *shards, score = work
    assert fit.job.seconds == pytest.approx(500 * seconds(sk.step) + 796_648 * seconds(sk.look) + unit)
    assert shards[0].job.seconds == pytest.approx(2048 * sk.predict.seconds + unit)
    assert sum(each.unit.last - each.unit.first for each in shards) == 50_000 + 87_975 + 256
    assert all(each.job.needs == (0,) for each in shards)
    assert score.job.needs == tuple(range(1, 70))


def test_tasks_on_the_same_images_share_a_fit():
    tasks = Settings(tasks=("taichi", "taichi_to_human36m_unaligned", "deepfashion"), methods=("imm",), seeds=2)
    shared, apart = (
        work_of(Settings(tasks.tasks, tasks.methods, 2, sharing=sharing), read_costs()) for sharing in (True, False)
    )
    assert [sum(each.unit.stage == "fit" for each in work) for work in (shared, apart)] == [4, 6]
    for work in (shared, apart):
        for number, each in enumerate(work):
            assert all(need < number for need in each.job.needs)
            if each.unit.stage == "predict":
                fits = {work[need].cell.fit_id for need in each.job.needs}
                assert fits == {each.cell.fit_id}


def test_a_fit_of_several_processes_takes_its_share_in_each():
    changes = {"stable_keypoints": {"batch_size": 8}}
    several = Settings(HUMAN36M.tasks, HUMAN36M.methods, 1, fit_gpus=8, changes=changes)
    costs = read_costs()
    work = work_of(several, costs)
    fits = [each for each in work if each.unit.stage == "fit"]
    sk = costs.method("stable_keypoints")
    each = 500 * seconds(sk.step) + 796_648 / 8 * seconds(sk.look) + costs.unit.seconds
    assert [fit.job.seconds for fit in fits] == pytest.approx([each] * 8)
    assert work[8].job.needs == tuple(range(8))


def test_images_within_the_cache_are_decoded_once():
    assert decoded(100_000, 1_000, 128) == 1_000
    assert decoded(500, 1_000, 128) == 500
    assert decoded(100, 1_000, 0) == 0
    room = 2**30 / (3 * 128**2)  # images of 128 x 128 pixels in a cache of 1 GiB
    count = round(2 * room)
    assert decoded(10 * count, count, 128) == pytest.approx(count + 9 * count / 2, rel=1e-3)


def test_shares_of_time_are_all_of_it_and_more_gpus_are_never_worse_than_the_bound():
    settings = Settings(tasks=("cub_001", "taichi"), seeds=1)
    for found in run(Scenario(settings), read_costs(), (1, 3, 40)):
        assert sum(found.shares().values()) == pytest.approx(1)
        assert found.makespan >= found.bound
        assert found.bounded_by()


def test_estimates_alone_are_scaled():
    costs, doubled = read_costs(), read_costs().scaled(2)
    sk, again = costs.method("stable_keypoints"), doubled.method("stable_keypoints")
    assert again.predict == sk.predict
    assert seconds(again.look) == 2 * seconds(sk.look)
    assert doubled.dataset("taichi") == costs.dataset("taichi")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('measured = "', 'noted = "', "noted|measured"),
        ("seconds = 15", "seconds = -1", "worker"),
        ("threads = 8", "", "threads"),
        ("threads = 8", "threads =", "TOML"),
    ],
)
def test_a_bad_file_of_costs_is_named(tmp_path, old, new, named):
    path = tmp_path / "costs.toml"
    path.write_text(OWN.read_text().replace(old, new))
    with pytest.raises(UserError, match=named) as caught:
        read_costs(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_method_without_costs_is_named(tmp_path):
    with pytest.raises(UserError, match="dift_kmean'.*dift_kmeans"):
        read_costs().method("dift_kmean")
    with pytest.raises(UserError, match="cannot read"):
        read_costs(tmp_path / "none.toml")


@pytest.mark.parametrize(("seconds", "text"), [(99, "99 s"), (100, "1.7 min"), (5999, "100.0 min"), (7200, "2.0 h")])
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.slow
def test_the_page_has_what_the_command_prints():
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- python -m benchmarks.scaling -->\n\n(.*?)\n\n<!-- /benchmarks.scaling -->", page, re.S)
    printed = CliRunner().invoke(app, [])
    assert block and printed.exit_code == 0
    assert printed.output.strip() == block[1], "put what `python -m benchmarks.scaling` prints into docs/scale.md"
