"""Parts of the training of the mini model: tokenizer, random numbers, dropped attention, float32 masters, the loop."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.errors import UserError
from benchmarks.pretrain import loop as loop_module
from benchmarks.pretrain.drawings import Drawings, RandomSource, part_weights
from benchmarks.pretrain.dropping import CrossAttentionDrop
from benchmarks.pretrain.loop import Budget, Loop, Stage, Update
from benchmarks.pretrain.pipeline import build_unet
from benchmarks.pretrain.pool import MAX_PARTS, Pool, vocabulary
from benchmarks.pretrain.tokenizer import build_tokenizer
from benchmarks.pretrain.weights import Weights, compute_dtype


def test_every_caption_word_is_one_token() -> None:
    tokenizer = build_tokenizer()
    ids = [tokenizer(word).input_ids for word in vocabulary()]
    assert all(len(each) == 3 for each in ids)
    assert len({each[1] for each in ids}) == len(vocabulary())


def test_tokenizer_is_the_same_in_every_process() -> None:
    """The saved form, merges and ids included, byte for byte."""
    code = "from benchmarks.pretrain.tokenizer import build_tokenizer as b; print(b().backend_tokenizer.to_str())"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    here = build_tokenizer().backend_tokenizer.to_str()
    assert len(here) > 10_000 and here == other.stdout.rstrip("\n")


def drawings(captions: list[tuple[str, ...]]) -> Drawings:
    count = len(captions)
    pool = Pool(np.zeros((count, 4, 4, 3), np.uint8), captions, np.zeros((count, MAX_PARTS, 3), np.float32))
    return Drawings(pool, build_tokenizer(), "cpu")


def test_tokens_are_the_tokenizers_of_a_shuffled_subset_of_the_words() -> None:
    words = vocabulary()
    captions = [tuple(words[:MAX_PARTS]), tuple(words[40:45]), (words[100],)]
    found, tokenizer = drawings(captions), build_tokenizer()
    rows = torch.arange(3).repeat(200)
    orders, kept = set(), 0
    for row, ids in zip(rows.tolist(), found.tokens(rows, RandomSource(0, "cpu"), 0.1, 0.1).tolist(), strict=True):
        said = tokenizer.decode(ids, skip_special_tokens=True).split()
        assert ids == tokenizer(" ".join(said), padding="max_length").input_ids
        assert len(set(said)) == len(said) and set(said) <= set(captions[row])
        kept += len(said)
        orders.add((row, tuple(said)))
    assert len(orders) > 200
    total = 200 * sum(map(len, captions))
    assert kept / total == pytest.approx(0.9 * 0.9, abs=0.06)  # captions of a row live or die as one: sd 0.015


def test_no_word_is_dropped_at_0_and_every_one_at_1() -> None:
    captions = [tuple(vocabulary()[:MAX_PARTS])]
    found, tokenizer, rows = drawings(captions), build_tokenizer(), torch.zeros(5, dtype=torch.int64)
    for ids in found.tokens(rows, RandomSource(0, "cpu"), 0.0, 0.0).tolist():
        assert sorted(tokenizer.decode(ids, skip_special_tokens=True).split()) == sorted(captions[0])
    for dropouts in ((1.0, 0.0), (0.0, 1.0)):
        for ids in found.tokens(rows, RandomSource(0, "cpu"), *dropouts).tolist():
            assert ids == tokenizer("", padding="max_length").input_ids


def test_timesteps_are_mostly_late_and_of_all_1000() -> None:
    timesteps = RandomSource(0, "cpu").timesteps(20_000)
    assert 0 <= int(timesteps.min()) < 20 and 980 < int(timesteps.max()) <= 999
    late = ((timesteps >= 150) & (timesteps < 950)).float().mean()
    assert float(late) == pytest.approx(0.8 + 0.2 * 0.8, abs=0.01)


def test_part_weights_are_those_of_a_plain_loop() -> None:
    parts, side = [[0.25, 0.75, 0.05], [0.6, 0.3, 0.2], [0.0, 0.0, 0.0]], 8
    expected = np.ones((side, side))
    for row in range(side):
        for column in range(side):
            x, y = (column + 0.5) / side, (row + 0.5) / side
            for px, py, radius in parts[:2]:
                bump = math.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2))
                bump *= (0.06 / max(radius, 0.06)) ** 1.5
                expected[row, column] = max(expected[row, column], 1 + 11 * bump)
    found = part_weights(torch.tensor([parts]), side, 11.0)[0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_cross_attention_is_dropped_by_layer_and_image_in_training_alone() -> None:
    torch.manual_seed(0)
    unet = build_unet()
    drop = CrossAttentionDrop(unet, 0.5)
    outputs: list[Tensor] = []
    for name in drop.layers:
        unet.get_submodule(name).register_forward_hook(lambda _module, _inputs, output: outputs.append(output))

    def silent() -> Tensor:
        outputs.clear()
        with torch.no_grad():
            unet(torch.randn(4, 4, 8, 8), torch.tensor(500), torch.randn(4, 16, 64))
        order = [name for stage in ("down", "mid", "up") for name in drop.layers if name.startswith(stage)]
        zero = dict(zip(order, ((output == 0).flatten(1).all(1) for output in outputs), strict=True))
        return torch.stack([zero[name] for name in drop.layers])

    unet.train()
    assert not silent().any()  # nothing was chosen yet
    drop.choose(4, RandomSource(0, "cpu"))
    assert drop.dropped is not None and 0.2 < float(drop.dropped.float().mean()) < 0.8
    assert len(drop.dropped.unique(dim=0)) > 1 and len(drop.dropped.unique(dim=1).T) == 4
    assert torch.equal(silent(), drop.dropped)
    unet.eval()
    assert not silent().any()


def test_bfloat16_is_for_gpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compute_dtype("cpu") == torch.float32
    for capability, dtype in (((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device, found=capability: found)
        assert compute_dtype("cuda") == dtype


def test_masters_learn_what_bfloat16_would_round_away() -> None:
    """Beside AdamW of float32 weights: steps of 1e-4 are below the resolution of bfloat16 at 1."""
    parameter, reference = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    weights = Weights([([parameter], 2.0)], torch.bfloat16, decay=0.0)
    optimiser = torch.optim.AdamW([reference], lr=2e-4, weight_decay=0.0)
    for _ in range(50):
        weights.schedule(1e-4, renewal=0.5)
        parameter.grad, reference.grad = torch.full((3,), 0.25).bfloat16(), torch.full((3,), 0.25)
        weights.step()
        optimiser.step()
    torch.testing.assert_close(weights.masters[0].data, reference.data)
    assert parameter.dtype == torch.bfloat16
    assert torch.equal(parameter.data, weights.masters[0].data.bfloat16())
    assert bool((parameter < 1.0).all())
    assert (weights.averages[0] - weights.masters[0] - 2e-4).abs().max() < 1e-5  # a lag of one step: (1 - r) / r


def toy(random: RandomSource, budget: Budget, during: Callable[[], None] = lambda: None) -> Stage:
    """A linear model that learns from random numbers."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)

    def loss() -> Tensor:
        during()
        return (model(random.normal(torch.empty(4, 3))) - 1).square().mean()

    weight, bias = model.parameters()
    weights = Weights([([weight], 1.0), ([bias], 2.0)], torch.float32, decay=1e-3)
    return Stage("toy", weights, loss, 4, budget, lambda step, share: 0.01 * (1 - share), 0.9)


@pytest.mark.parametrize(
    ("budget", "updates"), [(Budget(minutes=1), 10), (Budget(4, 1), 4), (Budget(40, 0.5), 5), (Budget(3), 3)]
)
def test_training_ends_with_the_first_of_steps_and_minutes(
    budget: Budget, updates: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Updates of six seconds each; a run that goes on counts the seconds before."""
    clock = [0.0]
    monkeypatch.setattr(loop_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def run(limit: Budget) -> int:
        random = RandomSource(0, "cpu")
        stage = toy(random, limit, lambda: clock.__setitem__(0, clock[0] + 6.0))
        loop = Loop(stage, random, tmp_path, lines.append, {})
        loop.run()
        return loop.step

    lines: list[str] = []
    assert run(budget) == updates
    assert "0.7 images/s, 0.0 min left" in lines[-1]
    clock[0] += 1000
    assert run(Budget(minutes=2)) == 20


@pytest.mark.parametrize("budget", [(None, None), (0, None), (5, -1.0)])
def test_a_budget_must_be_positive(budget: tuple[int | None, float | None]) -> None:
    with pytest.raises(UserError, match="budget"):
        Budget(*budget)


def test_updates_go_on_where_no_graph_can_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", fail)
    lines: list[str] = []
    weights = []
    for wanted in (False, True):
        random = RandomSource(0, "cpu")
        stage = toy(random, Budget(8))
        update = Update(stage, random, True, lines.append)
        assert not update.wanted  # a CPU has no graphs
        update.wanted = wanted
        for _ in range(8):
            stage.weights.schedule(0.01, 1.0)
            update()
        weights.append(stage.weights.masters[0])
    assert torch.equal(*weights)
    assert len(lines) == 1 and "no such thing" in lines[0]


def test_loss_that_is_no_number_and_other_settings_are_errors(tmp_path: Path) -> None:
    random = RandomSource(0, "cpu")
    Loop(toy(random, Budget(2)), random, tmp_path, lambda line: None, {"batch_size": 4}).run()
    with pytest.raises(UserError, match=r"batch_size 4, got 8"):
        Loop(toy(random, Budget(4)), random, tmp_path, lambda line: None, {"batch_size": 8}).run()
    broken = toy(random, Budget(4))
    broken.weights.masters[0].data.fill_(math.nan)
    broken.weights.parameters[0].data.fill_(math.nan)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(UserError, match="loss became nan at update 4"):
        Loop(broken, random, other, lambda line: None, {}).run()
