"""The table in the terminal."""

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.records.store import Store
from benchmarks.run.command import interrupted
from benchmarks.run.plan import Request
from benchmarks.run.runner import Outcome
from benchmarks.run.summary import next_steps, print_files, print_table, write_leaderboards
from benchmarks.tasks import SUITES, TASKS
from leaderboard.image_errors import CellErrors
from leaderboard.ranking import marked
from leaderboard.records import Variant
from leaderboard.tables import rows
from tests.leaderboard.synthetic import record

FLOORS = ("Image centre", "Mean pose (constant grid)", "Random points")


@pytest.mark.parametrize("settings", ["", " (model=mini)", " (upsample_queries=False)"])
def test_a_suite_with_all_floors_fits_80_columns(settings):
    labels = [*FLOORS, f"Random tokens{settings}", f"Stable Keypoints{settings}"]
    units = {"taichi": ("px@256 summed", 1134.5), "human36m_unaligned": ("px@128", 35.9)}
    records, expected = [], {}
    for task in SUITES["wild"].tasks:
        unit, value = units.get(task, ("PCK@6px %", 22.0))
        values = [value + 0.01 * index for index in range(len(labels))]
        expected[task] = [f"{each:.2f}" for each in values]
        records += [
            record(f"m{index}", task, each, method_label=label, is_floor=index < 4, score={"unit": unit})
            for index, (label, each) in enumerate(zip(labels, values, strict=True))
        ]
    text = io.StringIO()
    print_table(Console(file=text, width=80), records, SUITES["wild"].tasks, "mini")
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for task, numbers in expected.items():
        (index,) = [index for index, line in enumerate(lines) if line.split()[:1] == [task]]
        assert lines[index].split()[1:] == numbers
        assert lines[index + 1].split()[-5:] == ["±0.50"] * 5


def test_a_task_that_failed_everywhere_has_its_line():
    text = io.StringIO()
    records = [record("alpha", "cub_001", 7.0), record("alpha", "cub_002", None)]
    print_table(Console(file=text, width=80), records, SUITES["wild"].tasks, "mini")
    assert [line.split() for line in text.getvalue().splitlines() if line.startswith("cub")] == [
        ["cub_001", "(%", "side)", "↓", "7.00", "±0.50"],
        ["cub_002", "failed"],
    ]


def printed(records, **options):
    text = io.StringIO()
    print_table(Console(file=text, width=100, **options), records, SUITES["wild"].tasks, "mini")
    return text.getvalue()


RIVALS = [
    record("grid", "cub_001", 9.0),
    record("alpha", "cub_001", 7.0),
    record("theirs", "cub_001", 6.0, provenance={"kind": "scored"}),
    record("ceiling", "cub_001", 1.0, supervision="supervised"),
]


def test_supervised_and_scored_methods_are_marked_and_the_marks_explained():
    lines = printed(RIVALS).splitlines()
    heading = next(line for line in lines if line.startswith("task"))
    assert heading.split() == ["task", "Grid", "Alpha", "Theirs", "◊", "Ceiling", "¶"]
    assert next(line for line in lines if line.startswith("cub_001")).split()[-8::2] == ["9.00", "7.00", "6.00", "1.00"]
    caption = " ".join(lines)
    assert "¶ supervised: saw landmarks" in caption and "◊ scored: keypoints from elsewhere" in caption
    assert "¶" not in printed(RIVALS[:2]) and "◊" not in printed(RIVALS[:2])


def test_the_best_is_in_bold_a_supervised_or_cut_or_outdated_value_never():
    bold = re.compile(r"\x1b\[1;32m *([\d.]+)")
    cut = record("beta", "cub_001", 0.5, n_images_limit=3)
    old = record("gamma", "cub_001", 0.1, score={"protocol_version": 7})
    assert bold.findall(printed([*RIVALS, cut, old], force_terminal=True, color_system="standard")) == ["6.00"]
    assert bold.findall(printed(RIVALS[3:], force_terminal=True, color_system="standard")) == []


def test_what_cannot_be_told_from_the_best_is_bold_as_in_the_written_table():
    ids = tuple(map(str, range(40)))
    shared = np.random.default_rng(0).gamma(4, 1.0, 40)
    apart = {"alpha": 0.0, "beta": 0.01, "theirs": 3.0}
    noise = np.random.default_rng(1).normal(0, 0.3, (3, 40))
    errors = {name: shared + each + own - own.mean() for (name, each), own in zip(apart.items(), noise, strict=True)}
    records = [record(name, "cub_001", float(each.mean())) for name, each in errors.items()]

    def errors_of(found, protocol):
        return CellErrors(ids, ids, np.ones(40), errors[found.method])

    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=True, color_system="standard")
    print_table(console, records, ["cub_001"], "mini", errors_of)
    bold = re.findall(r"\x1b\[1;32m *([\d.]+)", text.getvalue())
    found = marked(rows(records, ["cub_001"], "mini", errors=errors_of))
    assert bold == [f"{row.value:.2f}" for row in found if row.best] and len(bold) == 2
    assert [(row.method, row.best, row.tied) for row in found] == [
        ("alpha", True, True),
        ("beta", True, True),
        ("theirs", False, False),
    ]
    alone = marked(rows(records, ["cub_001"], "mini"))
    assert [(row.best, row.tied) for row in alone] == [(True, False), (False, False), (False, False)]


def test_the_terminal_says_where_results_are_not_of_one_clean_commit():
    origin = {"git_sha": "1a2b3c4d", "git_dirty": False}
    clean = [record("alpha", "cub_001", 7.0, provenance=origin), record("grid", "cub_001", 9.0, provenance=origin)]
    assert "commit" not in printed(clean)
    late = record("beta", "cub_001", 6.0, provenance={"git_sha": "5d6e7f8a", "git_dirty": True})
    line = "1 of 3 results was measured with uncommitted changes; results of 2 commits: 1a2b3c4 (2), 5d6e7f8 (1)"
    assert line in printed([*clean, late]).splitlines()
    full = clean[0].model_copy(update={"method_config": {"beak": True}})
    variant = Variant(name="no beak", full={"beak": True})
    less = {"beak": False}
    ablation = record("alpha", "cub_001", 8.0, provenance=late.provenance, method_config=less, variant=variant)
    assert printed([full, ablation]).count("commit") == 2  # in one line, under the table of ablations
    assert "1 of 2 results was measured with uncommitted changes" in printed([full, ablation])


def test_one_line_for_pictures_however_many(tmp_path):
    store = Store(tmp_path)
    records = {each.cell_id: each for each in (record("alpha", "cub_001", 7.0, seed) for seed in range(3))}
    for count in range(4):
        text = io.StringIO()
        for cell in list(records)[:count]:
            (store.cells / cell).mkdir(parents=True, exist_ok=True)
            (store.cells / cell / "overlay.png").write_bytes(b"")
        print_files(Console(file=text, width=80), store, Outcome(records), [], "")
        lines = text.getvalue().splitlines()
        assert len(lines) == (count > 0)
    assert lines == [f"pictures     {store.cells}/*/overlay.png (3 of this run)"]


@pytest.mark.parametrize(
    ("done", "failed", "text"),
    [
        (0, 0, "interrupted: no cell was finished; the same command begins again"),
        (0, 2, "interrupted: no cell was finished; the same command begins again"),
        (1, 1, "interrupted: 1 finished cell is kept; run the same command again to continue"),
        (3, 0, "interrupted: 3 finished cells are kept; run the same command again to continue"),
    ],
)
def test_what_an_interrupted_run_keeps_is_said(done, failed, text):
    values = [1.0] * done + [None] * failed
    records = [record(f"m{index}", "cub_001", value) for index, value in enumerate(values)]
    assert interrupted(Outcome({each.cell_id: each for each in records}, 130)).startswith(text)


def test_pairs_have_a_leaderboard_once_a_method_has_both_of_one(tmp_path):
    store = Store(tmp_path)
    for each, complete in ((record("alpha", "cub_aligned", 4.0), False), (record("alpha", "cub_all", 6.0), True)):
        folder = store.cells / each.cell_id
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(each.model_dump_json())
        names = {path.name for path in write_leaderboards(store, [each.task], "mini")}
        assert ("misalignment.mini.md" in names) == complete
    page = (store.leaderboard / "misalignment.mini.md").read_text(encoding="utf-8")
    assert page.startswith("### misalignment (mini profile)")
    assert "×1.50" in page


def test_a_run_ends_with_commands_that_show_its_rows_beside_the_others(command, tmp_path, monkeypatch):
    output = tmp_path / "my run"
    options = ("--profile", "mini", "--task", "cub_001", "--task", "cub_002", "--no-mlflow", "--output", output)
    assert command("run", "--method", "random_points", *options)[0] == 0
    status, out, _ = command("run", "--method", "grid", "--no-floors", *options)
    assert status == 0 and "Random points" not in out
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if "python -m benchmarks" in line)
    commands = {name: shlex.split(line)[3:] for name, line in lines.items()}
    assert list(commands) == ["compare", "site"]
    status, table, _ = command(*commands["compare"])
    heading = next(line for line in table.splitlines() if line.startswith("| method"))
    assert status == 0 and "Random points" in table and heading.count("difference") == 2
    monkeypatch.chdir(tmp_path)
    assert command(*commands["site"])[0] == 0 and (tmp_path / "site" / "tasks" / "cub_002.html").exists()


def test_commands_of_a_run_name_whole_suites_and_no_task_of_them_again():
    tasks = [TASKS[name] for name in (*SUITES["wild"].tasks, "celeba_aligned")]
    request = Request([], tasks, "mini", lambda name: None, suites=["wild"])  # type: ignore[arg-type, return-value]
    compare, _ = next_steps(Path("runs"), request)
    assert compare.endswith(" leaderboard --suite wild --task celeba_aligned --profile mini --against best")
