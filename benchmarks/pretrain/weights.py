"""Mixed-precision training: parameters in low precision, with float32 master weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Group = tuple[Sequence[nn.Parameter], float]


def compute_dtype(device: str) -> torch.dtype:
    """bfloat16 on a GPU that supports it (compute capability 8 or more), else float32."""
    if torch.device(device).type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8:
        return torch.bfloat16
    return torch.float32


class Weights:
    """Parameters in ``dtype``, their float32 master weights that AdamW updates, and running averages of the masters.

    A group is a list of parameters and a factor of their learning rate. All parameters have one type, so that layers
    convert nothing; autocast would convert the input of every group norm to float32 and back. Rates are tensors, whose
    current values a CUDA graph of an update reads.
    """

    def __init__(
        self, groups: Sequence[Group], dtype: torch.dtype, decay: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        self.parameters = [parameter for parameters, _ in groups for parameter in parameters]
        masters = [[nn.Parameter(each.detach().float().clone()) for each in parameters] for parameters, _ in groups]
        self.masters = [master for group in masters for master in group]
        self.averages = [master.detach().clone() for master in self.masters]
        self.gradients = [torch.zeros_like(average) for average in self.averages]
        for master, gradient, parameter in zip(self.masters, self.gradients, self.parameters, strict=True):
            master.grad = gradient
            parameter.data = parameter.data.to(dtype)
        device = self.masters[0].device
        self.factors = [factor for _, factor in groups]
        self.renewal = torch.ones((), device=device)
        self.optimiser = torch.optim.AdamW(
            [{"params": group} for group in masters],
            lr=torch.zeros((), device=device),
            betas=betas,
            weight_decay=decay,
            fused=True,
            capturable=device.type == "cuda",
        )
        self._separate_rates()

    def schedule(self, rate: float, renewal: float) -> None:
        """Set the learning rate, and ``renewal``, the weight of the new masters in the averages."""
        for group, factor in zip(self.optimiser.param_groups, self.factors, strict=True):
            group["lr"].fill_(rate * factor)
        self.renewal.fill_(renewal)

    @torch.no_grad()
    def step(self) -> None:
        """Update masters, parameters and averages from the gradients, clipped to norm 1."""
        masters = [master.detach() for master in self.masters]
        torch._foreach_copy_(self.gradients, [p.grad for p in self.parameters if p.grad is not None])
        nn.utils.clip_grad_norm_(self.masters, 1.0)
        self.optimiser.step()
        torch._foreach_copy_([parameter.detach() for parameter in self.parameters], masters)
        change = torch._foreach_sub(masters, self.averages)
        torch._foreach_mul_(change, self.renewal)
        torch._foreach_add_(self.averages, change)

    def drop_gradients(self) -> None:
        """Discard the gradients of the last update."""
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, Any]:
        """Master weights, averages and state of the optimiser, for a checkpoint."""
        masters = [master.detach() for master in self.masters]
        return {"masters": masters, "averages": self.averages, "optimiser": self.optimiser.state_dict()}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Continue from ``state()``."""
        masters = [master.detach() for master in self.masters]
        torch._foreach_copy_(masters, state["masters"])
        torch._foreach_copy_(self.averages, state["averages"])
        torch._foreach_copy_([parameter.detach() for parameter in self.parameters], masters)
        self.optimiser.load_state_dict(state["optimiser"])
        self._separate_rates()

    def adopt_averages(self) -> None:
        """Replace the parameters by their averages, in float32."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            parameter.data = average.clone()

    def averaged(self) -> dict[int, Tensor]:
        """Averages by the ``id()`` of their parameter."""
        return {id(parameter): average for parameter, average in zip(self.parameters, self.averages, strict=True)}

    def _separate_rates(self) -> None:
        """Give each group its own learning-rate tensor; AdamW shares one among all groups."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["lr"].clone()
