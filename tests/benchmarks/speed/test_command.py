"""The benchmark of speed: both sides compute the same, every option runs, and it writes its findings."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.errors import UserError
from benchmarks.speed.__main__ import app
from benchmarks.speed.compare import Bench, Inputs, Options, Ours, differences
from benchmarks.speed.measure import Rounds, fastest_rate, in_turns, peak_memory
from benchmarks.speed.models import build
from benchmarks.speed.sizes import SIZES
from benchmarks.speed.studies import variants
from methods import switches
from methods.diffusion.fast.blocks import FUNCTIONS
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.learning import Learner

TINY = ("--size", "tiny", "--device", "cpu")


def ran(*arguments: str) -> str:
    """What a command printed, after it ended well."""
    result = CliRunner().invoke(app, [*TINY, *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("memory", ["auto", "low"])
def test_both_sides_compute_the_same(memory: str):
    bench = Bench(Options(size="tiny", batch=2, views=3, memory=memory))
    assert bench.theirs is not None
    released, ours = (side.fit() | side.predict() for side in (bench.theirs, bench.ours))
    assert float(released["losses"][2]) > 1e-4 * float(released["losses"][1]) > 0
    torch.testing.assert_close(ours["losses"], released["losses"], rtol=1e-5, atol=0)
    largest = float(released["gradient"].abs().max())
    assert largest > 0
    torch.testing.assert_close(ours["gradient"], released["gradient"], rtol=1e-3, atol=1e-4 * largest)
    moved = (ours["keypoints"] - released["keypoints"]).abs().amax(-1)
    assert float((moved < 1e-6).double().mean()) > 0.8  # a tie between two pixels may fall either way


def test_both_sides_compute_the_same_on_the_shipped_model():
    """With its preset: another timestep, candidates that follow K, and no transformed views in prediction."""
    bench = Bench(Options(size="mini"))
    assert bench.theirs is not None and bench.options.views == 0
    released, ours = (side.fit() | side.predict() for side in (bench.theirs, bench.ours))
    torch.testing.assert_close(ours["losses"], released["losses"], rtol=1e-4, atol=0)
    moved = (ours["keypoints"] - released["keypoints"]).abs().amax(-1)
    assert float((moved < 1e-6).double().mean()) > 0.8


def test_steps_on_new_images_encode_them_and_others_do_not(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(Options(size="tiny", batch=2, alone=True))
    encoded: list[int] = []
    autoencoder = bench.ours.learner.backbone.autoencoder
    encode = autoencoder.encode

    def counted(pixels: torch.Tensor) -> Any:
        encoded.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(autoencoder, "encode", counted)
    counts = []
    for work in (bench.ours.fit, bench.ours.fit, bench.ours.fit_latents_kept, bench.ours.fit_latents_kept):
        encoded.clear()
        work()
        counts.append(sum(encoded))
    assert counts == [4, 4, 4, 2]


def test_within_is_judged_by_each_result():
    left = {"losses": torch.tensor([1.0, 2.0]), "gradient": torch.ones(3), "keypoints": torch.full((1, 2, 2), 0.5)}
    assert differences(left, left, float32=True)["within"]
    assert "within" not in differences(left, left, float32=False)
    for name, change, there in [("losses", 1e-4, 5e-5), ("gradient", 1e-3, 1e-3), ("keypoints", 1e-3, 2e-3)]:
        right = left | {name: left[name] + change}
        found = differences(left, right, float32=True)
        assert not found["within"]
        assert found[name] == pytest.approx(there, rel=1e-2)
        assert found["keypoints_moved"] == 2 * (name == "keypoints")


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


def test_works_take_turns_and_some_take_fewer():
    order: list[str] = []

    def noted(name: str) -> dict[str, torch.Tensor]:
        order.append(name)
        return {}

    works = {name: partial(noted, name) for name in ("a", "b")}
    timings = in_turns(works, Rounds(warm_up=2, timed=3, fewer={"b": 1}), "cpu", lambda line: None, "task")
    assert "".join(order) == "aababaa"
    assert {name: len(timing.seconds) for name, timing in timings.items()} == {"a": 3, "b": 1}


def test_it_prints_a_table_and_writes_what_it_measured(tmp_path: Path):
    output, text = tmp_path / "new" / "speed.json", tmp_path / "speed.md"
    printed = ran("--steps", "2", "--views", "2", "--output", str(output), "--markdown", str(text))
    assert text.read_text() in printed
    found = json.loads(output.read_text())
    assert found["options"]["views"] == 2
    assert set(found["tasks"]["fit"]) == {"released", "ours", "ours_latents_kept"}
    assert len(found["tasks"]["fit"]["ours"]["seconds"]) == 2
    for task in ("fit", "predict"):
        medians = {side: timing["median_seconds"] for side, timing in found["tasks"][task].items()}
        assert found["speed_up"][task]["ours"] == pytest.approx(medians["released"] / medians["ours"])
        assert found["floor"]["seconds_per_image"][task] > 0
    assert found["agreement"]["fit"]["within"]


def test_our_side_alone(tmp_path: Path):
    output = tmp_path / "speed.json"
    ran("--views", "1", "--alone", "--dtype", "float16", "--memory", "low", "--output", str(output))
    found = json.loads(output.read_text())
    assert set(found["tasks"]["predict"]) == {"ours"}
    assert "speed_up" not in found


def test_the_released_side_gets_none_of_our_settings():
    bench = Bench(Options(size="tiny", memory="low"))
    assert bench.theirs is not None
    assert bench.ours.learner.backbone.unet.is_gradient_checkpointing
    assert not bench.theirs.released.parts.unet.is_gradient_checkpointing


def test_a_side_is_built_and_run_without_its_paths(monkeypatch: pytest.MonkeyPatch):
    options = Options(size="tiny", views=1, alone=True).resolved()
    parts = Bench(options).ours.learner.backbone.parts
    seen: list[tuple[str, ...]] = []

    def watch(kind: type, name: str) -> None:
        original = getattr(kind, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            seen.append(tuple(each for each in switches.NAMES if not switches.is_on(each)))
            return original(*arguments, **named)

        monkeypatch.setattr(kind, name, watched)

    watch(Backbone, "__init__")
    watch(Learner, "accumulate")
    watch(Learner, "locate")
    ours = Ours(options, parts, Inputs(options, parts.token_width), ("maps", "graphs"))
    ours.fit()
    ours.predict()
    assert seen == [("maps", "graphs")] * 3
    assert all(map(switches.is_on, switches.NAMES))


def test_each_path_is_switched_off_in_turn(tmp_path: Path):
    output = tmp_path / "speed.json"
    printed = ran("--variants", "--without", "norms", "--no-predict", "--output", str(output))
    assert "without blocks" in printed and "On a CPU no fast path is used" in printed
    found = json.loads(output.read_text())
    names = ["all on", *(f"without {name}" for name in ("blocks", "maps", "graphs", "all"))]
    assert list(found["tasks"]["fit"]) == names
    assert found["options"]["without"] == ["norms"]
    assert found["tasks"]["fit"]["all on"]["times_all_on"] == 1


def test_an_unknown_path_is_refused():
    with pytest.raises(UserError, match="--without magic: expected some of blocks, norms, maps, graphs"):
        CliRunner().invoke(app, [*TINY, "--without", "magic"], catch_exceptions=False)


def test_paths_that_the_environment_switches_off_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(switches.VARIABLE, "graphs")
    assert Options(size="tiny", without=("norms",)).resolved().without == ("norms", "graphs")


def test_variants_without_a_switch_have_contiguous_maps_or_compiled_norms():
    options = Options(size="tiny", views=1).resolved()
    parts = build(SIZES["tiny"], "cpu", torch.float32)
    inputs = Inputs(options, parts.token_width)
    found = variants._further(options, parts, inputs, switches.NAMES)
    norm = found["norms compiled"].learner.backbone.unet.conv_norm_out
    assert norm.forward.args[1] is FUNCTIONS["compiled"]
    contiguous = found["without all, contiguous"]
    assert contiguous.learner.backbone.memory_format == torch.contiguous_format
    assert set(contiguous.without) == set(switches.NAMES)
    assert "norms compiled" not in variants._further(options, parts, inputs, ("norms", "maps"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--half", "--profile"), "--profile, --half: these are different studies; take one"),
        (("--half", "--steps", "7", "--without", "norms"), "--half does not use --size, --steps, --without; leave"),
        (("--all", "--batch", "16"), "--all does not use --batch; leave it out"),
        (("--images", "3"), "the comparison does not use --images; leave it out"),
        (("--output", "/dev/null/speed.json"), "cannot write /dev/null/speed.json: "),
    ],
)
def test_options_that_a_study_does_not_use_are_refused_before_it_begins(arguments: tuple[str, ...], message: str):
    result = CliRunner().invoke(app, [*TINY, *arguments])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
