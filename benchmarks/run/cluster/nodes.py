"""What a worker needs, and how many workers the nodes of a cluster can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.errors import UserError
from leaderboard.text import counted

Node = Mapping[str, float]  # amount by the name of the resource, such as CPU


@dataclass(frozen=True)
class Needs:
    """The CPUs and GPUs of one worker."""

    cpus: int
    gpus: float

    @property
    def text(self) -> str:
        """The needs in words, such as '1 CPU and 0.5 GPU'."""
        return f"{_count(self.cpus, 'CPU')} and {_count(self.gpus, 'GPU')}" if self.gpus else _count(self.cpus, "CPU")

    def places(self, node: Node) -> int:
        """How many workers a node can hold."""
        places = int(node.get("CPU", 0)) // self.cpus
        if not self.gpus:
            return places
        there = int(node.get("GPU", 0))
        on_gpus = there // int(self.gpus) if self.gpus >= 1 else there * int(1 / self.gpus + 1e-9)
        return min(places, on_gpus)


def choose_needs(gpus: float | None, device: str, threads: int, nodes: Sequence[Node]) -> Needs:
    """The needs of a worker. One without a GPU has as many CPUs as it has threads.

    Raises UserError for GPUs that do not go with the device, and for 1.5 GPUs.
    """
    there = any(node.get("GPU", 0) for node in nodes)
    if gpus is None:
        gpus = 1.0 if device == "cuda" or (device == "auto" and there) else 0.0
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-unit {gpus:g}: expected a whole number, or less than 1")
    if device == "cuda" and not gpus:
        raise UserError("--device cuda needs --gpus-per-unit above 0")
    if device == "cpu" and gpus:
        raise UserError(f"--gpus-per-unit {gpus:g} does not go with --device cpu; leave one of them out")
    return Needs(1 if gpus else threads, gpus)


def choose_workers(asked: int | None, needs: Needs, nodes: Sequence[Node]) -> int:
    """The number of workers. Raises UserError if the cluster can never place them."""
    places = sum(map(needs.places, nodes))
    if places and (asked is None or asked <= places):
        return asked or places
    there = "; ".join(f"{_count(node.get('CPU', 0), 'CPU')}, {_count(node.get('GPU', 0), 'GPU')}" for node in nodes[:8])
    more = f"; and {len(nodes) - 8} more nodes" if len(nodes) > 8 else ""
    wanted = "a worker needs" if asked is None else f"--workers {asked}: each worker needs"
    room = counted(places, "worker") if places else "none"
    if places:
        advice = f"use --workers {places} or fewer, or add nodes"
    else:
        advice = "use a smaller --gpus-per-unit, or --device cpu" if needs.gpus else "set OMP_NUM_THREADS to fewer"
        advice += ", or add nodes"
    raise UserError(f"{wanted} {needs.text}; the cluster has room for {room} ({there}{more}): {advice}")


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number in (1, 0.5) or 0 < number < 1 else f"{number:g} {noun}s"
