"""The workers of a Ray cluster: one actor each, which is never restarted or retried by Ray itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.errors import first_line
from benchmarks.run.cluster.messages import About, Answer, Ended, Event, Job, Look, Lost, Ready, Setup
from benchmarks.run.cluster.nodes import Needs
from benchmarks.run.cluster.start import nodes_of

CONTROL = "control"  # concurrency group of the calls that come while a unit runs


class RayPool:
    """A pool of ``workers`` actors."""

    def __init__(self, ray: Any, setup: Setup, needs: Needs, workers: int) -> None:
        self._ray = ray
        self._setup = setup.model_dump_json()
        self._needs = needs
        options = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "max_restarts": 0, "max_task_retries": 0}
        self._class = ray.remote(concurrency_groups={CONTROL: 1}, **options)(_actor_class())
        self._actors: dict[str, Any] = {}
        self._calls: dict[Any, str] = {}
        self._busy: set[str] = set()
        self._asked: dict[str, Any] = {}
        self._looks: dict[str, Look] = {}
        self._number = 0
        for _ in range(workers):
            self.add()

    def give(self, worker: str, job: Job) -> None:
        """Let a worker do a unit."""
        self._looks.pop(worker, None)
        self._busy.add(worker)
        self._calls[self._actors[worker].do.remote(job.model_dump_json())] = worker

    def events(self, seconds: float) -> list[Event]:
        """What has happened; a call whose worker has ended gives ``Lost``."""
        calls = list(self._calls)
        if not calls:
            time.sleep(seconds)
        elif self._ray.wait(calls, timeout=seconds, fetch_local=False)[0]:
            ready, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
            return [self._event(call, self._calls.pop(call)) for call in ready]
        return []

    def end(self, worker: str) -> None:
        """End a worker."""
        self._looks.pop(worker, None)
        self._asked.pop(worker, None)
        self._ray.kill(self._actors.pop(worker), no_restart=True)

    def add(self) -> None:
        """Start another worker."""
        self._number += 1
        name = str(self._number)
        self._actors[name] = self._class.remote(self._setup)
        self._calls[self._actors[name].about.remote()] = name

    def places(self) -> int:
        """The number of workers that the nodes that are alive can hold."""
        return sum(map(self._needs.places, nodes_of(self._ray)))

    def looks(self) -> Mapping[str, Look]:
        """The last answers; each busy worker is asked again once it has answered."""
        for worker in self._busy - self._asked.keys():
            self._asked[worker] = self._actors[worker].look.options(concurrency_group=CONTROL).remote()
        if self._asked:
            calls = {call: worker for worker, call in self._asked.items()}
            for call in self._ray.wait(list(calls), num_returns=len(calls), timeout=0)[0]:
                worker = calls[call]
                del self._asked[worker]
                try:
                    self._looks[worker] = Look.model_validate_json(self._ray.get(call))
                except self._ray.exceptions.RayError:  # the worker was lost, as the call of its unit says
                    self._looks.pop(worker, None)
        return self._looks

    def stop(self) -> None:
        """Raise KeyboardInterrupt in the running units."""
        for worker in self._busy:
            self._actors[worker].stop.options(concurrency_group=CONTROL).remote()

    def _event(self, call: Any, worker: str) -> Event:
        self._busy.discard(worker)
        try:
            kind, text = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self._looks.pop(worker, None)
            self._asked.pop(worker, None)
            self._actors.pop(worker, None)
            return Lost(worker, first_line(error))
        if kind == "refusal":
            return Ready(worker, About(refusal=text))
        if kind == "about":
            return Ready(worker, About.model_validate_json(text))
        return Ended(worker, Answer.model_validate_json(text))


def _actor_class() -> type:
    """The class of an actor. It is sent by value, so that a worker without this code can say so."""

    class Actor:
        def __init__(self, setup: str) -> None:
            self.host: Any = None
            self.refusal = ""
            try:
                self.begin(setup)
            except Exception as error:
                self.refusal = f"{type(error).__name__}: {error}"

        def begin(self, setup: str) -> None:
            import json
            import os
            import sys

            given = json.loads(setup)
            for name, value in given["environment"].items():  # before numpy and torch are loaded
                os.environ.pop(name, None)
                os.environ.update({} if value is None else {name: value})
            sys.path[:0] = [folder for folder in given["path"] if folder not in sys.path]
            from benchmarks.run.cluster.host import Host
            from benchmarks.run.cluster.messages import Setup

            self.host = Host(Setup.model_validate_json(setup))

        def about(self) -> tuple[str, str]:
            return ("about", self.host.about().model_dump_json()) if self.host else ("refusal", self.refusal)

        def do(self, job: str) -> tuple[str, str]:
            from benchmarks.run.cluster.messages import Job

            return "answer", self.host.do(Job.model_validate_json(job)).model_dump_json()

        def look(self) -> str:
            text: str = self.host.look().model_dump_json()
            return text

        def stop(self) -> None:
            self.host.stop()

    return Actor
