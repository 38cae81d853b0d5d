"""The command line from outside: what it imports, and what it says to the mistaken."""

import json
import re

import pytest

from benchmarks.registry import FORMATS, METHODS


def test_what_must_be_quick_imports_nothing_heavy(heavy_modules):
    names = ("stable_keypoints", "mini_cub_001", "wild", "ablation", "lorenz2019", "strict")
    found = heavy_modules(
        ["--help"],
        ["--version"],
        ["--show-completion", "bash"],
        ["run", "--help"],
        ["list"],
        ["list", "systems"],
        *(["describe", name] for name in names),
    )
    assert len(found) == 6 + len(names)
    assert [(line, heavy) for line, heavy in found if heavy] == []


def test_list_names_everything(command):
    from benchmarks.tasks import SUITES, TASKS
    from datasets import DATASETS
    from leaderboard.literature import systems
    from methods import METHODS
    from methods.adapters import FORMATS

    _, text, _ = command("list")
    for name in [*METHODS, *DATASETS, *TASKS, *SUITES, *FORMATS, *systems()]:
        assert re.search(rf"^  {name}  ", text, re.M), name
    assert "taichi" not in command("list", "methods")[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("grid", "Mean pose"),
        ("stable_keypoints", "settings (--set stable_keypoints.NAME=VALUE)"),
        ("mini_taichi", "fit 300, regress 200, test 100"),
        ("cub_001", "images missing: no data root is set"),
        ("celeba_wild_to_taichi", "keypoints learned on mini_celeba_wild (fit 300), mini_taichi (fit 300, regress 200"),
        ("generalization", "cub_aligned_to_taichi"),
        ("sk/pck6", "counted as 100 below 6"),
        ("ablation", "without equivariance             stable_keypoints.equivariance=False"),
        ("data_efficiency", "learned on 100 images; can be run here: mini"),
        ("celeba_wild_k8_fit10", "10 of the fit images, sampled by the seed"),
        ("lorenz2019", "table 2  Lorenz (2019), unsup, cub_aligned K=10: 3.91 % side"),
        ("lorenz2019", "outputs read by  unsupervised_disentangling, neutral"),
        ("hung2019", "licence of code  CC BY-NC-SA 4.0"),
        ("zhang_videos", "paper            unknown"),
        ("scops", "order"),
        ("strict", "strict/side_micro"),
        ("siarohin", "most methods before Stable Keypoints on Tai-Chi"),
        ("autolink", "'autolink' is the name of a method, a family of protocols and a format"),
        ("taichi", "'taichi' is the name of a dataset and a task"),
    ],
)
def test_describe(command, name, content):
    status, out, error = command("describe", name)
    assert status == 0, error
    assert content in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["describe", "iod"], "unknown name 'iod'; see python -m benchmarks list"),
        (["describe", "316.10"], "unknown name '316.10'; see python -m benchmarks list"),
        (["describe", "Siarohn"], "unknown name 'Siarohn'; did you mean 'siarohin'? see python -m benchmarks list"),
        (["run", "--method", "xx", "--task", "taichi"], "unknown method 'xx'; see python -m benchmarks list methods"),
        (["run", "--method", "grid", "--task", "xx"], "unknown task 'xx'; see python -m benchmarks list tasks"),
        (["leaderboard", "--protocol", "xx"], "unknown protocol 'xx'; see python -m benchmarks list protocols"),
        (["list", "method"], "unknown kind 'method'; did you mean 'methods'?"),
        (["describe", "stable_keypoint"], "unknown name 'stable_keypoint'; did you mean 'stable_keypoints'?"),
        (["describe", "lorenz2109"], "unknown name 'lorenz2109'; did you mean 'lorenz2019'?"),
        (["describe", "sk/sied"], "unknown name 'sk/sied'; did you mean 'sk/side'?"),
        (["run", "--method", "gird", "--suite", "wild"], "unknown method 'gird'; did you mean 'grid'?"),
        (["run", "--method", "grid", "--suite", "wlid"], "unknown suite 'wlid'; did you mean 'wild'?"),
        (["run", "--method", "grid"], "nothing to run: name a --suite"),
        (
            ["run", "--method", "stable_keypoints", "--suite", "wild", "--set", "stable_keypoints.sigm=1"],
            "stable_keypoints has no setting 'sigm'; did you mean 'sigma'?",
        ),
        (["run", "--method", "grid", "--suite", "wild", "--profile", "real"], "unknown profile 'real'"),
        (["run", "--method", "grid", "--suite", "wild", "--profile", "paper"], "profile 'paper' needs data"),
        (["run", "--method", "grid", "--suite", "wild", "--data-root", "/nowhere"], "data root /nowhere (from --da"),
        (["run", "--method", "grid", "--suite", "wild", "--device", "tpu"], "--device tpu: expected auto, cpu"),
        (["leaderboard", "--suite", "wlid"], "unknown suite 'wlid'; did you mean 'wild'?"),
        (["leaderboard", "--runs", "/nowhere"], "no folder /nowhere/cells"),
        (["leaderboard", "--replace"], "--replace goes with --update and --runs"),
        (["leaderboard", "--replace", "--update", "README.md"], "--replace removes results that a run directory does"),
        (["leaderboard", "--replace", "--check", "README.md"], "--check and --replace together; choose one"),
        (["ui", "--output", "/nowhere"], "no /nowhere/mlflow.db to show"),
    ],
)
def test_mistakes_are_one_line_with_status_2(command, arguments, message):
    status, _, error = command(*arguments)
    assert status == 2
    assert error.startswith("error: " + message)
    assert len(error.splitlines()) == 1


def test_a_mini_run_and_its_leaderboard(command, tmp_path):
    runs = tmp_path / "runs"
    options = ["--method", "grid", "--task", "cub_001", "--limit", "6", "--output", runs, "--device", "cpu"]
    status, out, error = command("run", *options, "--no-mlflow")
    assert status == 0, error
    assert out.startswith("profile mini: no --data-root and no KEYPOINTS_DATA_ROOT")
    board = ("leaderboard", "--suite", "wild", "--runs", runs)
    assert "(limit 6)" in command(*board, "--profile", "mini")[1]
    written = tmp_path / "rows.json"
    command(*board, "--format", "json", "--output", written)
    rows = {row["method"]: row for row in json.loads(written.read_text())}
    assert set(rows) == {"centre", "grid", "random_points"}
    expected = {"task": "cub_001", "profile": "mini", "kind": "trained", "protocol": "sk/side", "n_test": 6}
    assert expected.items() <= rows["grid"].items()


def test_a_stale_page_is_named(tmp_path, monkeypatch, capsys):
    from benchmarks.tables import pages as boards

    monkeypatch.setattr("leaderboard.readme.check", lambda path, suites, lists: ["mini:wild"])
    page = tmp_path / "README.md"
    assert boards.check_pages([page]) == 1
    renew = f"stale tables mini:wild; renew them with python -m benchmarks leaderboard --update {page}"
    assert renew in capsys.readouterr().err


@pytest.mark.parametrize("registry", [METHODS, FORMATS], ids=["methods", "formats"])
def test_list_prints_the_summaries_of_the_cards(registry):
    for name, entry in registry.entries.items():
        if not entry.owner.startswith("package "):  # a package is not imported to be listed
            assert entry.summary == registry.load(name).card.summary, name
