"""Parse values of the command line: data root, profile, tasks, settings and device."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from benchmarks.errors import UserError, near_match, unknown
from benchmarks.registry import NO_CHOICES, is_custom
from benchmarks.signals import signals_deferred
from benchmarks.tasks import SUITES, TASKS, Profile, Task, not_registered
from datasets.base import Choices

DATA_ROOT = "KEYPOINTS_DATA_ROOT"
NO_DATA_ROOT = f"no --data-root and no {DATA_ROOT}"


def cache_folder() -> Path:
    """The user's cache folder: XDG_CACHE_HOME if set, else that of the platform."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named:
        return Path(named) / "keypoint-benchmarks"
    import pooch

    return Path(pooch.os_cache("keypoint-benchmarks"))


def choose_data_root(option: Path | None) -> tuple[Path | None, str]:
    """The data root and its source, an option or a variable. Raises UserError for a missing folder."""
    named = os.environ.get(DATA_ROOT, "").strip()
    root, source = (option, "--data-root") if option else (Path(named) if named else None, DATA_ROOT)
    if root is not None and not root.is_dir():
        raise UserError(f"data root {root} (from {source}) is not a folder; name the folder that holds the datasets")
    return (root.resolve() if root else None), source


def choose_profile(option: str | None, data_root: Path | None) -> tuple[Profile, Path | None, str]:
    """The profile, the data root, and the reason for the profile. Raises UserError for an unknown profile."""
    profiles: tuple[Profile, ...] = get_args(Profile)
    if option is not None and option not in profiles:
        raise unknown("profile", option, profiles)
    if option == "mini":
        return "mini", None, "chosen with --profile"
    root, source = choose_data_root(data_root)
    if option == "paper":
        return "paper", root, "chosen with --profile"
    if root is not None:
        return "paper", root, f"data root {root} from {source}"
    return "mini", None, NO_DATA_ROOT


def choose_custom(split: Path | None, interocular: str | None, datasets: Sequence[str]) -> Choices:
    """The choices for custom data. Raises UserError unless exactly one of the datasets is custom data."""
    if split is None and interocular is None:
        return NO_CHOICES
    option = "--split" if split is not None else "--interocular"
    if len(list(filter(is_custom, datasets))) != 1:
        raise UserError(f"{option} goes with one --dataset of custom data, such as coco:FILE.json")
    return Choices(None if split is None else Path(os.path.abspath(split.expanduser())), interocular)  # noqa: PTH100


def choose_tasks(tasks: Sequence[str], suites: Sequence[str]) -> list[Task]:
    """The tasks of the suites, then those named one by one, each once. Raises UserError for an unknown name."""
    for suite in suites:
        if suite not in SUITES:
            raise unknown("suite", suite, SUITES)
    for task in tasks:
        if task not in TASKS:
            raise not_registered(task)
    names = [task for suite in suites for task in SUITES[suite].tasks] + list(tasks)
    if not names:
        raise UserError(f"nothing to run: name a --suite ({', '.join(SUITES)}), a --task or a --dataset; see list")
    return [TASKS[name] for name in dict.fromkeys(names)]


def parse_settings(assignments: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``method.name=value`` into {method: {name: value}}; a value is parsed as JSON if possible, else it is a string.

    Raises UserError for bad syntax and for a method that is not run.
    """
    settings: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        target, equals, text = assignment.partition("=")
        method, dot, name = target.strip().partition(".")
        if not (equals and dot and name):
            raise UserError(f"--set {assignment}: expected method.name=value, such as stable_keypoints.model=mini")
        if method not in methods:
            raise UserError(f"--set {assignment}: method '{method}' is not run here{near_match(method, methods)}")
        settings.setdefault(method, {})[name] = parse_value(text.strip())
    return settings


def parse_value(text: str) -> Any:
    """A number, true, false, null or a JSON list or object; anything else is the text itself."""
    words: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def choose_device(option: str) -> str:
    """The device; 'auto' is the GPU if there is one. Raises UserError for a missing device."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", option):
        raise UserError(f"--device {option}: expected auto, cpu, cuda, cuda:N or mps")
    if option == "cpu":
        return option
    with signals_deferred():
        import torch

    if option == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if option == "mps":
        there = torch.backends.mps.is_available()
    else:
        there = int(option.partition(":")[2] or 0) < torch.cuda.device_count()
    if not there:
        raise UserError(f"--device {option}: torch {torch.__version__} sees no such device; use --device cpu")
    return option
