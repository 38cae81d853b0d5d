"""Options of sbatch, as ``run --slurm NAME=VALUE`` gives them and as the lines ``#SBATCH --NAME=VALUE`` of a script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.errors import UserError

DEFAULTS: Mapping[str, str | None] = {
    "job-name": "keypoints",
    "nodes": "1",
    "ntasks": "1",
    "gres": "gpu:1",
    "requeue": None,
    "open-mode": "append",
    "signal": "B:TERM@120",
}
GPUS = ("gres", "gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task")
NO_GPU = ("0", "none", "gpu:0")
THROTTLE = re.compile(r"%[1-9]\d*")
WARNING = re.compile(r"B:(SIG)?TERM@[1-9]\d*")


def parse_options(assignments: Sequence[str]) -> dict[str, str | None]:
    """``NAME=VALUE`` as {NAME: VALUE}; the value of a NAME alone, such as "exclusive", is None.

    Raises UserError for a name or value that cannot stand in a script, and for options that the scripts set.
    """
    found: dict[str, str | None] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name = name.strip().removeprefix("--")
        if not re.fullmatch(r"[a-z][a-z0-9]+(-[a-z0-9]+)*", name):
            raise UserError(
                f"--slurm {assignment!r}: expected NAME=VALUE with the long name of an option of sbatch, such as "
                "partition=gpu or time=04:00:00"
            )
        check_line(value, f"--slurm {name}")
        if equals and not value:
            raise UserError(f"--slurm {name}=: expected a value after '='")
        _check_owned(name, value)
        found[name] = value if equals else None
    return found


def check_line(text: str, what: str) -> None:
    """Raise UserError for a text with characters that end a line or cannot be printed."""
    if not text.isprintable():
        raise UserError(f"{what}: {text!r} has a line break or another control character, which no script can hold")


def header(options: Mapping[str, str | None], uses_gpu: bool) -> list[str]:
    """The lines ``#SBATCH --NAME=VALUE``: the defaults, changed and followed by ``options``, without "array".

    A job has one GPU if ``uses_gpu``, unless ``options`` say how many; with 0 GPUs there is no line about them.
    """
    named = [name for name in GPUS if name in options]
    lines = {name: value for name, value in DEFAULTS.items() if name != "gres" or (uses_gpu and not named)}
    if "no-requeue" in options:
        del lines["requeue"]
    lines |= {name: value for name, value in options.items() if name != "array"}
    for name in named:
        if options[name] in NO_GPU:
            del lines[name]
    return [f"#SBATCH --{name}" + ("" if value is None else f"={quoted(value)}") for name, value in lines.items()]


def quoted(value: str) -> str:
    """A value as sbatch reads it in a line ``#SBATCH``: its quotes and backslashes are not those of a shell."""
    if re.fullmatch(r"[\w.,:@%+=/\[\]*&|-]+", value):
        return value
    return '"' + re.sub(r'([\\"\'#])', r"\\\1", value) + '"'


def _check_owned(name: str, value: str) -> None:
    """Raise UserError if a value does not go with the scripts, which set some options themselves."""
    if name == "array" and not THROTTLE.fullmatch(value):
        raise UserError(
            f"--slurm array={value}: submit.sh numbers the jobs; expected %N for at most N jobs at a time, such as "
            "array=%16"
        )
    if name == "signal" and not WARNING.fullmatch(value):
        raise UserError(
            f"--slurm signal={value}: expected B:TERM@N, as the script keeps a checkpoint N seconds before the time is "
            "over, such as signal=B:TERM@300"
        )
    if name in ("dependency", "parsable", "wrap"):
        raise UserError(f"--slurm {name}: submit.sh sets how the jobs depend on each other; leave this out")
