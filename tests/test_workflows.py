"""GitHub's workflows: they do what .ci/run and the README say, with no more rights than that takes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI, LEADERBOARD = (ROOT / ".github" / "workflows" / name for name in ("ci.yml", "leaderboard.yml"))
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path):
    return yaml.safe_load(path.read_text())


def steps(path):
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def commands(path):
    """What a workflow runs, installation aside."""
    return [step["run"].strip() for step in steps(path) if "run" in step and " pip install " not in step["run"]]


def commands_of_ci_run():
    """The checks of .ci/run, one a line; the tests are those that the README runs."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    (readme,) = re.findall(r"^python3 .* && \.venv/bin/(.* -m pytest)$", (ROOT / "README.md").read_text(), re.M)
    checks = [line for line in lines if re.match(r"(ruff|mypy|eval|python -m benchmarks)\b", line)]
    return [readme if line.startswith("eval") else line for line in checks]


def test_ci_runs_what_the_maintainers_run():
    assert sorted(commands(CI)) == sorted(commands_of_ci_run())
    assert {"python -m pytest", "mypy", "python -m benchmarks regress"} <= set(commands(CI))


@every_workflow
def test_rights_are_the_least_and_nothing_runs_for_ever(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] <= 90
    assert "secrets." not in path.read_text()
    for step in steps(path):
        assert "${{" not in step.get("run", ""), "an expression in a script can be made to run a stranger's text"
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_actions_are_github_s_own_and_pinned_to_a_commit_with_its_version(path):
    lines = [line.split("uses:")[1].strip() for line in path.read_text().splitlines() if "uses:" in line]
    assert len(lines) == sum("uses" in step for step in steps(path)) > 0
    for line in lines:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.slow
def test_the_tables_that_are_published_are_those_of_the_committed_results(tmp_path):
    (script,) = [command for command in commands(LEADERBOARD) if "--output" in command]
    summary = tmp_path / "summary.md"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(summary)}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (upload,) = [step["with"] for step in steps(LEADERBOARD) if "upload-artifact" in step.get("uses", "")]
    folder = Path(upload["path"].replace("${{ runner.temp }}", str(tmp_path)))
    names = {f"{profile}.{format}" for profile in ("mini", "paper") for format in ("md", "csv", "json")}
    assert {file.name for file in folder.iterdir()} == names
    assert "| Stable Keypoints " in (folder / "mini.md").read_text()
    assert summary.read_text() == "".join((folder / f"{profile}.md").read_text() for profile in ("mini", "paper"))
