"""Commands that are killed (SIGKILL) at a chosen change of a file, and whether the next command ends as it should.

``python -m tests.benchmarks.records.killing --kills 40`` kills ``run`` (of Stable Keypoints on the mini model and of a
toy), ``import`` with the run of what it imported, ``mirror`` and ``leaderboard --update``, at places that are spread
over all their changes of files, repeats each command, and prints the counts. Run it in the root of a checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

PHASES = ("run", "toy", "import", "imported", "mirror", "update")
ROOT = Path(__file__).resolve().parents[3]
# Counts the changes of files below argv[2] and kills the process before number argv[1]; 0 lists them in argv[3].
PROGRAM = """
import atexit, os, signal, sys
from pathlib import Path
due, below, log, plugins = int(sys.argv[1]), os.path.realpath(sys.argv[2]), sys.argv[3], sys.argv[4]
sys.argv[1:] = sys.argv[5:]
seen = []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.utime"}
def note(event, arguments):
    if event == "open":
        if not arguments[2] & WRITES:
            return
    elif event not in CHANGES:
        return
    try:
        path = os.path.abspath(os.fsdecode(arguments[0]))
    except TypeError:
        return
    inside = event in ("os.remove", "os.rmdir") and arguments[-1] not in (-1, None)  # of a folder that is removed
    if not inside and not path.startswith(below):
        return
    seen.append(f"{event} {path[len(below):]}")
    if len(seen) == due:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(note)
if not due:
    atexit.register(lambda: Path(log).write_text("\\n".join(seen)))
if plugins:
    sys.path.insert(0, plugins)
    import keypoint_toys
    from benchmarks.tasks import TASKS
    TASKS.update({task.id: task for task in keypoint_toys.tasks()})
from benchmarks.cli import main
main()
"""


@dataclass
class Command:
    """A command of the benchmark, and the folder ``below`` which the changes of files count."""

    arguments: Sequence[str]
    below: Path
    plugins: str = ""
    cwd: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, kill_at: int = 0, log: Path | str = os.devnull) -> int:
        """The exit status; -9 if it was killed."""
        command = [sys.executable, "-c", PROGRAM, str(kill_at), str(self.below), str(log), self.plugins]
        done = subprocess.run(
            [*command, *self.arguments],
            cwd=self.cwd,
            env=os.environ | dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, -9):
            print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return done.returncode

    def changes(self) -> list[str]:
        """Run it whole; its changes of files in order."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log")
            status = self.run(0, log)
            if status:
                raise RuntimeError(f"exit status {status} of {' '.join(self.arguments)}")
            return log.read_text().splitlines()


def kept(output: Path) -> dict[str, object]:
    """What a run directory keeps, by path: bytes, and of records all but provenance, seconds and memory."""
    found: dict[str, object] = {}
    for folder in ("cells", "fits", "imports"):
        for path in sorted((output / folder).rglob("*")):
            if path.name == "result.json":
                record = json.loads(path.read_text())
                found[str(path.relative_to(output))] = {
                    name: value
                    for name, value in record.items()
                    if name not in ("provenance", "seconds", "peak_memory_mb", "digest")
                }
            elif path.is_file() and path.name != "fit.json":
                found[str(path.relative_to(output))] = path.read_bytes()
            else:
                found[str(path.relative_to(output))] = None
    return found


def leftovers(output: Path) -> list[str]:
    """What no finished run directory has: unfinished work and temporary files."""
    found = [*output.glob("staging/*"), *output.glob("partial"), *output.glob("fits/*.partial")]
    found += [path for path in output.rglob(".*") if path.name.endswith((".partial", ".old"))]
    return sorted(str(path.relative_to(output)) for path in found)


def spread(total: int, count: int) -> list[int]:
    """At most ``count`` numbers from 1 to ``total``, evenly spaced, the last one first."""
    return sorted({round(1 + (total - 1) * each / max(count - 1, 1)) for each in range(count)}, reverse=True)


@dataclass
class Count:
    """The outcome of kills."""

    killed: int = 0
    unequal: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def note(self, what: str, status: int, equal: bool, left: list[str]) -> None:
        """Count a kill and the command after it, and print a line."""
        self.killed += 1
        print(f"{what}: exit status {status}, {'equal' if equal else 'UNEQUAL'}, {len(left)} left", flush=True)
        self.stuck += [f"{what}: exit status {status}"] if status else []
        self.unequal += [] if equal else [what]
        self.left += [f"{what}: {' '.join(left)}"] if left else []


def kill_runs(name: str, commands: Sequence[Command], output: Path, kills: int, count: Count) -> None:
    """Kill the last command of several that write to ``output``, over and over in a new folder, and call it again."""
    for command in commands[:-1]:
        command.run()
    before = output.with_name(f"{output.name}.before")
    if output.exists():
        shutil.copytree(output, before, dirs_exist_ok=True)
    changes = commands[-1].changes()
    expected = kept(output)
    for number in spread(len(changes), kills):
        shutil.rmtree(output)
        if before.exists():
            shutil.copytree(before, output)
        what = f"{name} {number}/{len(changes)} {changes[number - 1]}"
        if commands[-1].run(number) != -9:
            print(f"{what}: ended before", file=sys.stderr)
            continue
        status = commands[-1].run()
        count.note(what, status, kept(output) == expected, leftovers(output))


def kill_updates(folder: Path, runs: Path, kills: int, count: Count) -> None:
    """Kill ``leaderboard --update`` in copies of the checkout, and call it again."""
    tree = folder / "tree"

    def fresh() -> Command:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "runs", "shared", "__pycache__"))
        options = ["leaderboard", "--update", "README.md", "--update", "docs", "--runs", str(runs), "--profile", "mini"]
        return Command(options, tree, cwd=tree, environment={"PYTHONDONTWRITEBYTECODE": "1"})

    def texts() -> dict[str, bytes]:
        files = [*tree.glob("*.md"), *tree.glob("docs/*"), *tree.glob("leaderboard/results/*")]
        return {str(path): path.read_bytes() for path in files if path.is_file()}

    changes = fresh().changes()
    expected = texts()
    for number in spread(len(changes), kills):
        command = fresh()
        what = f"update {number}/{len(changes)} {changes[number - 1]}"
        if command.run(number) != -9:
            continue
        status = command.run()
        count.note(what, status, texts() == expected, leftovers(tree))


def to_import(output: Path, path: Path) -> None:
    """Write the keypoints of a run's baseline as a file in the neutral format."""
    parts = [pq.read_table(part) for part in sorted(output.glob("cells/grid--*/predictions_*.parquet"))]
    pq.write_table(pa.concat_tables(parts), path)


def toy_run(root: Path, output: Path, *options: str) -> Command:
    """``run`` of the toy method and a baseline on a toy task."""
    fixed = ["--task", "toy", "--data-root", str(root), "--device", "cpu", "--no-mlflow", "--no-floors"]
    arguments = ["run", "--method", "toy_colours", "--method", "grid", *fixed, "--output", str(output), *options]
    return Command(arguments, output, str(ROOT / "tests" / "plugins"))


def kill_phase(phase: str, folder: Path, kills: int, count: Count) -> None:
    """Kill the commands of one phase, in a folder of its own."""
    output = folder / "runs"
    of_task = ["--profile", "mini", "--task", "cub_001", "--output", str(output)]
    run = ["run", *of_task, "--device", "cpu", "--no-mlflow"]
    grid = Command([*run, "--method", "grid"], output)
    if phase == "run":
        small = ["--limit", "4", "--method", "stable_keypoints", "--set", "stable_keypoints.steps=4"]
        small += ["--set", "stable_keypoints.checkpoint_every=1", "--set", "stable_keypoints.selection_images=2"]
        kill_runs(phase, [Command([*run, *small, "--no-floors"], output)], output, kills, count)
    elif phase == "toy":
        kill_runs(phase, [toy_run(folder, output)], output, kills, count)
    elif phase == "mirror":
        kill_runs(phase, [grid, Command(["mirror", "--output", str(output)], output)], output, kills, count)
    elif phase == "update":
        grid.run()
        kill_updates(folder, output, kills, count)
    else:
        grid.run()
        to_import(output, folder / "mine.parquet")
        shutil.rmtree(output)
        take = Command(["import", "neutral", str(folder / "mine.parquet"), "--method", "Mine", *of_task], output)
        mine = Command([*run, "--method", f"imported:{output / 'imports' / 'mine'}"], output)
        kill_runs(phase, [take] if phase == "import" else [take, mine], output, kills, count)


def main(
    kills: Annotated[int, typer.Option(help="Kills in all.")] = 40,
    only: Annotated[list[str] | None, typer.Option(help=f"Phase, one of {', '.join(PHASES)}; repeatable.")] = None,
) -> None:
    """Kill commands and print how many of the next ones ended unequal, stuck or with something left."""
    count = Count()
    for phase in only or PHASES:
        with tempfile.TemporaryDirectory() as folder:
            kill_phase(phase, Path(folder), -(-kills // len(only or PHASES)), count)
    print(f"{count.killed} kills: {len(count.unequal)} unequal, {len(count.stuck)} stuck, {len(count.left)} left over")
    for line in [*count.unequal, *count.stuck, *count.left]:
        print(line)
    raise typer.Exit(1 if count.unequal or count.stuck or count.left else 0)


if __name__ == "__main__":
    typer.run(main)
