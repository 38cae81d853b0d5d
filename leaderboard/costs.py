"""What a row cost: seconds, hardware, memory and parameters, from the records of its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from leaderboard.records import ResultRecord
from leaderboard.row_kinds import kind_of

NO_LABELS = ("unsupervised", "none", "self-supervised")


def costs(group: Sequence[ResultRecord]) -> dict[str, Any]:
    """Fields of a row: means over the finished seeds, and the labels used; None for what is not known.

    Fits that continued from a checkpoint do not count, because their seconds count from there. Keypoints that were made
    elsewhere have no costs here.
    """
    done = [record for record in group if record.status == "done"]
    own = [record for record in done if kind_of(record) == "trained"]
    whole = [record for record in own if record.provenance.get("fit_resumed") is not True]
    numbers = next((found for record in reversed(own) if (found := _parameters(record))), {})
    return {
        "labels": labels_of(group[0]),
        "seconds": _mean(sum(record.seconds.values()) for record in done) if group[0].seconds else None,
        "fit_seconds": _mean(record.seconds.get("fit") for record in whole),
        "image_ms": _mean(_image_ms(record) for record in own),
        "hardware": " or ".join(dict.fromkeys(name for record in own if (name := _hardware(record)))) or None,
        "peak_memory_mb": _mean(record.peak_memory_mb for record in own),
        "parameters": numbers.get("own"),
        "frozen_parameters": numbers.get("frozen"),
    }


def labels_of(record: ResultRecord) -> str:
    """The labels that a method used in training: 'none', 'landmarks', or its supervision in words."""
    if record.supervised:
        return "landmarks"
    return "none" if record.supervision in NO_LABELS else record.supervision


def _mean(values: Any) -> float | None:
    found = [value for value in values if value is not None]
    return fmean(found) if found else None


def _image_ms(record: ResultRecord) -> float | None:
    """Milliseconds of prediction for an image; older records do not say how many images there were."""
    seconds, images = record.seconds.get("predict"), record.provenance.get("images_predicted")
    if not isinstance(images, int):
        images = max([score.n_fit + score.n_test for score in record.scores], default=0)
    return None if seconds is None or images < 1 else 1000 * seconds / images


def _hardware(record: ResultRecord) -> str:
    """Such as 'gpu NVIDIA H200' or 'cpu AMD EPYC'; '' if the record does not say on which device it was made."""
    device, processes = record.provenance.get("device"), record.provenance.get("processes")
    if not isinstance(device, str):
        return ""
    kind = "cpu" if device.startswith("cpu") else "gpu"
    several = f"{processes} x " if isinstance(processes, int) and processes > 1 else ""
    return f"{several}{kind} {record.provenance.get(kind) or ''}".strip()


def _parameters(record: ResultRecord) -> dict[str, int]:
    found = record.provenance.get("parameters")
    return {name: n for name, n in found.items() if isinstance(n, int)} if isinstance(found, dict) else {}
