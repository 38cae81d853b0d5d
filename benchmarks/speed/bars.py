"""The bars: what the speed on a large GPU should be, at Stable Diffusion 1.5's size in half precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

GIB = 2**30
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Bar:
    """A number that must be at most, or at least, a limit; ``find`` reads it from the results of the parts."""

    name: str
    limit: float
    unit: str
    at_most: bool
    find: Callable[[Results], float]

    def judged(self, results: Results) -> dict[str, Any]:
        """The bar with what was measured, None where the measurement is missing, and whether it is met."""
        try:
            measured: float | None = self.find(results)
        except (KeyError, TypeError, ZeroDivisionError):
            measured = None
        met = None
        if measured is not None:
            met = measured <= self.limit if self.at_most else measured >= self.limit
        bound = "at most" if self.at_most else "at least"
        return {"name": self.name, "bar": f"{bound} {self.limit:g} {self.unit}", "measured": measured, "met": met}


def _each(results: Results, part: str, task: str) -> float:
    """Seconds an image of this implementation."""
    found = results[part]
    return float(found["tasks"][task]["ours"]["median_seconds"] / found["options"]["batch"])


def _low(results: Results) -> float:
    tasks = results["memory low"]["tasks"]
    return max(float(tasks[task]["ours"]["peak_bytes"]) for task in tasks) / GIB


def _moved(results: Results, dtype: str) -> float:
    found = results["half precision"]["half"]
    return 100 * max(float(each["moved_far"]) for name, each in found.items() if name.startswith(dtype))


def _waiting(results: Results) -> float:
    return 100 * max(float(results["photographs"][task]["share_waiting"]) for task in ("fit", "predict"))


BARS = (
    Bar("fit, batch 4", 20, "ms an image", True, lambda found: 1e3 * _each(found, "batch 4", "fit")),
    Bar("fit, batch 1", 40, "ms an image", True, lambda found: 1e3 * _each(found, "batch 1", "fit")),
    Bar("predict, ten views", 16, "images/s", False, lambda found: 1 / _each(found, "batch 4", "predict")),
    Bar("fit beside the released code", 12, "times", False, lambda found: found["batch 4"]["speed_up"]["fit"]["ours"]),
    Bar(
        "predict beside the released code",
        8,
        "times",
        False,
        lambda found: found["batch 4"]["speed_up"]["predict"]["ours"],
    ),
    Bar("peak memory, memory=low", 4, "GiB", True, _low),
    Bar("keypoints moved in float16", 1, "% by more than a 128th", True, lambda found: _moved(found, "float16")),
    Bar("keypoints moved in bfloat16", 1, "% by more than a 128th", True, lambda found: _moved(found, "bfloat16")),
    Bar("CPU waiting for image files", 10, "% of the time", True, _waiting),
)


def judged(results: Results) -> list[dict[str, Any]]:
    """Every bar with its measurement."""
    return [bar.judged(results) for bar in BARS]
