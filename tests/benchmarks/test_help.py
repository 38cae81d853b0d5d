"""Help, version and completion: what a new user types first."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchmarks import cli, completion
from benchmarks.pretrain.__main__ import app as pretrain
from benchmarks.scaling.__main__ import app as scaling
from benchmarks.speed.__main__ import app as speed
from metrics.protocols import FAMILIES, PROTOCOLS, RECOMMENDED
from tests.test_documents import check

PROGRAMS = {
    "benchmarks": cli.app,
    "benchmarks.pretrain": pretrain,
    "benchmarks.speed": speed,
    "benchmarks.scaling": scaling,
}


def commands():
    """Program and words of every command, groups included."""
    waiting: list[tuple[str, tuple[str, ...], Any]] = [
        (name, (), typer.main.get_command(app)) for name, app in PROGRAMS.items()
    ]
    while waiting:
        program, words, command = waiting.pop()
        yield program, words
        waiting += [(program, (*words, name), each) for name, each in getattr(command, "commands", {}).items()]


every_command = pytest.mark.parametrize(
    ("program", "words"), list(commands()), ids=lambda each: each if isinstance(each, str) else "-".join(each)
)


def help_of(program, words):
    done = CliRunner().invoke(PROGRAMS[program], [*words, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert done.exit_code == 0
    return done.output


@every_command
def test_help_fits_a_terminal_and_is_plain(program, words, repository):
    text = help_of(program, words)
    assert max(map(len, text.splitlines())) <= 80
    assert "``" not in text and str(repository) not in text
    assert not re.search(r"^  .*\.\.\.$", text.partition("Example")[0], re.M), "a summary is cut"


@every_command
def test_help_ends_with_examples_that_can_be_typed(program, words):
    text = help_of(program, words).partition("Example")[2]
    examples = re.findall(r"^ +(python -m .*)$", text.replace("\\\n", ""), re.M)
    assert examples
    for example in examples:
        assert example.startswith(" ".join(["python -m", program, *words]))
        if "COMMAND" not in example:
            check(shlex.split(example.replace("my_method", "own_method").replace(" --data-root /data", "")))


def test_commands_stand_under_headings():
    text = help_of("benchmarks", ())
    named = [name for name in cli.app.registered_commands if f"\n  {name.name} " in text]
    assert len(named) == len(cli.app.registered_commands) >= 13
    assert text.index("Make and show results:") < text.index("\n  leaderboard ") < text.index("Look up:")


def test_version(command):
    status, out, _ = command("--version")
    assert status == 0
    assert re.fullmatch(r"keypoint-benchmarks \S+( \(commit [0-9a-f]{8}(, with uncommitted changes)?\))?\n", out)


def complete(shell, words, repository):
    """What a shell offers for the last of the words, by the script for that shell."""
    scripts = {
        "bash": 'COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _benchmarks_completion "$1"; echo "${COMPREPLY[*]}"',
        "zsh": '_arguments() { print -r -- "$@" }; _files() { :; }; words=("$@"); CURRENT=$#; _benchmarks_completion',
    }
    before = "compdef() { :; }\nfunctions[compdef]=:\n" if shell == "zsh" else ""
    code = before + completion.script(shell) + scripts[shell]
    flags = ["-f"] if shell == "zsh" else ["--norc"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMP_")}
    done = subprocess.run(
        [shell, *flags, "-c", code, shell, sys.executable, *words],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return re.findall(r"[^\s\"():*]+", done.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["-m", "benchmarks", "lead"], ["leaderboard"]),
        (["-m", "benchmarks", "run", "--method", "stable"], ["stable_keypoints"]),
        (["-m", "benchmarks", "run", "--method", "imm", "--task", "taichi_"], ["taichi_to_human36m_unaligned"]),
        (["-m", "pytest", "te"], []),
    ],
)
def test_shells_complete_commands_options_and_names(shell, words, offered, repository):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    assert complete(shell, words, repository)[:1] == offered  # zsh shows the help of a command after it


def test_protocols_are_completed_by_families_too():
    assert completion.protocols("strict")[:2] == ["strict", "strict/interocular"]
    assert completion.profiles("p") == ["paper"]
    assert completion.datasets("coco") == ["coco:"]


def test_families_hold_every_protocol_once():
    assert sorted(each.id for family in FAMILIES.values() for each in family.protocols) == sorted(PROTOCOLS)
    assert set(FAMILIES) == {protocol.family for protocol in PROTOCOLS.values()}
    assert {PROTOCOLS[name].family for name in RECOMMENDED} == {"strict"}
