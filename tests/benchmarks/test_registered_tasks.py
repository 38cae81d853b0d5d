"""Tasks and suites that a package elsewhere brings, through the entry point group ``keypoint_benchmarks.tasks``."""

import json
import sys
from textwrap import dedent

import pytest

from benchmarks.cli import main
from benchmarks.errors import UserError
from benchmarks.registry import DATASETS, METHODS
from benchmarks.tasks import SUITES, TASKS, records_of_packages

RECORDS = """
    from benchmarks.tasks import Task
    from keypoint_toys import Squares
    from leaderboard.suites import Suite

    class Corners(Squares):
        def __init__(self, root=None):
            super().__init__("cube_corners", root)
            self.card = self.card.model_copy(update={"protocols": ("strict/side", "general")})

    RECORDS = [
        Task(id="corners", dataset="cube_corners", num_keypoints=3),
        Suite(name="theirs", tasks=("corners",), summary="corners of cubes"),
    ]
"""
SUITE = "from leaderboard.suites import Suite\n"


@pytest.fixture
def installed(toys, tmp_path, monkeypatch):
    """Install a package with this source; its entry point names ``RECORDS``."""

    def forget():
        records_of_packages.cache_clear()
        for registry in (METHODS, DATASETS):
            registry.__dict__.pop("entries", None)

    def install(name="their_tasks", source=RECORDS, target=""):
        folder = tmp_path / name
        info = folder / f"{name}-2.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").write_text(dedent(source))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        points = f"[keypoint_benchmarks.tasks]\n{name} = {target or f'{name}:RECORDS'}\n"
        if "Corners" in source:
            points += f"[keypoint_benchmarks.datasets]\ncube_corners = {name}:Corners\n"
        (info / "entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)
        forget()

    yield install
    forget()


@pytest.fixture
def command(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)
        monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


def test_their_suite_is_listed_described_run_and_shown(installed, command, tmp_path):
    installed()
    assert (
        "corners  " in command("list", "tasks")[1] and "cube_corners, K=3, strict/side" in command("list", "tasks")[1]
    )
    assert "corners of cubes: corners" in command("list", "suites")[1]
    assert "strict/pck6" in command("describe", "corners")[1]
    folder = ["--data-root", str(tmp_path)]
    runs = str(tmp_path / "runs")
    options = ["--suite", "theirs", "--output", runs, "--no-mlflow", "--device", "cpu", *folder]
    status, out, err = command("run", "--method", "toy_colours", *options)
    assert status == 0, out + err
    (record,) = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("cells/toy_colours*/result.json")]
    assert record["suites"] == ["theirs"]
    # The card names one protocol and the general set, which has it too; boxes are not annotated.
    assert [score["protocol"] for score in record["scores"]] == [
        *("strict/side", "strict/side_micro", "strict/relative", "strict/pck6"),
        *("label_free/equivariance", "label_free/closest_pair", "label_free/collapsed"),
    ]
    status, out, _ = command("leaderboard", "--suite", "theirs", "--runs", runs, *folder)
    assert status == 0
    assert "### theirs (paper profile)" in out and "| Toy colours" in out
    assert (tmp_path / "runs" / "leaderboard" / "theirs.paper.md").exists()


def test_a_name_that_two_register_is_an_error_naming_both(installed):
    installed()
    installed("more_tasks", f"{SUITE}RECORDS = [Suite(name='theirs', tasks=('cub_001',))]")
    with pytest.raises(UserError, match="suite 'theirs' is registered twice, by package more_tasks 2.0 and by package"):
        list(SUITES)
    assert SUITES["wild"].tasks[0] == "celeba_wild_k4"  # the repository's own names need no package


def test_a_name_of_the_repository_is_taken(installed):
    source = "from benchmarks.tasks import Task\nRECORDS = [Task(id='cub_001', dataset='toy_squares', num_keypoints=3)]"
    installed(source=source)
    with pytest.raises(UserError, match=r"registered twice, by benchmarks/tasks/catalogue.py and by package"):
        list(TASKS)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("RECORDS = 3", "expected a list of benchmarks.tasks.Task and Suite records"),
        (f"{SUITE}RECORDS = [Suite(name='x', tasks=('nowhere',))]", "suite 'x' of .* has the unknown task 'nowhere'"),
    ],
)
def test_an_entry_point_that_is_no_list_of_records_is_refused(installed, source, message):
    installed(source=source)
    with pytest.raises(UserError, match=message):
        list(SUITES)


def test_a_package_that_cannot_be_imported_harms_nobody_else(installed, capsys):
    installed(source="raise ImportError('no such library')")
    assert "wild" in list(SUITES)
    assert "warning: task 'their_tasks' cannot be loaded" in capsys.readouterr().err
