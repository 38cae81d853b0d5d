"""Settings that a method has for some fit datasets alone: its cells, its runs, and its row in a table."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.run.plan import Request, make_plan
from benchmarks.tasks import TASKS
from tests.benchmarks.importing.toys import records, run

POSES = {"human36m", "human36m_unaligned", "taichi", "deepfashion", "taichi_to_human36m_unaligned"}


class Present:
    """A dataset of which nothing is there but what a plan looks at."""

    def __init__(self, name):
        self.name = name
        self.card = SimpleNamespace(
            counts={"fit": 200_000},
            landmark_names=("left", "right"),
            interocular=(0, 1),
            left_right_pairs=((0, 1),),
            has_boxes=True,
            has_masks=False,
        )

    def available(self):
        return True, ""

    def digest(self, split):
        return f"{self.name} {split}"


def cells(*settings, profile="paper", method="stable_keypoints"):
    """The cell of every task, by the task's name."""
    given = [f"{method}.{setting}" for setting in ("model=mini", *settings)]
    present: Any = Present
    request = Request([method], list(TASKS.values()), profile, present, floors=False, assignments=given)
    return {cell.task.id: cell for cell in make_plan(request).cells}


def test_the_paper_has_500_steps_where_it_learns_human_poses_and_10000_elsewhere():
    found = cells("preset=paper")
    assert {task: cell.config["steps"] for task, cell in found.items()} == {
        task: 500 if task in POSES else 10_000 for task in TASKS
    }
    assert found["taichi"].fit_id == found["taichi_to_human36m_unaligned"].fit_id
    assert found["taichi"].label == found["cub_all"].label == "Stable Keypoints (model=mini)"
    assert found["taichi"].title == "Stable Keypoints (model=mini) (steps=500)"
    assert found["cub_all"].title == found["cub_all"].label
    assert (found["taichi"].by_dataset, found["cub_all"].by_dataset) == ({"steps": 10_000}, {})


def test_a_cell_is_named_after_the_steps_that_it_runs():
    usual, same, other = cells("preset=paper"), cells("preset=paper", "steps=500"), cells("preset=paper", "steps=10000")
    assert {task for task in TASKS if usual[task].id != other[task].id} == POSES
    assert {task for task in TASKS if usual[task].id != same[task].id} == set(TASKS) - POSES
    assert usual["taichi"] == same["taichi"]
    assert usual["taichi"].fit_id != other["taichi"].fit_id


@pytest.mark.parametrize("task", ["taichi", "cub_all"])
def test_steps_that_are_set_win(task):
    cell = cells("preset=paper", "steps=7")[task]
    assert (cell.config["steps"], cell.settings["steps"], cell.by_dataset) == (7, 7, {})
    assert cell.label == cell.title == "Stable Keypoints (model=mini, steps=7)"


@pytest.mark.parametrize(
    ("profile", "setting", "steps"), [("mini", "preset=mini", 60), ("paper", "preset=official", 500)]
)
def test_the_other_presets_have_the_same_steps_everywhere(profile, setting, steps):
    found = cells(setting, profile=profile).values()
    assert {cell.config["steps"] for cell in found} == {steps}
    assert not any(cell.by_dataset for cell in found)


def test_the_floor_of_random_tokens_takes_no_steps_anywhere():
    found = cells("preset=paper", method="random_tokens").values()
    assert {cell.config["steps"] for cell in found} == {0}
    assert not any(cell.by_dataset for cell in found)


@pytest.fixture
def shifted(toys, monkeypatch):
    """The toy method moves its keypoints by 0.25 on one dataset and, where nothing is set, not on any other."""

    def settings_on(cls, fit_dataset, config):
        return {"shift": 0.25} if fit_dataset == "toy_many" else {}

    monkeypatch.setattr(toys.Colours, "settings_on", classmethod(settings_on))


@pytest.mark.usefixtures("shifted")
def test_a_run_uses_them_records_them_and_shows_one_row(call, toys, tmp_path, monkeypatch):
    used: set[float] = set()
    predict = toys.Colours.predict

    def noted(self, batch):
        used.add(self.config.shift)
        return predict(self, batch)

    monkeypatch.setattr(toys.Colours, "predict", noted)
    assert run(call, "toy_colours", tasks=("toy", "toy_many"))[0] == 0
    assert used == {0.0, 0.25}
    found = records(tmp_path / "runs")
    here, there = found["toy_colours", "toy_many", 0], found["toy_colours", "toy", 0]
    assert (here.method_config["shift"], here.by_dataset) == (0.25, {"shift": 0.0})
    assert (there.method_config["shift"], there.by_dataset) == (0.0, {})
    wanted = ("leaderboard", "--profile", "paper", "--runs", "runs")
    _, out, _ = call(*wanted, "--task", "toy", "--task", "toy_many", "--format", "json")
    rows = [row for row in json.loads(out) if row["kind"] == "trained"]
    assert [(row["label"], row["task"]) for row in rows] == [
        ("Toy colours (shift by dataset)", "toy"),
        ("Toy colours (shift by dataset)", "toy_many"),
    ]
    assert [row["note"] for row in rows] == [None, "Toy colours, learned on toy_many: shift=0.25, elsewhere 0.0"]
    _, out, _ = call(*wanted, "--task", "toy", "--format", "json")
    assert [row["label"] for row in json.loads(out)] == ["Toy colours"]
