"""The suite data_efficiency: tasks that learn on few images."""

from __future__ import annotations

import sys

import pytest

from benchmarks.cli import main
from benchmarks.errors import UserError
from benchmarks.registry import open_dataset
from benchmarks.run.plan import Request, make_plan
from benchmarks.tasks import SUITES, TASKS, task_on
from leaderboard.load import load_records
from leaderboard.published import reported_rows
from leaderboard.suites import Suite

FEWER = [TASKS[name] for name in SUITES["data_efficiency"].tasks if TASKS[name].fit_images is not None]


def few(name, count):
    return TASKS[name].model_copy(update={"id": f"{name}_fit{count}", "fit_images": count})


def cell_of(task, seed=0, profile="mini"):
    return make_plan(Request(["grid"], [task], profile, seeds=seed + 1, floors=False)).cells[seed]


def test_the_suite_goes_from_few_images_to_all_on_one_task():
    assert [task.fit_images for task in FEWER] == [5, 10, 30, 100]
    assert SUITES["data_efficiency"].tasks[-1] == "celeba_wild_k8"
    for task in FEWER:
        assert task.model_copy(update={"id": "celeba_wild_k8", "fit_images": None}) == TASKS["celeba_wild_k8"]
        assert task.id == f"celeba_wild_k8_fit{task.fit_images}"


@pytest.mark.parametrize("name", ["mini_celeba_wild", "mini_cub_all"])
def test_the_images_of_few_are_among_those_of_more_and_differ_from_seed_to_seed(name):
    ids = open_dataset(name, None).split("fit")
    chosen = [task.choose_fit(ids, seed=0) for task in FEWER]
    assert [len(set(found)) for found in chosen] == [5, 10, 30, 100]
    for fewer, more in zip(chosen, [*chosen[1:], ids], strict=True):
        assert set(fewer) < set(more)
    assert set(chosen[0]) != set(FEWER[0].choose_fit(ids, seed=1))
    assert chosen[1] == FEWER[1].choose_fit(ids[::-1], seed=0)
    assert TASKS["celeba_wild_k8"].choose_fit(ids, seed=0) == ids


def test_the_images_are_drawn_evenly():
    ids = open_dataset("mini_celeba_wild", None).split("fit")
    drawn = [id for seed in range(200) for id in FEWER[2].choose_fit(ids, seed)]
    first = sum(id in set(ids[:150]) for id in drawn)
    assert len(drawn) == 6000
    assert abs(first - 3000) < 4 * (6000 / 4) ** 0.5
    assert set(drawn) == set(ids)


def test_the_number_of_images_is_part_of_what_a_cell_and_its_fit_are():
    found = [cell_of(TASKS[name]) for name in SUITES["data_efficiency"].tasks]
    assert len({cell.id for cell in found}) == len({cell.fit_id for cell in found}) == 5
    unnumbered = TASKS["celeba_wild_k8"]
    assert found[-1].id == cell_of(unnumbered).id
    renamed = few("celeba_wild_k8", 10).model_copy(update={"id": "another"})
    assert cell_of(renamed).fit_id == found[1].fit_id


def test_more_images_than_there_are_is_said_before_anything_runs():
    task = few("cub_001", 31)
    assert make_plan(Request(["grid"], [task], "mini")).skipped == {
        "cub_001_fit31": "cub_001_fit31 learns on 31 images, there are 30; take a task with fewer, or without a number"
    }
    with pytest.raises(UserError, match="learns on 31 images, there are 30"):
        task.choose_fit(open_dataset("mini_cub_001", None).split("fit"), 0)
    assert make_plan(Request(["grid"], [few("cub_001", 30)], "mini")).skipped == {}


def test_a_run_learns_on_those_images_alone(toys, tmp_path, monkeypatch):
    for count in (2, 4):
        monkeypatch.setitem(TASKS, f"toy_fit{count}", few("toy", count))
    monkeypatch.setitem(SUITES, "data_efficiency", Suite(name="data_efficiency", tasks=("toy_fit2", "toy_fit4", "toy")))
    seen: dict[int, list[str]] = {}
    fit = toys.Colours.fit

    def watched(self, images, num_keypoints, seed, report):
        seen[len(images)] = [id for batch in images for id in batch.ids]
        fit(self, images, num_keypoints, seed, report)

    monkeypatch.setattr(toys.Colours, "fit", watched)
    (tmp_path / "data").mkdir()
    command = ["run", "--data-root", str(tmp_path / "data"), "--output", str(tmp_path / "runs"), "--no-mlflow"]
    command += ["--device", "cpu", "--method", "toy_colours", "--suite", "data_efficiency"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert set(seen) == {2, 4, 6}
    assert set(seen[2]) < set(seen[4]) < set(seen[6])
    assert seen[2] == list(TASKS["toy_fit2"].choose_fit(toys.squares(None).split("fit"), 0))
    suites = {record.task: record.suites for record in load_records(tmp_path / "runs")}
    only = ("data_efficiency",)
    assert suites == {"toy_fit2": only, "toy_fit4": only, "toy": ("data_efficiency", "toys")}
    written = (tmp_path / "runs" / "leaderboard" / "data_efficiency.paper.md").read_text()
    header = next(line for line in written.splitlines() if line.startswith("| method"))
    assert [part.split()[0] for part in header.split("|")[2:5]] == ["toy_fit2", "toy_fit4", "toy"]


def test_a_dataset_named_alone_is_the_task_that_learns_on_all_of_it():
    assert task_on("celeba_wild", 8, open_dataset("celeba_wild", None)).fit_images is None


def test_the_paper_learns_on_a_hundred_images_and_stands_in_the_same_row():
    rows = reported_rows(SUITES["data_efficiency"].tasks)
    own = {row.task: row.printed for row in rows if row.label == "Stable Keypoints"}
    assert own == {"celeba_wild_k8_fit100": "5.33", "celeba_wild_k8": "4.35"}
