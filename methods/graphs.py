"""CUDA graphs: work on a GPU that is recorded once and then launched as a whole.

A step of some thousand small kernels takes the CPU longer to launch than the GPU to do. A graph takes one launch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from methods import switches

Input = Tensor | float | None
Work = Callable[[], Any]
Recorded = tuple[Callable[[], object], Any]  # a function that repeats the work, and the results that it writes

WARM_UPS = 3  # runs before the recording, in which libraries set themselves up


class Graphs:
    """Runs functions of tensors on one device, on a GPU by CUDA graphs unless they are not ``possible``.

    A function gives a tensor or a tuple of tensors. Its work must be the same whatever its tensors hold: no shape
    depends on their values, nothing waits for the GPU, and nothing is copied from the host. The first call with a
    signature (the function's name, shapes, number types, other values, and the switches) runs as it is; the second
    records a graph, and it and those after it launch this graph. If a recording fails, one warning says so, and all
    calls run as they are from then on. ``modules`` are those whose weights the functions use, which must not change.
    ``record`` makes a recording (default: a ``CudaRecorder``).
    """

    def __init__(
        self,
        device: torch.device,
        modules: Iterable[nn.Module] = (),
        possible: bool = True,
        record: Callable[[Work], Recorded] | None = None,
    ) -> None:
        self.device, self.modules = device, tuple(modules)
        self._possible = possible and (device.type == "cuda" or record is not None)
        self._given = self._record = record
        self._recordings: dict[Hashable, _Recording | None] = {}

    def run(self, of: Hashable, function: Callable[..., Any], *inputs: Input) -> Any:
        """The result of ``function(*inputs)``, for tensors on the device; it shares no memory with a graph.

        ``of`` stands for everything else that the function depends on.
        """
        if not self._possible or not switches.is_on("graphs"):
            return function(*inputs)
        shapes = tuple((each.shape, each.dtype) if isinstance(each, Tensor) else each for each in inputs)
        signature = (of, function.__name__, shapes, tuple(map(switches.is_on, switches.NAMES)))
        if signature not in self._recordings:
            self._recordings[signature] = None
            return function(*inputs)
        recording = self._recordings[signature] or self._recorded(function, inputs)
        if recording is None:
            return function(*inputs)
        self._recordings[signature] = recording
        recording.take(inputs)
        recording.repeat()
        return _copied(recording.results)

    def clear(self) -> None:
        """Free the graphs and their memory; later calls record new ones."""
        self._recordings.clear()
        self._record = self._given

    def _recorded(self, function: Callable[..., Any], inputs: Sequence[Input]) -> _Recording | None:
        """A recording of the function, or None, with a warning, if that fails."""
        own = [each.detach().clone() if isinstance(each, Tensor) else each for each in inputs]
        try:
            self._record = self._record or CudaRecorder(self.device)
            repeat, results = self._record(lambda: function(*own))
        except RuntimeError as error:
            cause = error.__context__ or error  # the end of a recording that failed raises an error of its own
            reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
            warnings.warn(f"this run goes on without CUDA graphs, which makes it slower: {reason}", stacklevel=2)
            self._possible = False
            self.clear()
            return None
        return _Recording(own, repeat, results, [_read_by(module) for module in self.modules])


class _Recording(NamedTuple):
    """A graph, with the tensors that it reads and writes; ``read`` keeps the others that it reads in memory."""

    inputs: Sequence[Input]
    repeat: Callable[[], object]
    results: Any
    read: Sequence[Any]

    def take(self, inputs: Sequence[Input]) -> None:
        """Copy new values to the tensors that the graph reads."""
        for own, new in zip(self.inputs, inputs, strict=True):
            if isinstance(own, Tensor) and isinstance(new, Tensor):
                own.copy_(new.detach(), non_blocking=True)


class CudaRecorder:
    """Records work as CUDA graphs, which share their memory: a result must be copied before the next graph runs."""

    def __init__(self, device: torch.device) -> None:
        self.stream, self.pool = _stream(device), torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Recorded:
        """A graph's launch, and the results that it writes. Raises RuntimeError if the work cannot be recorded."""
        with torch.cuda.device(self.stream.device):
            current = torch.cuda.current_stream()
            try:
                self.stream.wait_stream(current)
                with torch.cuda.stream(self.stream):
                    for _ in range(WARM_UPS):
                        work()
                current.wait_stream(self.stream)
                graph = torch.cuda.CUDAGraph()
                # In this mode other threads may use the GPU meanwhile, such as the one that exchanges gradients.
                with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                    results = work()
            except RuntimeError:
                self._recover(current)
                raise
        return graph.replay, results

    def _recover(self, current: torch.cuda.Stream) -> None:
        """Leave the state of recording, which a recording that failed may not have done.

        That state is in the current stream, in the memory allocator, and in torch's random generator, which the end of
        another recording resets.
        """
        torch.cuda.set_stream(current)
        torch.cuda.synchronize()
        with suppress(RuntimeError, AttributeError):  # where the recording had not begun, or has ended
            torch._C._cuda_endAllocateToPool(self.stream.device.index, self.pool)
            torch._C._cuda_releasePool(self.stream.device.index, self.pool)
        with suppress(RuntimeError), torch.cuda.graph(torch.cuda.CUDAGraph(), stream=self.stream):
            torch.zeros((), device=self.stream.device)
        torch.cuda.set_stream(current)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """The stream on which graphs are recorded: a single one, since libraries keep memory for each stream."""
    return torch.cuda.Stream(device)


def _read_by(module: nn.Module) -> Any:
    """The tensors that a module holds now: a graph reads them where they are, even if the module gets others."""
    return [each.detach() for each in module.parameters()], [dict(vars(each)) for each in module.modules()]


def _copied(results: Any) -> Any:
    return results.clone() if isinstance(results, Tensor) else tuple(each.clone() for each in results)
