"""A cluster of one machine: it runs the jobs that the stand-in for sbatch was given, as processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMANDS = Path(__file__).with_name("commands.py")
PYTHON = sys.executable
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Task:
    """A task of a job array, and the processes that did it so far."""

    job: dict
    index: int
    state: str = "PENDING"
    restarts: int = 0
    process: Any = None  # a Popen once it runs
    statuses: list = field(default_factory=list)

    @property
    def name(self):
        return f"{self.job['id']}_{self.index}"


class Cluster:
    """Jobs run in order of submission, at most ``nodes`` at a time.

    ``refused`` and ``timed_out`` are numbers of calls of sbatch, from 0: the first submit nothing, the second submit
    the job and yet fail. With ``requeues`` a job that ends with 143 is requeued anyway, as RequeueExit does.
    """

    def __init__(
        self, folder, nodes=3, max_array_size=1001, refused=(), timed_out=(), scheduler="", requeues=False
    ) -> None:
        self.state, self.nodes, self.requeues = folder, nodes, requeues
        self.tasks: dict[str, Task] = {}
        self.most = 0  # running at once
        for name in ("jobs", "tasks", "requeue", "bin"):
            (folder / name).mkdir(parents=True)
        config = {"MaxArraySize": max_array_size, "scheduler": scheduler}
        config |= {"refused": list(refused), "timed_out": list(timed_out)}
        (folder / "config.json").write_text(json.dumps(config))
        for name in ("sbatch", "squeue", "sacct", "scontrol"):
            program = folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{PYTHON}" -S -E "{COMMANDS}" {name} "{folder}" "$@"\n')
            program.chmod(0o755)
        self.environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}

    def call(self, *command):
        """Start a command that finds the stand-ins; gives exit status and output."""
        return subprocess.run(
            list(map(str, command)), env=self.environment, capture_output=True, text=True, check=False, cwd="/"
        )

    def run(self, watch=lambda cluster: None, seconds=200):
        """Do all jobs; ``watch`` is called again and again meanwhile. Gives the state of each task."""
        ends = time.monotonic() + seconds
        try:
            while not self._step():
                watch(self)
                assert time.monotonic() < ends, self.states()
                time.sleep(0.02)
        finally:
            for task in self._running():
                self._kill(task)
        return self.states()

    def states(self):
        return {task.name: task.state for task in self.tasks.values()}

    def terminate(self, task):
        """SIGTERM to the batch shell alone, as ``--signal=B:TERM`` sends it."""
        os.kill(task.process.pid, signal.SIGTERM)

    def cancel(self, task):
        """What scancel does: the state changes first, then the processes get SIGTERM."""
        self._set(task, "CANCELLED")
        self.terminate(task)

    def lose(self, task):
        """The node of a task fails: all its processes are gone."""
        self._kill(task)
        self._again(task)

    def _step(self):
        """Start and collect what is due; whether all tasks have ended."""
        for path in sorted((self.state / "jobs").glob("*.json")):
            job = json.loads(path.read_text())
            for index in range(job["first"], job["last"] + 1) if job else ():
                task = Task(job, index)
                if task.name not in self.tasks:
                    self.tasks[task.name] = task
                    self._set(task, "PENDING")
        for task in self._running():
            if task.process.poll() is not None:
                self._collect(task)
        for task in self.tasks.values():
            if self._is_due(task):
                self._start(task)
        self.most = max(self.most, len(self._running()))
        return all(task.state in ENDED and task.process.poll() is not None for task in self.tasks.values())

    def _running(self):
        return [task for task in self.tasks.values() if task.process and task.process.returncode is None]

    def _is_due(self, task):
        running = self._running()
        beside = sum(other.job["id"] == task.job["id"] for other in running)
        needed = [other for other in self.tasks.values() if str(other.job["id"]) in task.job["needs"]]
        free = len(running) < self.nodes and not 0 < task.job["limit"] <= beside
        return task.state == "PENDING" and free and all(other.state in ENDED for other in needed)

    def _start(self, task):
        job, output = task.job, task.job["options"]["output"]
        symbols = {"%A": str(job["id"]), "%a": str(task.index), "%%": "%"}
        log = Path(re.sub("%[Aa%]", lambda found: symbols[found[0]], output))
        known = {"SLURM_JOB_ID": str(job["id"] * 1000 + task.index), "SLURM_ARRAY_JOB_ID": str(job["id"])}
        known |= {"SLURM_ARRAY_TASK_ID": str(task.index), "SLURM_RESTART_COUNT": str(task.restarts)}
        mode = "ab" if job["options"].get("open-mode") == "append" else "wb"
        with log.open(mode) as file:  # SLURM makes no folder either
            task.process = subprocess.Popen(
                ["/bin/bash", str(self.state / "jobs" / f"{job['id']}.sh"), *job["arguments"]],
                env=self.environment | known,
                cwd="/",
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._set(task, "RUNNING")

    def _collect(self, task):
        status = task.process.returncode
        self._kill(task)
        task.statuses.append(status)
        asked = self.state / "requeue" / task.name
        if asked.exists() or (self.requeues and status == 143):
            asked.unlink(missing_ok=True)
            self._again(task)
        elif task.state == "RUNNING":
            self._set(task, "FAILED" if status else "COMPLETED")

    def _again(self, task):
        assert "requeue" in task.job["options"]
        task.restarts += 1
        self._set(task, "PENDING")

    def _kill(self, task):
        with suppress(ProcessLookupError):
            os.killpg(task.process.pid, signal.SIGKILL)
        task.process.wait()

    def _set(self, task, state):
        task.state = state
        (self.state / "tasks" / task.name).write_text(state)
