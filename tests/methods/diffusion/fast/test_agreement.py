"""Kernels are compared with PyTorch's own functions before they are used."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from methods.diffusion.fast import agreement, elementwise
from methods.diffusion.fast.fallback import KERNELS

pytest.importorskip("triton")

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(agreement, "SHAPES", ((1, 64, 2, 3), (1, 32, 3, 2)))
    agreement.check_kernels.cache_clear()
    yield
    agreement.check_kernels.cache_clear()
    KERNELS.failed = False


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_kernels_agree(dtype: torch.dtype) -> None:
    before = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        agreement.check_kernels(dtype, CPU)
    assert not KERNELS.failed and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_a_kernel_that_is_wrong_is_given_up(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = elementwise.fused_geglu
    monkeypatch.setattr(elementwise, "fused_geglu", lambda x: factor * right(x))
    with pytest.warns(UserWarning, match="not that of PyTorch"):
        agreement.check_kernels(torch.float32, CPU)
    assert KERNELS.failed
