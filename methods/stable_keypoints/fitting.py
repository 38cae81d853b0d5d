"""Optimise tokens on the fit images and choose K of them, with checkpoints, in one process or several."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Future

import torch
from torch import Tensor

from methods import draws
from methods.base import ImageBatch, ImageStream, MethodError, Report
from methods.checkpoints import CheckpointFile, Stop, deferred_signals
from methods.parallel import Team
from methods.prefetch import loaded_ahead
from methods.stable_keypoints.learning import Learner, pixels_of
from methods.stable_keypoints.selection import most_frequent
from methods.stable_keypoints.state import State
from methods.training.loop import is_reading_due, record_steps

LOSSES = ("loss", "sharpening", "equivariance")


def fit(
    learner: Learner,
    tokens: Tensor,
    images: ImageStream,
    report: Report,
    team: Team,
    checkpoint: CheckpointFile | None = None,
) -> tuple[Tensor, Tensor]:
    """Tokens (N, width) learned from ``tokens`` on the images, and the ids (K,) of those chosen: Eq. 4 and 10.

    Resumes from a checkpoint, and leaves one when a signal asks it to stop. Of several processes launched by torchrun,
    each takes its part of every batch. Raises MethodError where the loss is not finite or a checkpoint cannot be
    written.
    """
    checkpoint = None if team.rank else checkpoint
    with deferred_signals(active=checkpoint is not None or team.size > 1) as stop:
        token_fit = TokenFit(learner, tokens, images, report, team, checkpoint, stop)
        token_fit.optimise()
        learner.backbone.graphs.clear()  # their memory is that of a step with its gradient
        chosen = token_fit.choose()
        learner.backbone.graphs.clear()
    return token_fit.tokens.detach(), chosen


class TokenFit:
    """A fit, from the first step or a checkpoint to the last selection image.

    In a team each process computes the gradient of its part of a batch, and each takes the step with their sum; so
    ``batch_size`` must be at least the size of the team.
    """

    def __init__(
        self,
        learner: Learner,
        tokens: Tensor,
        images: ImageStream,
        report: Report,
        team: Team | None = None,
        checkpoint: CheckpointFile | None = None,
        stop: Stop | None = None,
    ) -> None:
        self.config = learner.config
        self.learner, self.images, self.report = learner, images, report
        self.team, self.checkpoint, self.stop = team or Team("cpu"), checkpoint, stop or Stop()
        state = self._begin(State.fresh(tokens, learner.num_keypoints))
        self.tokens = state.tokens.to(tokens.device).requires_grad_(True)
        self.adam = self._adam(state)
        self.steps = state.steps
        self.history: list[list[float]] = []
        self._unread: list[Tensor] = []
        self._failure: Exception | None = None
        self._record(state.history.tolist())
        self.kept = state.kept

    @property
    def total(self) -> int:
        """Number of steps and of selection batches, for the progress report."""
        selected = self.config.selection_images or len(self.images)
        return self.config.steps + math.ceil(selected / self._together)

    @property
    def _together(self) -> int:
        """Number of selection images that all processes take at once."""
        return self.config.predict_batch * self.team.size

    @property
    def _late(self) -> int:
        """Number of batches by which results are read late: none on a CPU, where they are there at once."""
        return 0 if self.tokens.device.type == "cpu" else 1

    def optimise(self) -> None:
        """Minimise the loss of Eq. 4 by Adam until ``config.steps`` steps are done, then write a checkpoint."""
        config = self.config
        order = draws.image_order(self.learner.seed, "fit", len(self.images), config.steps * config.batch_size)
        mine = self.team.share(config.batch_size)
        rows = order.reshape(config.steps, config.batch_size)[self.steps :, mine]
        for batch in loaded_ahead(self.images, rows.tolist()):
            self.adam.zero_grad()
            self._unread.append(self._learn(batch, self.steps * config.batch_size + mine.start))
            self.adam.step()
            self.steps += 1
            due = bool(config.checkpoint_every) and self.steps % config.checkpoint_every == 0
            self._read_and_keep(due or self.steps == config.steps)

    def _learn(self, batch: Future[ImageBatch], first: int) -> Tensor:
        """Set the tokens' gradient, summed over all processes.

        Returns (5,): the three losses, the number of processes asked to stop, and the number of those that failed.
        """
        tokens = self.tokens
        losses = torch.zeros(3, dtype=tokens.dtype, device=tokens.device)
        try:
            losses = self._own_losses(batch.result(), first)
        except Exception as error:
            if self.team.size == 1:
                raise
            self._failure = error
        flags = losses.new_zeros(2)
        for flag, raised in zip(flags, (self.stop.number is not None, self._failure is not None), strict=True):
            if raised:
                flag.fill_(1)
        if self.team.size == 1:
            return torch.cat([losses, flags])
        gradient = torch.zeros_like(tokens) if tokens.grad is None else tokens.grad
        everything = self.team.total(torch.cat([losses, flags, gradient.flatten()]))
        tokens.grad = everything[5:].view_as(tokens)
        return everything[:5]

    def _own_losses(self, batch: ImageBatch, first: int) -> Tensor:
        """This process's part of the batch's losses (3,), whose gradient is added to the tokens'."""
        keys = [(self.learner.seed, "fit", image_id, first + row) for row, image_id in enumerate(batch.ids)]
        part = len(batch.ids) / self.config.batch_size
        return self.learner.accumulate(self.tokens, pixels_of(batch), batch.ids, keys, part)

    def _read_and_keep(self, due: bool) -> None:
        """Report unread losses, write a checkpoint where one is ``due``, and stop if a signal asked for it."""
        if not (due or self._told_alone() or is_reading_due(self.steps, self.tokens.device)):
            return
        rows = torch.stack(self._unread).double().tolist()
        self._unread.clear()
        self.team.check(any(row[4] for row in rows), self._failure)
        self._record([row[:3] for row in rows])
        told = self._told_alone() or any(row[3] for row in rows)
        if due or told:
            self._keep()
        if told:
            self.stop.obey()

    def _told_alone(self) -> bool:
        """Whether a signal asked this process to stop and no other process has to agree."""
        return self.team.size == 1 and self.stop.number is not None

    def _record(self, losses: list[list[float]]) -> None:
        report = None if self.team.rank else self.report
        record_steps(self.history, losses, LOSSES, self.learner.backbone.method, self.total, report, self.config.dtype)

    @torch.no_grad()
    def choose(self) -> Tensor:
        """Ids (K,) of the tokens kept most often over the selection images: Eq. 10."""
        config, learner = self.config, self.learner
        order = draws.image_order(
            learner.seed, "selection", len(self.images), config.selection_images or len(self.images)
        )
        room = torch.empty((len(order), learner.num_keypoints), dtype=torch.int64)  # whose beginning ``kept`` is
        room[: len(self.kept)] = self.kept
        starts = range(len(self.kept), len(order), self._together)
        rounds = [order[first : first + self._together] for first in starts]
        mine = [rows[self.team.share(len(rows))].tolist() for rows in rounds]
        unread: deque[Tensor] = deque()
        for rows, first, batch in zip(rounds, starts, loaded_ahead(self.images, mine), strict=True):
            unread.append(self._kept_of(len(rows), first, batch))
            while len(unread) > self._late:
                self._read_kept(unread.popleft(), room)
        for found in unread:
            self._read_kept(found, room)
        chosen = most_frequent(self.kept.numpy(), learner.num_keypoints)
        return torch.from_numpy(chosen).to(self.tokens.device)

    def _kept_of(self, count: int, first: int, batch: Future[ImageBatch]) -> Tensor:
        """Ids (count, K) of the tokens kept on this process's images in ``batch``, 0 for those of other processes.

        ``first`` is the position of the first of all these images. The ids stay on the device.
        """
        own = self.team.share(count)
        found = torch.zeros((count, self.learner.num_keypoints), dtype=torch.int64, device=self.tokens.device)
        try:
            images = batch.result()
            if images.ids:
                found[own] = self.learner.kept(self.tokens, images.ids, pixels_of(images), first + own.start)
        except Exception as error:
            if self.team.size == 1:
                raise
            self._failure = error
        return found

    def _read_kept(self, own: Tensor, room: Tensor) -> None:
        """Add the ids (count, K) of ``_kept_of``, those of all processes, to the ones that are kept in ``room``.

        Writes a checkpoint where one is due, and stops if a signal asked for it.
        """
        flags = own.new_zeros((2, own.shape[1]))  # the processes that were asked to stop, and those that failed
        for flag, raised in zip(flags, (self.stop.number is not None, self._failure is not None), strict=True):
            if raised:
                flag.fill_(1)
        found = self.team.total(torch.cat([own, flags])).cpu()
        self.team.check(bool(found[-1].any()), self._failure)
        count = len(self.kept) + len(own)
        room[len(self.kept) : count] = found[:-2]
        self.kept = room[:count]
        every, told = self.config.checkpoint_every, bool(found[-2].any())
        done = math.ceil(len(self.kept) / self._together)
        if self.team.rank == 0:
            self.report(self.config.steps + done, self.total)
        if told or (every and done % every == 0):
            self._keep()
        if told:
            self.stop.obey()

    def _begin(self, start: State) -> State:
        """The first process's state, from its checkpoint or ``start``, in all processes."""
        found = (State.read(self.checkpoint) if self.checkpoint else None) or start
        if self.team.size == 1:
            return found
        rows = self.team.from_first(torch.tensor([found.steps, len(found.kept)])).tolist()
        if self.team.rank:
            found.history = torch.zeros((rows[0], len(LOSSES)), dtype=torch.float64)
            found.kept = torch.zeros((rows[1], self.learner.num_keypoints), dtype=torch.int64)
        return State(**{name: self.team.from_first(tensor).cpu() for name, tensor in vars(found).items()})

    def _adam(self, state: State) -> torch.optim.Adam:
        config = self.config
        adam = torch.optim.Adam([self.tokens], config.learning_rate, config.adam_betas, config.adam_epsilon)
        if state.steps:
            mean, square = (each.to(self.tokens.device) for each in (state.mean, state.square))
            step = torch.tensor(float(state.steps), dtype=torch.float32)
            adam.state[self.tokens] = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        return adam

    def _keep(self) -> None:
        if self.checkpoint is None:
            return
        moments = self.adam.state[self.tokens] if self.steps else {}
        history = torch.tensor(self.history, dtype=torch.float64).reshape(-1, len(LOSSES))
        mean, square = (
            moments[name] if name in moments else torch.zeros_like(self.tokens) for name in ("exp_avg", "exp_avg_sq")
        )
        try:
            self.checkpoint.write_tensors(vars(State(self.tokens, mean, square, history, self.kept)))
        except MethodError as error:
            if self.team.size == 1:
                raise
            self._failure = error  # reported to the others with the next step
