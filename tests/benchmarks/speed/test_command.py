"""The benchmark of speed: both sides compute the same, its counts are the known ones, and it writes its findings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.speed.__main__ import app
from benchmarks.speed.compare import Bench, Options
from benchmarks.speed.measure import fastest_rate, flops, peak_memory
from benchmarks.speed.models import STABLE_DIFFUSION


@pytest.mark.parametrize("memory", ["auto", "low"])
def test_both_sides_compute_the_same(memory: str):
    bench = Bench(Options(size="tiny", batch=2, views=3, memory=memory))
    sides = {}
    for name, prepare, fit, predict in [
        ("released", bench.released.prepare, bench._released_fit, bench._released_predict),
        ("ours", bench.ours.prepare, bench._our_fit, bench._our_predict),
    ]:
        bench.tokens.grad = None
        prepare()
        sides[name] = {**fit(), **predict()}
    released, ours = sides["released"], sides["ours"]
    assert float(released["losses"][2]) > 1e-4 * float(released["losses"][1]) > 0
    torch.testing.assert_close(ours["losses"], released["losses"], rtol=1e-5, atol=0)
    largest = float(released["gradient"].abs().max())
    assert largest > 0
    torch.testing.assert_close(ours["gradient"], released["gradient"], rtol=1e-3, atol=1e-4 * largest)
    moved = (ours["keypoints"] - released["keypoints"]).abs().amax(-1)
    assert float((moved < 1e-6).double().mean()) > 0.8  # a tie between two pixels may fall either way


def test_counts_at_the_size_of_stable_diffusion():
    """Known of the model: 0.839 TFLOP the UNet, 0.500 to its last map, 1.117 the encoder; 0.073 the scores."""
    counted = {name: count / 1e12 for name, count in flops(STABLE_DIFFUSION).items()}
    known = {"encode": 1.117, "unet": 0.839, "unet_to_last_map": 0.500, "maps": 0.073}
    assert counted == pytest.approx(known, abs=0.003)


@pytest.mark.parametrize(
    ("rate", "power", "reached"),
    [
        (1e14, 3, 4096),  # a GPU
        (6e10, 3, 2048),  # a CPU core: 0.29 s for the last, and 2.3 s for 4096
        (3e9, 3, 512),  # 0.09 s for the last, and 0.72 s for 1024
        (3e9, 4, 512),  # emulated half precision out of the cache: 0.36 s for the last where 0.18 s was foreseen
        (1e6, 3, 128),  # 4 s for the smallest
    ],
)
def test_a_rate_is_that_of_the_largest_product_that_there_is_time_for(rate: float, power: int, reached: int):
    """On a machine whose product of side s takes 2 * 128^3 / rate * (s / 128)^power seconds."""
    taken: list[tuple[int, float]] = []

    def timed(side: int) -> float:
        taken.append((side, 2 * 128**3 / rate * (side / 128) ** power))
        return taken[-1][1]

    assert fastest_rate(timed, 4096) == pytest.approx(2 * reached**3 / (2 * 128**3 / rate * (reached / 128) ** power))
    sides, times = zip(*taken, strict=True)
    assert max(sides) == reached
    assert sum(times[1:]) <= 0.5 * 2 ** (power - 3)


def test_memory_is_watched_while_it_is_held():
    with peak_memory("cpu") as before:
        pass
    with peak_memory("cpu") as during:
        held = torch.ones(2**26)
        torch.sum(held)
    if before.bytes is not None and during.bytes is not None:
        assert during.bytes - before.bytes > 0.8 * 4 * 2**26


def test_it_prints_a_table_and_writes_what_it_measured(tmp_path: Path):
    output = tmp_path / "new" / "speed.json"
    arguments = ["--size", "tiny", "--device", "cpu", "--steps", "2", "--views", "2", "--output", str(output)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "ours" in result.output
    found = json.loads(output.read_text())
    assert found["options"]["views"] == 2
    assert set(found["tasks"]["fit"]) == {"released", "ours", "ours_latents_kept"}
    assert len(found["tasks"]["fit"]["ours"]["seconds"]) == 2
    for task in ("fit", "predict"):
        medians = {side: timing["median_seconds"] for side, timing in found["tasks"][task].items()}
        assert found["speed_up"][task]["ours"] == pytest.approx(medians["released"] / medians["ours"])
        assert found["floor"]["seconds_per_image"][task] > 0
    assert found["agreement"]["fit"]["gradient"] < 1e-3


def test_our_side_alone(tmp_path: Path):
    output = tmp_path / "speed.json"
    arguments = ["--size", "tiny", "--device", "cpu", "--views", "1", "--alone", "--dtype", "float16"]
    result = CliRunner().invoke(app, [*arguments, "--memory", "low", "--output", str(output)])
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text())
    assert set(found["tasks"]["predict"]) == {"ours"}
    assert "speed_up" not in found


def test_the_released_side_gets_none_of_our_settings():
    bench = Bench(Options(size="tiny", memory="low"))
    assert bench.ours.parts.unet.is_gradient_checkpointing
    assert not bench.released.parts.unet.is_gradient_checkpointing
