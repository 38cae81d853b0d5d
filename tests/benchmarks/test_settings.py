"""What a command line means: profile, settings, tasks, device."""

import pytest

from benchmarks.errors import UserError
from benchmarks.settings import choose_device, choose_profile, choose_tasks, parse_settings, parse_value


@pytest.fixture(autouse=True)
def _no_data_root(monkeypatch):
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)


def test_the_profile_is_mini_without_data():
    assert choose_profile(None, None)[0] == "mini"


def test_the_profile_is_paper_with_a_data_root(tmp_path, monkeypatch):
    profile, root, why = choose_profile(None, tmp_path)
    assert (profile, root) == ("paper", tmp_path)
    assert "--data-root" in why
    monkeypatch.setenv("KEYPOINTS_DATA_ROOT", str(tmp_path))
    profile, root, why = choose_profile(None, None)
    assert (profile, root) == ("paper", tmp_path)
    assert "KEYPOINTS_DATA_ROOT" in why


def test_a_chosen_profile_wins(tmp_path):
    assert choose_profile("mini", tmp_path)[:2] == ("mini", None)


def test_a_data_root_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYPOINTS_DATA_ROOT", str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"gone \(from KEYPOINTS_DATA_ROOT\) is not a folder"):
        choose_profile(None, None)


def test_tasks_come_once_each_in_the_order_of_the_suites():
    tasks = [task.id for task in choose_tasks(["taichi", "celeba_aligned"], ["wild"])]
    assert tasks[0] == "celeba_wild_k4"
    assert tasks[-1] == "celeba_aligned"
    assert len(tasks) == len(set(tasks)) == 10


@pytest.mark.parametrize(
    ("tasks", "suites", "message"),
    [
        (["taichy"], [], "unknown task 'taichy'; did you mean 'taichi'"),
        ([], ["wyld"], "unknown suite 'wyld'; did you mean 'wild'"),
        ([], [], "nothing to run"),
    ],
)
def test_mistaken_tasks(tasks, suites, message):
    with pytest.raises(UserError, match=message):
        choose_tasks(tasks, suites)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("true", True),
        ("False", False),
        ("none", None),
        ("[1, 2]", [1, 2]),
        ("mini", "mini"),
        ("a=b", "a=b"),
        ('"7"', "7"),
    ],
)
def test_values(text, value):
    parsed = parse_settings([f"grid.x={text}"], ["grid"])["grid"]["x"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_infinity_is_no_json():
    assert parse_value("[1") == "[1"


@pytest.mark.parametrize("text", ["x=1", "grid.x", "grid.=1", "=1"])
def test_settings_of_another_form(text):
    with pytest.raises(UserError, match=r"expected method\.name=value"):
        parse_settings([text], ["grid"])


def test_a_setting_of_a_method_that_is_not_run():
    with pytest.raises(UserError, match="method 'gird' is not run here; did you mean 'grid'"):
        parse_settings(["gird.x=1"], ["grid"])


def test_devices():
    assert choose_device("cpu") == "cpu"
    with pytest.raises(UserError, match="expected auto, cpu"):
        choose_device("gpu")
    with pytest.raises(UserError, match="sees no such device"):
        choose_device("cuda:99")
