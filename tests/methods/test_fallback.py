"""Kernels give way to plain functions where they fail or are wrong, and only there."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from methods.fallback import Kernels


def plain(values: Tensor) -> Tensor:
    return values.exp()


def fails(values: Tensor) -> Tensor:
    raise RuntimeError("no compiler\nat all")


def shifted(values: Tensor) -> Tensor:
    return values.exp().roll(1)


def not_a_number(values: Tensor) -> Tensor:
    return values * float("nan")


def rounded(values: Tensor) -> Tensor:
    return values.exp().half().float()


VALUES = torch.linspace(-2, 2, 7)


@pytest.mark.parametrize(
    ("kernel", "said"),
    [(fails, "no compiler$"), (shifted, r"the test differs .* \d+%"), (not_a_number, "inf%")],
)
def test_the_plain_function_runs_instead_after_one_warning(kernel: Callable[[Tensor], Tensor], said: str):
    kernels = Kernels("this test")
    with pytest.warns(UserWarning, match=f"kernels of this test are off, so that it takes longer: .*{said}"):
        found = kernels.run("the test", 1, kernel, plain, VALUES)
    assert torch.equal(found, plain(VALUES)) and kernels.failed
    with warnings.catch_warnings(action="error"):
        assert torch.equal(kernels.run("another", 1, kernel, plain, VALUES), plain(VALUES))


def test_the_gradient_is_that_of_the_plain_function_too():
    values = VALUES.clone().requires_grad_()
    with pytest.warns(UserWarning, match="off"):
        found = Kernels("this test").run("the test", 1, shifted, plain, values)
    (gradient,) = torch.autograd.grad(found.sum(), values)
    assert torch.equal(gradient, plain(VALUES))


def test_a_kernel_may_round_and_is_compared_once_a_variant():
    kernels, calls = Kernels("this test"), []

    def counted(values: Tensor) -> Tensor:
        calls.append(values)
        return plain(values)

    for _ in range(3):
        assert torch.equal(kernels.run("the test", 1, rounded, counted, VALUES), rounded(VALUES))
    kernels.run("the test", 2, rounded, counted, VALUES)
    assert len(calls) == 2 and not kernels.failed


def test_each_tensor_of_a_list_is_compared():
    kernels = Kernels("this test")
    with pytest.warns(UserWarning, match="differs"):
        found = kernels.run("two", 1, lambda: [VALUES, VALUES], lambda: [VALUES, -VALUES])
    assert torch.equal(found[1], -VALUES)


def test_want_of_memory_is_no_reason_to_give_up():
    def too_large(values: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("too large")

    kernels = Kernels("this test")
    with pytest.raises(torch.OutOfMemoryError):
        kernels.run("the test", 1, too_large, plain, VALUES)
    assert not kernels.failed
