"""The training loop of a stage: budget, updates, progress and checkpoints."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.errors import UserError
from benchmarks.pretrain.drawings import RandomSource
from benchmarks.pretrain.weights import Weights
from leaderboard.files import replacing

Say = Callable[[str], None]


@dataclass(frozen=True)
class Budget:
    """Limits on updates and minutes; training ends with the first. Raises UserError without a limit or for one <= 0."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise UserError("training has no budget: give steps, minutes or both")
        for name, value in (("steps", self.steps), ("minutes", self.minutes)):
            if value is not None and value <= 0:
                raise UserError(f"the training's budget has {name} {value}, expected more than 0")

    def used(self, step: int, seconds: float) -> float:
        """Share of the budget used by ``step`` updates in ``seconds``; training ends at 1."""
        of_steps = step / self.steps if self.steps is not None else 0.0
        of_time = seconds / (60 * self.minutes) if self.minutes is not None else 0.0
        return max(of_steps, of_time)


@dataclass(frozen=True)
class Stage:
    """One model to train.

    ``loss()`` samples ``batch`` drawings and returns their loss. ``rate(step, share)`` is the learning rate at a step
    and a used share of the budget. ``averaging`` is the largest decay of the running averages of the weights; at 0 the
    averages are the newest weights.
    """

    name: str
    weights: Weights
    loss: Callable[[], Tensor]
    batch: int
    budget: Budget
    rate: Callable[[int, float], float]
    averaging: float


class Update:
    """One update of a stage. With ``graph`` it is recorded as a CUDA graph after some updates, and then replayed.

    A graph launches all kernels of an update at once; launching them one by one takes a CPU longer than a GPU needs to
    run them. If the recording fails, the reason is printed and updates continue without a graph.
    """

    WARM_UP = 5

    def __init__(self, stage: Stage, random: RandomSource, graph: bool, say: Say) -> None:
        self.stage, self.random, self.say = stage, random, say
        self.total = torch.zeros((), device=random.device)  # sum of losses since the last report
        self.wanted, self.done = graph and random.device.type == "cuda", 0
        self.side = torch.cuda.Stream(random.device) if self.wanted else None
        self.graph: Any = None

    def __call__(self) -> None:
        if self.wanted and self.graph is None and self.done >= self.WARM_UP:
            self._record()
        if self.graph is not None:
            self.graph.replay()
        elif self.side is not None:
            self.side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.side):
                self._plain()
            torch.cuda.current_stream().wait_stream(self.side)
        else:
            self._plain()
        self.done += 1

    def _plain(self) -> None:
        """One update, kernel by kernel."""
        self.stage.weights.drop_gradients()
        loss = self.stage.loss()
        loss.backward()
        self.stage.weights.step()
        self.total += loss.detach()

    def _record(self) -> None:
        """Record an update as a CUDA graph, once."""
        self.wanted = False
        state = self.random.generator.get_state()
        try:
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self.random.generator)
            with torch.cuda.graph(graph, stream=self.side):
                self._plain()
        except RuntimeError as error:
            self.say(f"{self.stage.name}: no CUDA graph, kernels are launched one by one ({error})")
            self.random.restart(state)
        else:
            self.graph = graph


class Loop:
    """Runs a stage to the end of its budget, from its checkpoint ``<name>.pt`` in ``folder`` if there is one.

    Every ``report_every`` updates or ten seconds it waits for the device, and writes the mean loss since the last
    report to ``loss.csv``. ``signature`` holds the settings that a checkpoint must share. Raises UserError if a
    checkpoint has other settings, or if the loss is not finite.
    """

    SECONDS_BETWEEN_REPORTS = 10.0

    def __init__(
        self,
        stage: Stage,
        random: RandomSource,
        folder: Path,
        say: Say,
        signature: dict[str, Any],
        graph: bool = True,
        report_every: int = 25,
        save_seconds: float = 120.0,
    ) -> None:
        self.stage, self.random, self.say, self.signature = stage, random, say, signature
        self.report_every, self.save_seconds = report_every, save_seconds
        self.update = Update(stage, random, graph, say)
        self.path, self.table = folder / f"{stage.name}.pt", folder / "loss.csv"
        self.step = self.reported_step = self.saved_step = 0
        self.earlier_seconds = 0.0
        self.started = self.reported = self.saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training, including those before an interruption."""
        return self.earlier_seconds + time.monotonic() - self.started

    def run(self, on_save: Callable[[int, float], None] = lambda step, seconds: None) -> None:
        """Train to the end; call ``on_save(updates, seconds)`` after every checkpoint and at the end."""
        self._resume()
        stage = self.stage
        while (share := stage.budget.used(self.step, self.seconds)) < 1:
            keep = min(stage.averaging, (self.step + 2) / (self.step + 11))
            stage.weights.schedule(stage.rate(self.step, share), 1 - keep)
            self.update()
            self.step += 1
            now = time.monotonic()
            if (
                self.step - self.reported_step >= self.report_every
                or now - self.reported >= self.SECONDS_BETWEEN_REPORTS
            ):
                self._report()
            if now - self.saved >= self.save_seconds:
                self._save()
                on_save(self.step, self.seconds)
        if self.step > self.saved_step:
            self._save()
        on_save(self.step, self.seconds)

    def _report(self) -> None:
        """Write the mean loss since the last report, and print it with speed and remaining time."""
        stage, count = self.stage, self.step - self.reported_step
        loss = float(self.update.total) / count
        if not math.isfinite(loss):
            raise UserError(
                f"{stage.name}: the loss became {loss} at update {self.step}, expected a finite number; lower "
                "--learning-rate and train in another --output, or delete the checkpoints"
            )
        self.update.total.zero_()
        now = time.monotonic()
        rate, share = count / max(now - self.reported, 1e-9), stage.budget.used(self.step, self.seconds)
        left = [(stage.budget.steps - self.step) / rate] if stage.budget.steps is not None else []
        left += [60 * stage.budget.minutes - self.seconds] if stage.budget.minutes is not None else []
        self.say(
            f"{stage.name}: {self.step} updates, {min(share, 1):.0%}, loss {loss:.4f}, "
            f"{rate * stage.batch:.1f} images/s, {max(min(left), 0) / 60:.1f} min left"
        )
        new = not self.table.exists()
        with self.table.open("a", newline="") as file:
            csv.writer(file).writerows([["stage", "step", "loss"]] * new + [[stage.name, self.step, f"{loss:.5f}"]])
        self.reported, self.reported_step = time.monotonic(), self.step

    def _save(self) -> None:
        if self.step > self.reported_step:
            self._report()
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "signature": self.signature,
            "weights": self.stage.weights.state(),
            "generator": self.random.generator.get_state(),
        }
        with replacing(self.path) as partial:
            torch.save(state, partial)
        self.saved, self.saved_step = time.monotonic(), self.step

    def _resume(self) -> None:
        if self.path.exists():
            state = torch.load(self.path, weights_only=True, map_location=self.random.device)
            for name, value in self.signature.items():
                if state["signature"].get(name) != value:
                    raise UserError(
                        f"{self.path} was trained with {name} {state['signature'].get(name)}, got {value}; "
                        "give the same settings or another --output"
                    )
            self.stage.weights.load(state["weights"])
            self.random.restart(state["generator"])
            self.step = self.reported_step = self.saved_step = state["step"]
            self.earlier_seconds = state["seconds"]
            self.say(f"{self.stage.name}: continues after {self.step} updates")
        self._drop_later_rows()
        self.started = self.reported = self.saved = time.monotonic()

    def _drop_later_rows(self) -> None:
        """Remove from loss.csv the updates after the checkpoint, which are repeated."""
        if self.table.exists():
            with self.table.open(newline="") as file:
                rows = [row for row in csv.reader(file) if row[0] != self.stage.name or int(row[1]) <= self.step]
            with self.table.open("w", newline="") as file:
                csv.writer(file).writerows(rows)
