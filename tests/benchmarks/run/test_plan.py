"""From a request to cells: floors, settings, identity."""

from dataclasses import replace

import pytest

from benchmarks.errors import UserError
from benchmarks.run.cells import content_hash
from benchmarks.run.plan import Request, make_plan
from benchmarks.tasks import TASKS, Task
from datasets.base import DatasetError


@pytest.fixture
def plan(toys):
    def make(*assignments, tasks=("toy",), methods=("toy_colours",), **options):
        chosen = [TASKS[name] for name in tasks]
        return make_plan(Request(methods, chosen, "paper", assignments=assignments, **options))

    return make


def cell(plan, *assignments, **options):
    (only,) = plan(*assignments, floors=False, **options).cells
    return only


def test_floors_go_with_every_method_once(plan):
    assert [found.method for found in plan(methods=["toy_colours", "grid"]).cells] == [
        "centre",
        "grid",
        "random_points",
        "toy_colours",
    ]


def test_stable_keypoints_brings_its_own_floor_and_shares_its_settings():
    request = Request(
        ["stable_keypoints"], [], "mini", assignments=["stable_keypoints.sigma=2.5", "stable_keypoints.timestep=7"]
    )
    assert request.all_methods() == ["centre", "grid", "random_points", "random_tokens", "stable_keypoints"]
    assert request.settings()["random_tokens"] == {"sigma": 2.5, "timestep": 7}
    other = Request(
        ["stable_keypoints"], [], "mini", assignments=["stable_keypoints.sigma=2.5", "random_tokens.sigma=4"]
    )
    assert other.settings()["random_tokens"] == {"sigma": 4}


def test_a_method_brings_its_own_baseline_unless_there_are_to_be_none(toys, monkeypatch):
    monkeypatch.setattr(toys.Colours, "floor", "toy_shared")
    request = Request(["toy_colours"], [], "paper", assignments=["toy_colours.shift=0.1"])
    assert request.all_methods() == ["centre", "grid", "random_points", "toy_shared", "toy_colours"]
    assert request.settings() == {"toy_colours": {"shift": 0.1}, "toy_shared": {"shift": 0.1}}
    alone = replace(request, floors=False)
    assert (alone.all_methods(), alone.settings()) == (["toy_colours"], {"toy_colours": {"shift": 0.1}})


def test_the_same_request_gives_the_same_cell(plan):
    assert cell(plan).id == cell(plan).id
    assert cell(plan).id.startswith("toy_colours--toy--paper--s0--")


def test_writing_out_a_default_changes_nothing(plan):
    assert cell(plan, "toy_colours.shift=0.0").id == cell(plan).id
    assert cell(plan, "toy_colours.shift=0.0").label == "Toy colours"


def test_everything_that_keypoints_depend_on_changes_the_cell(plan, toys, monkeypatch):
    cells = [
        cell(plan),
        cell(plan, "toy_colours.shift=0.1"),
        cell(plan, limit=4),
        cell(plan, tasks=["toy_transfer"]),
        plan(floors=False, seeds=2).cells[1],
    ]
    for owner, name, value in (
        (toys.Colours, "version", "2"),
        (toys.Colours, "identity", lambda self: {"weights": "abc"}),
        (toys.Squares, "digest", lambda self, name: name * 4),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            cells.append(cell(plan))
    assert len({found.id for found in cells}) == 8


def test_protocols_and_digests_of_other_data_are_no_part_of_what_is_learned(plan):
    plain = cell(plan)
    changed = plain.model_copy(update={"task": plain.task.model_copy(update={"protocols": ("sk/pck6",)})})
    assert changed.id == plain.id
    assert cell(plan, tasks=["toy_transfer"]).fit_id == plain.fit_id
    assert cell(plan, "toy_colours.shift=0.1").fit_id != plain.fit_id


def test_the_label_names_what_differs_from_the_profile(plan):
    assert cell(plan, "toy_colours.shift=0.1", "toy_colours.steps=5").label == "Toy colours (shift=0.1)"


def test_an_unknown_setting_has_its_near_match(plan):
    with pytest.raises(UserError, match=r"^toy_colours has no setting 'shfit'; did you mean 'shift'\?$"):
        plan("toy_colours.shfit=1")


def test_a_bad_value_is_one_line(plan):
    with pytest.raises(UserError, match=r"^setting toy_colours.shift: .*number.*, got 'far'$"):
        plan("toy_colours.shift=far")


def test_a_task_without_its_data_is_skipped_with_the_reason(plan):
    found = plan(tasks=["toy", "toy_absent"])
    assert {one.task.id for one in found.cells} == {"toy"}
    assert found.skipped["toy_absent"].endswith("put it there")


def test_a_task_without_a_loader_is_skipped(toys):
    task = Task(id="later", dataset="not_written_yet", num_keypoints=3, protocols=("sk/side",))
    found = make_plan(Request(["grid"], [task], "paper"))
    assert (found.cells, found.skipped) == ([], {"later": "there is no loader for 'not_written_yet' yet"})


def test_broken_data_is_an_error_before_anything_runs(plan):
    with pytest.raises(DatasetError, match="line 7 has 4 columns"):
        plan(tasks=["toy", "toy_malformed"])


def test_hashes_do_not_depend_on_the_order_of_keys_and_refuse_what_json_lacks():
    assert content_hash({"a": 1, "b": [2.5, None]}) == content_hash({"b": [2.5, None], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": "1"})
    with pytest.raises(ValueError, match="JSON"):
        content_hash({"a": float("inf")})


@pytest.mark.parametrize("name", ["autolink", "imm"])
def test_the_label_names_what_the_loss_compares_images_in(name):
    request = Request([name], [TASKS["cub_001"]], "mini", floors=False, assignments=[f"{name}.features=pixels"])
    (found,) = make_plan(request).cells
    assert found.label.endswith("(features=pixels)")
