"""The loop of a trained method: steps of an optimiser over images in a seeded order, reported and resumable."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from methods.base import ImageBatch, ImageStream, MethodError, Report
from methods.checkpoints import CheckpointFile, Stop, held_back
from methods.draws import generator, image_order
from methods.prefetch import loaded_ahead

if TYPE_CHECKING:
    from methods.training.base import TrainedConfig, TrainedMethod

LOOK_EVERY = 10  # steps on a GPU between looks at the losses, each of which waits until it is done


@contextmanager
def seeded(device: str, *key: str | int) -> Iterator[None]:
    """Torch's global generators seeded by a key, and left afterwards as they were before."""
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(int(generator(*key).integers(2**62)))
        yield


def train(
    method: TrainedMethod,
    network: nn.Module,
    images: ImageStream,
    seed: int,
    report: Report,
    checkpoint: CheckpointFile | None,
) -> None:
    """Train ``network`` in place, from a checkpoint if there is one, and leave one where it is told to stop.

    Raises MethodError where the loss is not finite or a checkpoint cannot be written.
    """
    with held_back(active=checkpoint is not None) as stop:
        Course(method, network, images, seed, report, checkpoint, stop).run()
    if checkpoint:
        checkpoint.remove()


def rate(config: TrainedConfig, step: int) -> float:
    """The learning rate of a step (from 0), as a share of the config's."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - config.warmup) / max(1, config.steps - config.warmup)))


class Course:
    """A fit from the first step, or the checkpoint, to the last."""

    def __init__(
        self,
        method: TrainedMethod,
        network: nn.Module,
        images: ImageStream,
        seed: int,
        report: Report,
        checkpoint: CheckpointFile | None,
        stop: Stop,
    ) -> None:
        self.method, self.network, self.images, self.seed = method, network.train(), images, seed
        self.config: TrainedConfig = method.config
        self.report, self.checkpoint, self.stop = report, checkpoint, stop
        self.optimiser = method.optimiser(network)
        self.base_rates = [float(group["lr"]) for group in self.optimiser.param_groups]
        self.step = 0
        self.names: list[str] = []
        self.history: list[list[float]] = []
        self._unseen: list[Tensor] = []
        self._go_on()

    def run(self) -> None:
        """Every step that is left."""
        config = self.config
        order = image_order(self.seed, "fit", len(self.images), config.steps * config.batch_size)
        rows = order.reshape(config.steps, config.batch_size)[self.step :]
        for batch in loaded_ahead(self.images, rows.tolist()):
            with seeded(self.method.device, self.seed, "step", self.step):
                self._learn(batch.result())
            self.step += 1
            self._look_and_keep()

    def _learn(self, batch: ImageBatch) -> None:
        """One step of the optimiser."""
        for group, base in zip(self.optimiser.param_groups, self.base_rates, strict=True):
            group["lr"] = base * rate(self.config, self.step)
        pixels = torch.tensor(batch.pixels).to(self.method.device)
        self.optimiser.zero_grad(set_to_none=True)
        losses = self.method.losses_of(self.network, batch, pixels, generator(self.seed, "draws", self.step))
        losses["loss"].backward()
        if self.config.clip_gradient:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_gradient)
        self.optimiser.step()
        self.names = self.names or sorted(losses, key=lambda name: (name != "loss", name))
        self._unseen.append(torch.stack([losses[name].detach().double() for name in self.names]))

    def _look_and_keep(self) -> None:
        """Report what is new, write a checkpoint where one is due, and stop if told to."""
        every = self.config.checkpoint_every
        told = self.stop.number is not None
        due = bool(every) and self.step % every == 0
        look = 1 if torch.device(self.method.device).type == "cpu" else LOOK_EVERY
        if not (due or told or self.step == self.config.steps or self.step % look == 0):
            return
        rows = torch.stack(self._unseen).cpu().tolist()
        self._unseen.clear()
        self._show(rows)
        if self.checkpoint and (due or told):
            self.checkpoint.write_tensors(self._tensors())
        if told:
            self.stop.obey()

    def _show(self, rows: Sequence[list[float]]) -> None:
        """Report the scalars of steps. Raises MethodError where the loss is not finite."""
        for row in rows:
            done = len(self.history) + 1
            if not math.isfinite(row[0]):
                raise MethodError(f"{self.method.card.id}: the loss is {row[0]} at step {done}; lower learning_rate")
            self.history.append(row)
            self.report(done, self.config.steps, **dict(zip(self.names, row, strict=True)))

    def _tensors(self) -> dict[str, Tensor]:
        """Network, optimiser and losses so far, as tensors by name; the names of the losses as the bytes of text."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser.{index}.{name}"] = value
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        tensors["names"] = torch.tensor(list("\n".join(self.names).encode()), dtype=torch.uint8)
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def _go_on(self) -> None:
        """Take up the checkpoint, if there is a whole one of this fit."""
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
        self._show(tensors["history"].tolist())
