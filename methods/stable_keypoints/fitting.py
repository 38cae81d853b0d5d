"""Optimising tokens over the fit images, and choosing K of them; alone or shared among processes, and resumable."""

from __future__ import annotations

import math
from concurrent.futures import Future

import torch
from torch import Tensor

from methods import draws
from methods.base import ImageBatch, ImageStream, MethodError, Report
from methods.parallel import Team
from methods.prefetch import loaded_ahead
from methods.stable_keypoints.checkpoints import Checkpoints, State, Stop, fresh, held_back
from methods.stable_keypoints.learning import Learner
from methods.stable_keypoints.selection import most_frequent, most_local, spread_out

LOSSES = ("loss", "sharpening", "equivariance")
LOOK_EVERY = 10  # steps on a GPU between looks at the losses, each of which waits until it is done


def fit(
    learner: Learner,
    tokens: Tensor,
    images: ImageStream,
    report: Report,
    team: Team,
    checkpoints: Checkpoints | None = None,
) -> tuple[Tensor, Tensor]:
    """Tokens (N, width) learned from ``tokens`` on the images, and the ids (K,) of those chosen: Eq. 4 and 10.

    Goes on from a checkpoint, and leaves one where it is told to stop. Launched as several processes by torchrun,
    each takes its part of every batch. Raises MethodError where the loss diverges or a checkpoint cannot be written.
    """
    checkpoints = None if team.rank else checkpoints
    with held_back(active=checkpoints is not None or team.size > 1) as stop:
        course = Course(learner, tokens, images, report, team, checkpoints, stop)
        course.optimise()
        chosen = course.choose()
    if checkpoints:
        checkpoints.remove()
    return course.tokens.detach(), chosen


def optimise(learner: Learner, tokens: Tensor, images: ImageStream, report: Report) -> Tensor:
    """Tokens after ``steps`` steps of Adam on the loss of Eq. 4. Raises MethodError where the loss diverges."""
    course = Course(learner, tokens, images, report)
    course.optimise()
    return course.tokens.detach()


class Course:
    """A fit from the first step, or the checkpoint, to the last selection image; ``batch_size`` is at least the team's.

    In a team each process learns from its part of a batch, and what they learn is summed before each takes the step.
    """

    def __init__(
        self,
        learner: Learner,
        tokens: Tensor,
        images: ImageStream,
        report: Report,
        team: Team | None = None,
        checkpoints: Checkpoints | None = None,
        stop: Stop | None = None,
    ) -> None:
        self.config = learner.config
        self.learner, self.images, self.report = learner, images, report
        self.team, self.checkpoints, self.stop = team or Team("cpu"), checkpoints, stop or Stop()
        state = self._begin(fresh(tokens, learner.num_keypoints))
        self.tokens = state.tokens.to(tokens.device).requires_grad_(True)
        self.adam = self._adam(state)
        self.steps = state.steps
        self.history: list[list[float]] = []
        self._unseen: list[Tensor] = []
        self._failure: Exception | None = None
        self._show(state.history.tolist())
        self.kept = state.kept

    @property
    def total(self) -> int:
        """Passes of the UNet, for the progress report: those that learn and those that choose."""
        selected = self.config.selection_images or len(self.images)
        return self.config.steps + math.ceil(selected / self._together)

    @property
    def _together(self) -> int:
        """Selection images that go through the UNets of all processes at once."""
        return self.config.predict_batch * self.team.size

    def optimise(self) -> None:
        """Steps of Adam on the loss of Eq. 4 up to the number of ``steps``, then a checkpoint."""
        config = self.config
        order = draws.image_order(self.learner.seed, "fit", len(self.images), config.steps * config.batch_size)
        mine = self.team.share(config.batch_size)
        rows = order.reshape(config.steps, config.batch_size)[self.steps :, mine]
        for batch in loaded_ahead(self.images, rows.tolist()):
            self.adam.zero_grad()
            self._unseen.append(self._learn(batch, self.steps * config.batch_size + mine.start))
            self.adam.step()
            self.steps += 1
            due = bool(config.checkpoint_every) and self.steps % config.checkpoint_every == 0
            self._look_and_keep(due or self.steps == config.steps)

    def _learn(self, batch: Future[ImageBatch], first: int) -> Tensor:
        """Give the tokens the gradient of all processes; the losses, how many were told to stop, how many failed."""
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
        """This process's part of the batch's losses (3,), whose gradient goes to the tokens."""
        keys = [(self.learner.seed, "fit", image_id, first + row) for row, image_id in enumerate(batch.ids)]
        part = len(batch.ids) / self.config.batch_size
        return self.learner.accumulate(self.tokens, torch.tensor(batch.pixels), batch.ids, keys, part)

    def _look_and_keep(self, due: bool) -> None:
        """Report the losses since the last look and write a checkpoint where one is ``due``; stop if told to."""
        every = LOOK_EVERY if self.tokens.is_cuda else 1
        if not (due or self._told_alone() or self.steps % every == 0):
            return
        seen = torch.stack(self._unseen).double().tolist()
        self._unseen.clear()
        self.team.check(any(row[4] for row in seen), self._failure)
        self._show([row[:3] for row in seen])
        told = self._told_alone() or any(row[3] for row in seen)
        if due or told:
            self._keep()
        if told:
            self.stop.obey()

    def _told_alone(self) -> bool:
        """Whether to stop, where no other process has to agree."""
        return self.team.size == 1 and self.stop.number is not None

    def _show(self, losses: list[list[float]]) -> None:
        """Report the losses of steps. Raises MethodError where one is not finite."""
        for row in losses:
            step = len(self.history) + 1
            if not math.isfinite(row[0]):
                raise MethodError(f"stable_keypoints: the loss is {row[0]} at step {step}; lower learning_rate")
            self.history.append(row)
            if self.team.rank == 0:
                self.report(step, self.total, **dict(zip(LOSSES, row, strict=True)))

    @torch.no_grad()
    def choose(self) -> Tensor:
        """Ids (K,) of the tokens kept most often over the selection images: Eq. 10."""
        config, learner = self.config, self.learner
        order = draws.image_order(
            learner.seed, "selection", len(self.images), config.selection_images or len(self.images)
        )
        starts = range(len(self.kept), len(order), self._together)
        rounds = [order[first : first + self._together] for first in starts]
        mine = [rows[self.team.share(len(rows))].tolist() for rows in rounds]
        for rows, batch in zip(rounds, loaded_ahead(self.images, mine), strict=True):
            found, told = self._kept_of(len(rows), batch)
            self.kept = torch.cat([self.kept, found])
            done = math.ceil(len(self.kept) / self._together)
            if self.team.rank == 0:
                self.report(config.steps + done, self.total)
            if told or (config.checkpoint_every and done % config.checkpoint_every == 0):
                self._keep()
            if told:
                self.stop.obey()
        chosen = most_frequent(self.kept.numpy(), learner.num_keypoints)
        return torch.from_numpy(chosen).to(self.tokens.device)

    def _kept_of(self, count: int, batch: Future[ImageBatch]) -> tuple[Tensor, bool]:
        """Ids (count, K) that the images of all processes keep, of which ``batch`` is ours; whether one is to stop."""
        own = self.team.share(count)
        found = torch.zeros((count + 2, self.learner.num_keypoints), dtype=torch.int64)  # a row an image, then flags
        try:
            images = batch.result()
            if images.ids:
                found[own] = self._spread_out(images, len(self.kept) + own.start).cpu()
        except Exception as error:
            if self.team.size == 1:
                raise
            self._failure = error
        found[-2], found[-1] = int(self.stop.number is not None), int(self._failure is not None)
        found = self.team.total(found).cpu()
        self.team.check(bool(found[-1].any()), self._failure)
        return found[:-2], bool(found[-2].any())

    def _spread_out(self, batch: ImageBatch, first: int) -> Tensor:
        """Ids (B, K) of the tokens that furthest point sampling keeps of each image; ``first`` numbers the draws."""
        config, learner = self.config, self.learner
        keys = [(learner.seed, "selection", image_id, first + row) for row, image_id in enumerate(batch.ids)]
        latents = learner.encode_original(torch.tensor(batch.pixels), batch.ids)
        maps = learner.maps(latents, keys, self.tokens)
        candidates = most_local(maps, learner.kappa, config.sigma, config.ranking)
        return spread_out(maps, candidates, learner.num_keypoints)

    def _begin(self, start: State) -> State:
        """Where the first process goes on from, in all of them."""
        found = (self.checkpoints.read() if self.checkpoints else None) or start
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
        if self.checkpoints is None:
            return
        moments = self.adam.state[self.tokens] if self.steps else {}
        none = torch.zeros_like(self.tokens)
        history = torch.tensor(self.history, dtype=torch.float64).reshape(-1, len(LOSSES))
        mean, square = moments.get("exp_avg", none), moments.get("exp_avg_sq", none)
        try:
            self.checkpoints.write(State(self.tokens, mean, square, history, self.kept))
        except MethodError as error:
            if self.team.size == 1:
                raise
            self._failure = error  # the others learn of it with the next step
