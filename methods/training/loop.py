"""The training loop: steps of an optimiser over images in a seeded order, reported and resumable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import ImageBatch, ImageStream, MethodCard, MethodError, Report
from methods.checkpoints import CheckpointFile, Stop, deferred_signals
from methods.draws import generator, image_order
from methods.prefetch import loaded_ahead

# On a GPU the losses are read every so many steps, since each reading waits for the GPU to finish.
STEPS_BETWEEN_READINGS = 10

# Advice for numbers that are not finite: the learning rate has no effect before the first update.
AT_FIRST = "nothing is learned yet: check the images and the weights that it starts from for NaN"
AT_LATER = "lower learning_rate"
IN_HALF = ", or set dtype to float32"  # half precision overflows sooner


@contextmanager
def seeded(device: str, *key: str | int) -> Iterator[None]:
    """Seed torch's global generators by a key, and restore their state afterwards."""
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(int(generator(*key).integers(2**62)))
        yield


def rate(step: int, steps: int, warmup: int, schedule: str) -> float:
    """Learning rate of a step (from 0) as a share of the configured one.

    ``schedule`` is 'constant', 'cosine', or 'thirds', a tenth of the rate after each third of the steps.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "thirds":
        return float(0.1 ** (3 * step // steps))
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def is_reading_due(step: int, device: torch.device | str) -> bool:
    """Whether to read the losses after so many steps: after each on the CPU, more rarely on a GPU."""
    return torch.device(device).type == "cpu" or step % STEPS_BETWEEN_READINGS == 0


def record_steps(
    history: list[list[float]],
    steps: Iterable[list[float]],
    names: Sequence[str],
    method: str,
    total: int,
    report: Report | None,
    dtype: str = "float32",
) -> None:
    """Append the scalars of steps to ``history`` and report them; the first of ``names`` is the loss.

    Raises MethodError where a loss is not finite, with a cure for its cause by the step and the ``dtype`` of the model.
    """
    for scalars in steps:
        done = len(history) + 1
        if not math.isfinite(scalars[0]):
            cure = (AT_FIRST if done == 1 else AT_LATER) + IN_HALF * dtype.endswith("16")
            raise MethodError(f"{method}: the loss is {scalars[0]} at step {done}; {cure}")
        history.append(scalars)
        if report is not None:
            report(done, total, **dict(zip(names, scalars, strict=True)))


class Trainable(Protocol):
    """The part of a trained method (``methods.training.base``) that the loop uses; its config is a TrainedConfig."""

    card: ClassVar[MethodCard]
    config: Any
    device: str

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer: ...

    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]: ...


class TrainingLoop:
    """Trains ``network`` in place, from the first step or a checkpoint to the last step."""

    def __init__(
        self,
        method: Trainable,
        network: nn.Module,
        images: ImageStream,
        seed: int,
        report: Report,
        checkpoint: CheckpointFile | None,
    ) -> None:
        self.method, self.network, self.images, self.seed = method, network.train(), images, seed
        self.config, self.report, self.checkpoint, self.stop = method.config, report, checkpoint, Stop()
        self.optimiser = method.optimiser(network)
        self.base_rates = [float(group["lr"]) for group in self.optimiser.param_groups]
        self.step = 0
        self.names: list[str] = []
        self.history: list[list[float]] = []
        self._unread: list[Tensor] = []

    def run(self) -> None:
        """Take all steps that are left; when a signal asks to stop, leave a checkpoint.

        Raises MethodError where the loss is not finite or a checkpoint cannot be written.
        """
        config = self.config
        self._resume()
        order = image_order(self.seed, "fit", len(self.images), config.steps * config.batch_size)
        rows = order.reshape(config.steps, config.batch_size)[self.step :]
        with deferred_signals(active=self.checkpoint is not None) as self.stop:
            for batch in loaded_ahead(self.images, rows.tolist()):
                with seeded(self.method.device, self.seed, "step", self.step):
                    self._learn(batch.result())
                self.step += 1
                self._read_and_keep()

    def _learn(self, batch: ImageBatch) -> None:
        """One step of the optimiser."""
        config = self.config
        for group, base in zip(self.optimiser.param_groups, self.base_rates, strict=True):
            group["lr"] = base * rate(self.step, config.steps, config.warmup, config.schedule)
        pixels = torch.tensor(batch.pixels).to(self.method.device)
        self.optimiser.zero_grad(set_to_none=True)
        losses = self.method.losses(self.network, batch, pixels, generator(self.seed, "draws", self.step))
        losses["loss"].backward()
        if config.clip_gradient:
            nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_gradient)
        self.optimiser.step()
        self.names = self.names or sorted(losses, key=lambda name: (name != "loss", name))
        self._unread.append(torch.stack([losses[name].detach().double() for name in self.names]))

    def _read_and_keep(self) -> None:
        """Report unread losses, write a checkpoint where one is due, and stop if a signal asked for it."""
        every = self.config.checkpoint_every
        told = self.stop.number is not None
        due = bool(every) and self.step % every == 0
        last = self.step == self.config.steps
        if not (due or told or last or is_reading_due(self.step, self.method.device)):
            return
        rows = torch.stack(self._unread).cpu().tolist()
        self._unread.clear()
        self._record(rows)
        if self.checkpoint and (due or told):
            self.checkpoint.write_tensors(self._tensors())
        elif self.checkpoint and last:
            with suppress(MethodError):  # what was learned can still be saved
                self.checkpoint.write_tensors(self._tensors())
        if told:
            self.stop.obey()

    def _record(self, rows: list[list[float]]) -> None:
        record_steps(self.history, rows, self.names, self.method.card.id, self.config.steps, self.report)

    def _tensors(self) -> dict[str, Tensor]:
        """Network, optimiser and losses so far as tensors by name; the losses' names as the bytes of their text."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser.{index}.{name}"] = value
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        tensors["names"] = torch.tensor(list("\n".join(self.names).encode()), dtype=torch.uint8)
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def _resume(self) -> None:
        """Restore network, optimiser and losses from the checkpoint, if it is whole and of this fit."""
        tensors = self.checkpoint.read_tensors() if self.checkpoint else None
        if self.checkpoint is None or tensors is None:
            return
        network = {name[len("network.") :]: value for name, value in tensors.items() if name.startswith("network.")}
        if network.keys() != self.network.state_dict().keys() or not {"history", "names"} <= tensors.keys():
            self.checkpoint.refuse("other tensors than expected")
            return
        self.network.load_state_dict(network)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, index, entry = name.split(".", 2)
                state.setdefault(int(index), {})[entry] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.names = bytes(tensors["names"].tolist()).decode().split("\n")
        self.step = len(tensors["history"])
        self._record(tensors["history"].tolist())
