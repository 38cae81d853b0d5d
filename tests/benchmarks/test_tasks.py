"""Tasks: their protocols, and tasks on datasets that no suite has."""

from pathlib import Path

import pytest

from benchmarks.errors import UserError
from benchmarks.registry import full_name, open_dataset, opener
from benchmarks.run.cells import Cell
from benchmarks.run.plan import Request, make_plan
from benchmarks.tasks import SUITES, TASKS, given_by, plain_name, protocols_of, task_on
from leaderboard.suites import Suite
from metrics.protocols import PROTOCOLS, SETS
from tests.custom_data import coco, photo, write_coco

HEADLINES = {
    "celeba": "sk/interocular",
    "cub_parts": "parts/nmi",
    "cub": "sk/side",
    "taichi": "sk/cumulative",
    "human36m": "sk/human36m",
    "deepfashion": "sk/pck6",
    "mafl_68": "sanchez/backward_mallis",
    "mafl": "sanchez/forward_mallis",
}
WITH_COUNTERPART = [name for name, task in TASKS.items() if task.dataset_id("mini") != task.dataset]


def plan_of(task, profile="paper"):
    return make_plan(Request(["grid"], [task], profile, floors=False))


@pytest.mark.parametrize("name", TASKS)
def test_every_protocol_of_a_task_is_there(name):
    task = TASKS[name]
    assert len(set(task.protocols)) == len(task.protocols)
    assert set(task.protocols) <= PROTOCOLS.keys()
    measured = name.rpartition("_to_")[2]  # keypoints may be learned elsewhere
    assert task.protocols[0] == next(headline for begin, headline in HEADLINES.items() if measured.startswith(begin))


@pytest.mark.parametrize("name", WITH_COUNTERPART)
def test_every_protocol_of_a_task_can_be_scored_on_its_mini_counterpart(name):
    (cell,) = plan_of(TASKS[name], "mini").cells
    assert cell.task.protocols == TASKS[name].protocols


def test_only_landmarks_that_are_not_drawn_have_no_counterpart():
    assert set(TASKS) - set(WITH_COUNTERPART) == {"mafl_68_k10", "mafl_68_k30", "mafl_68_k50"}


def test_every_protocol_is_some_tasks():
    used = {name for task in TASKS.values() for name in task.protocols}
    assert PROTOCOLS.keys() - used <= {"strict/box", "scops/box", "strict/side_micro", "sanchez/backward_mallis"}


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("celeba_wild_autolink", "celeba_wild_k4"),
        ("cub_001_cmr", "cub_001"),
        ("mini_taichi", "taichi"),
        ("human36m", "human36m_unaligned"),
        ("mini_deepfashion", "deepfashion"),
    ],
)
def test_a_dataset_outside_the_suites_is_scored_as_its_kind(name, family):
    task = task_on(name, 7, open_dataset(name, None))
    assert task.id == f"{name}_k7"
    assert task.protocols == TASKS[family].protocols


def test_what_a_suite_has_already_is_that_task():
    assert task_on("celeba_wild", 8, open_dataset("celeba_wild", None)) == TASKS["celeba_wild_k8"]
    assert task_on("taichi", 10, open_dataset("taichi", None)) == TASKS["taichi"]


def test_under_the_mini_profile_a_dataset_is_replaced_by_its_synthetic_counterpart():
    def ids(name):
        task = task_on(name, 3, open_dataset(name, None))
        return task.dataset_id("mini"), task.dataset_id("paper"), task.fit_dataset_id("mini")

    assert ids("cub_001") == ("mini_cub_001", "cub_001", "mini_cub_001")
    assert ids("cub_001_cmr") == ("cub_001_cmr", "cub_001_cmr", "cub_001_cmr")
    assert ids("mini_taichi") == ("mini_taichi", "mini_taichi", "mini_taichi")


def own_cell(path: Path, prefix: str = "coco") -> Cell:
    name = full_name(f"{prefix}:{path}")
    (cell,) = plan_of(task_on(name, 12, open_dataset(name, None))).cells
    return cell


def test_own_data_has_a_name_that_is_safe_for_files_and_its_own(tmp_path):
    cells = [own_cell(write_coco(tmp_path / name / "my birds (1).json", coco(4))) for name in ("a", "b")]
    document = coco(4)
    for annotation in document["annotations"]:
        annotation["bbox"][0] += 1
    cells.append(own_cell(write_coco(tmp_path / "a" / "my birds (1).json", document)))
    # A task is what the data holds, wherever it lies: an edited file is another one.
    for first, moved, edited in zip(*((cell.id, cell.fit_id, cell.task.id) for cell in cells), strict=True):
        assert first == moved != edited
    for cell in cells:
        assert cell.task.id.startswith("coco_my_birds_1_") and cell.task.id.endswith("_k12")
        for identifier in (cell.id, cell.fit_id):
            assert identifier.replace("-", "").replace("_", "").isalnum() and identifier.isascii()
    assert cells[0].dataset == cells[0].fit_dataset == f"coco:{tmp_path / 'a' / 'my birds (1).json'}"
    assert own_cell(tmp_path / "a" / "my birds (1).json").id == cells[2].id


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("coco:/data/birds.json", "coco_birds"),
        ("folder:/data/v1.2", "folder_v1_2"),
        ("dlc:/", "dlc"),
        ("coco:/鳥.json", "coco"),
        ("coco:/" + "a" * 300 + ".json", "coco_" + "a" * 40),
        ("cub_001", "cub_001"),
    ],
)
def test_plain_names(name, plain):
    assert plain_name(name) == plain


def test_protocols_that_need_what_is_not_there_are_left_out(tmp_path):
    task = own_cell(write_coco(tmp_path / "birds.json", coco())).task
    assert task.protocols[0] == "strict/side"
    assert {"strict/box", "scops/box"} < set(task.protocols)
    name = "mini_taichi"
    boxless = task.model_copy(update={"dataset": name, "protocols": (*task.protocols, "strict/interocular")})
    (cell,) = plan_of(boxless).cells
    assert cell.task.protocols == tuple(found for found in task.protocols if not found.endswith(("/box", "/in_box")))


def test_images_without_landmarks_have_no_error_and_no_floors(tmp_path):
    photo(tmp_path / "a.png", (1, 2))
    name = f"folder:{tmp_path}"
    task = task_on(name, 5, open_dataset(name, None))
    assert set(task.protocols) == set(SETS["label_free"]) - {"label_free/in_box"}
    cells = make_plan(Request(["stable_keypoints", "centre"], [task], "mini")).cells
    assert [cell.method for cell in cells] == ["centre", "stable_keypoints"]
    measured = ("label_free/equivariance", "label_free/closest_pair", "label_free/collapsed")
    assert {cell.task.protocols for cell in cells} == {measured}
    single = task.model_copy(update={"num_keypoints": 1})
    assert plan_of(single).cells[0].task.protocols == measured[:1]


def test_names_of_own_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert full_name("coco:sub/../birds.json") == f"coco:{tmp_path}/birds.json"
    assert full_name("dlc:~/mice") == "dlc:/home/somebody/mice"
    assert full_name("cub_001") == "cub_001"
    (tmp_path / "birds.json").write_text("")
    for name, message in (
        ("cooc:birds.json", "unknown source 'cooc'; did you mean 'coco'"),
        ("coco:", "'coco:' names no file or folder"),
        ("birds.json", "dataset 'birds.json' is a path; give its kind: coco:birds.json, dlc:birds.json, folder:"),
        ("cub_01", "unknown dataset 'cub_01'; did you mean 'cub_001'"),
    ):
        with pytest.raises(UserError, match=message):
            full_name(name)


def test_a_dataset_is_opened_once(tmp_path):
    name = f"coco:{write_coco(tmp_path / 'birds.json', coco())}"
    datasets = opener(None)
    assert datasets(name) is datasets(name)
    assert opener(None)(name) is not datasets(name)


def test_suites_hold_tasks():
    assert {task for suite in SUITES.values() for task in suite.tasks} == TASKS.keys()


def test_misalignment_pairs_each_aligned_task_with_a_wild_one_of_the_same_measure():
    pairs = list(zip(SUITES["misalignment"].tasks[::2], SUITES["misalignment"].tasks[1::2], strict=True))
    assert [aligned for aligned, _ in pairs] == list(SUITES["aligned"].tasks)
    assert {wild for _, wild in pairs} <= set(SUITES["wild"].tasks)
    for aligned, wild in pairs:
        assert TASKS[aligned].protocols == TASKS[wild].protocols


def test_protocols_are_those_of_the_card_whatever_the_name(toys):
    card = toys.squares(None).card.model_copy(update={"id": "cube_corners"})
    assert protocols_of(card)[0] == "strict/side"
    faces = protocols_of(card.model_copy(update={"interocular": (0, 1)}))
    free = tuple(name for name in SETS["label_free"] if name != "label_free/in_box")
    assert faces == (*(name for name in SETS["faces"] if "mallis" not in name and "sides/" not in name), *free)
    assert protocols_of(card.model_copy(update={"protocols": ("sk/side", "taichi", "sk/relative")})) == (
        "sk/side",
        *(name for name in SETS["taichi"] if "sides/" not in name),
        *free,
    )
    assert protocols_of(card.model_copy(update={"landmark_names": ()})) == free
    with pytest.raises(UserError, match="card of dataset cube_corners: unknown protocol or set 'bird'"):
        protocols_of(card.model_copy(update={"protocols": ("bird",)}))


@pytest.mark.parametrize(("count", "offered"), [(5, "forward_mallis"), (68, "backward_mallis"), (21, None)])
def test_a_protocol_for_a_number_of_landmarks_is_offered_for_that_number_alone(toys, count, offered):
    names = tuple(f"landmark {index}" for index in range(count))
    card = toys.squares(None).card.model_copy(update={"landmark_names": names, "interocular": (0, 1)})
    expected = {f"sanchez/{offered}"} if offered else set()
    assert {name for name in protocols_of(card) if "mallis" in name} == expected
    assert {name for name in given_by(card, SETS["faces"]) if "mallis" in name} == expected


def test_a_suite_of_pairs_has_an_even_number_of_tasks():
    with pytest.raises(ValueError, match="3 tasks, expected an even number"):
        Suite(name="odd", tasks=("a", "b", "c"), kind="pairs")
