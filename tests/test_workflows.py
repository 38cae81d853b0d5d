"""GitHub's workflows: they do what .ci/run and the README say, with no more rights than that takes."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI, LEADERBOARD, SUBMISSION, COMMENT = (
    ROOT / ".github" / "workflows" / name
    for name in ("ci.yml", "leaderboard.yml", "submission.yml", "submission-comment.yml")
)
RIGHTS = {COMMENT: {"actions": "read", "pull-requests": "write"}}  # more than reading the repository
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
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
    (readme,) = re.findall(r"^python3 .* && \.venv/bin/(.* -m pytest .*)$", (ROOT / "README.md").read_text(), re.M)
    checks = [line for line in lines if re.match(r"(ruff|mypy|eval|python -m benchmarks)\b", line)]
    return [readme if line.startswith("eval") else line for line in checks]


def test_ci_runs_what_the_maintainers_run():
    assert sorted(commands(CI)) == sorted(commands_of_ci_run())
    assert {"python -m pytest -n auto --dist worksteal", "mypy", "python -m benchmarks regress"} <= set(commands(CI))


@every_workflow
def test_rights_are_the_least_and_nothing_runs_for_ever(path):
    workflow = read(path)
    assert workflow["permissions"] == RIGHTS.get(path, {"contents": "read"})
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
    assert len(lines) == sum("uses" in step for step in steps(path))
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


def run_script(script, folder, **environment):
    """Run a step's script as GitHub does, with ``python`` of this environment and programs in ``folder / "bin"``."""
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "RUNNER_TEMP": str(folder / "temp"), **environment}
    (folder / "temp").mkdir(exist_ok=True)
    cwd = folder / environment.get("FOLDER", ".")
    return subprocess.run(["bash", "-e", "-c", script], cwd=cwd, env=variables, capture_output=True, text=True)


def test_a_submission_is_checked_with_code_of_the_base_branch_alone():
    """The pull request's files are data: nothing is installed, imported or started from their folder."""
    base, data = [step["with"] for step in steps(SUBMISSION) if step.get("uses", "").startswith("actions/checkout@")]
    assert base["ref"] == "${{ github.event.pull_request.base.sha }}" and base["path"] == "base"
    assert data["path"] == "pr" and data["sparse-checkout"] == "/submissions/"
    for step in steps(SUBMISSION):
        if "run" in step and "torch" not in step["run"]:
            assert step["working-directory"] == "base"
    assert set(read(SUBMISSION)[True]) == {"pull_request"}, "no event that has secrets or may write"
    assert "git push" not in SUBMISSION.read_text() + COMMENT.read_text()


@pytest.mark.slow
def test_only_submissions_that_differ_are_computed_and_the_comment_has_their_rows_and_mistakes(tmp_path):
    (script,) = [command for command in commands(SUBMISSION) if "benchmarks submit" in command]
    (tmp_path / "base").mkdir()
    for name in ("benchmarks", "datasets", "leaderboard", "methods", "metrics", "submissions"):
        (tmp_path / "base" / name).symlink_to(ROOT / name)
    theirs = tmp_path / "pr" / "submissions"
    shutil.copytree(ROOT / "submissions", theirs)
    example = theirs / "example_colour_centres"
    shutil.copytree(example, theirs / "mine")
    card = (example / "card.toml").read_text()
    (theirs / "mine" / "card.toml").write_text(card.replace("Example: colour centres", "Mine"))
    (theirs / "a`b $(touch x)").mkdir()
    (theirs / "benchmarks").symlink_to("/etc")
    done = run_script(script, tmp_path, FOLDER="base", BASE="0123456789")
    assert done.returncode == 1, done.stderr
    comment = (tmp_path / "temp" / "comment" / "comment.md").read_text()
    assert "with the code of 0123456." in comment
    assert "| Mine ◊ " in comment and "Example: colour centres" not in comment
    assert "../pr/submissions/a`b $(touch x) has no card.toml" in comment
    assert "../pr/submissions/benchmarks is a link" in comment
    assert comment.count("````text\n") == 3
    assert not (tmp_path / "base" / "x").exists()


def test_without_a_changed_submission_the_comment_says_so(tmp_path):
    (script,) = [command for command in commands(SUBMISSION) if "benchmarks submit" in command]
    for name in ("base", "pr"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "submissions").symlink_to(ROOT / "submissions")
    shutil.copytree(ROOT / "submissions", tmp_path / "copy")
    (tmp_path / "pr" / "submissions").unlink()
    (tmp_path / "copy").rename(tmp_path / "pr" / "submissions")
    assert run_script(script, tmp_path, FOLDER="base", BASE="0123456789").returncode == 0
    comment = (tmp_path / "temp" / "comment" / "comment.md").read_text()
    assert comment == "No submission is new or changed.\n"


FAKE_GH = """#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[1:]
with open("calls.txt", "a") as file:
    file.write(json.dumps(arguments) + "\\n")
answers = json.loads(os.environ["ANSWERS"])
if arguments[:2] == ["pr", "comment"]:
    with open(arguments[arguments.index("--body-file") + 1]) as file:
        print(file.read())
    sys.exit("--edit-last" in arguments and not answers["commented"])
(address,) = [argument for argument in arguments if argument.startswith("repos/")]
if address.endswith("/zip"):
    sys.stdout.buffer.write(open("made.zip", "rb").read())
else:
    print("\\n".join(answers[address.rpartition("/")[2]]))
"""


@pytest.mark.parametrize("commented", [False, True])
@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({}, "the rows"),
        ({"files": ["submissions/a/card.toml", ".github/workflows/x.yml"]}, "changes files outside submissions/"),
        ({"files": ["submissions_of_mine/a"]}, "changes files outside submissions/"),
        ({"files": []}, "changes files outside submissions/"),
        ({"pulls": []}, None),
    ],
)
def test_the_comment_is_posted_unless_the_pull_request_could_have_changed_the_check(tmp_path, answers, says, commented):
    (script,) = commands(COMMENT)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../escaped.md", "no")
        file.writestr("comment.md", "the rows")
    (tmp_path / "made.zip").write_bytes(archive.getvalue())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(FAKE_GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    found = {
        "pulls": ["7"],
        "files": ["submissions/a/card.toml"],
        "artifacts": ["12"],
        "commented": commented,
    } | answers
    environment = {"GH_REPO": "o/r", "RUN": "3", "HEAD": "abc", "OWNER": "me", "BRANCH": "$(touch x)"}
    done = run_script(script, tmp_path, ANSWERS=json.dumps(found | answers), **environment)
    assert done.returncode == 0, done.stderr
    calls = [json.loads(line) for line in (tmp_path / "calls.txt").read_text().splitlines()]
    posted = [call for call in calls if call[:2] == ["pr", "comment"]]
    if says is None:
        assert posted == []
    else:
        assert len(posted) == (1 if commented else 2) and all(call[2] == "7" for call in posted)
        assert says in (tmp_path / "comment.md").read_text()
    assert "head=me:$(touch x)" in calls[0]
    assert not (tmp_path / "x").exists() and not list(tmp_path.parent.rglob("escaped.md"))


def test_the_comment_workflow_uses_no_action_and_checks_nothing_out():
    assert all(set(step) == {"name", "run"} for step in steps(COMMENT))
    assert read(COMMENT)[True]["workflow_run"]["workflows"] == [read(SUBMISSION)["name"]]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_the_forms_are_as_github_wants_them(path):
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    names = [field["id"] for field in fields]
    assert len(set(names)) == len(names) >= 4
    assert all(field["attributes"]["label"] for field in fields)
    assert {field["type"] for field in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert any(field.get("validations", {}).get("required") for field in fields)
