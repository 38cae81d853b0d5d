"""``run --emit slurm``: a script that does one unit of a plan, and one that submits all units as job arrays."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.errors import UserError
from benchmarks.run.cluster.sbatch_options import check_line, header
from benchmarks.run.units.plan_file import PlanFile, write_plan
from benchmarks.run.units.unit import STAGES
from leaderboard.files import cannot_write, write_atomically

FOLDER, LOGS = "slurm", "logs"
UNIT, SUBMIT = "unit.sbatch", "submit.sh"
MAX_RESTARTS = 100  # a unit whose first checkpoint takes longer than the time of a job would be requeued for ever
_ROOT = Path(os.path.abspath(__file__)).parents[3]  # noqa: PTH100  (links keep their names)
_MATTERS = re.compile(
    r"(KEYPOINTS|OMP|KMP|MKL|OPENBLAS|CUBLAS|CUDNN|NVIDIA_TF32|PYTORCH|TORCH|HF|HUGGINGFACE|TRANSFORMERS|DIFFUSERS"
    r"|XDG_CACHE)_\w+"
)
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|CREDENTIAL|_KEY$")


def write_scripts(output: Path, plan: PlanFile, options: Mapping[str, str | None]) -> Path:
    """Write the scripts of a plan with at least one unit to ``output/slurm``; returns the path of submit.sh.

    ``options`` are those of ``parse_options``. The scripts use a copy of the plan that is named after its content, so
    that the jobs of an earlier plan keep theirs. Raises UserError for a path or an environment variable that cannot
    stand in a script, and for a folder that cannot be written.
    """
    folder = Path(os.path.abspath(output)) / FOLDER  # noqa: PTH100
    copy = folder / f"plan-{sha256(plan.model_dump_json().encode()).hexdigest()[:12]}.json"
    variables = environment(os.environ)
    _check({"--output": str(folder), "the current folder": str(Path.cwd())} | variables)
    logs = {"output": str(folder / LOGS).replace("%", "%%") + "/%A_%a.out"}
    texts = {
        UNIT: _render(
            UNIT,
            header=header(logs | dict(options), uses_gpu=plan.device.startswith(("auto", "cuda"))),
            variables=variables,
            folder=Path.cwd(),
            python=sys.executable,
            plan=copy,
            output=folder.parent,
            restarts=MAX_RESTARTS,
        ),
        SUBMIT: _render(SUBMIT, script=folder / UNIT, throttle=options.get("array") or "", stages=stages(plan)),
    }
    try:
        (folder / LOGS).mkdir(parents=True, exist_ok=True)  # SLURM makes no folder; without it a job fails silently
    except OSError as error:
        raise UserError(cannot_write(folder / LOGS, error)) from error
    write_plan(copy, plan)
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return folder / SUBMIT


def stages(plan: PlanFile) -> list[tuple[str, int, int]]:
    """Name, first unit and number of units of each stage that has units."""
    counts, first = Counter(unit.stage for unit in plan.units), 0
    found: list[tuple[str, int, int]] = []
    for stage in STAGES:
        if counts[stage]:
            found.append((stage, first, counts[stage]))
        first += counts[stage]
    return found


def environment(here: Mapping[str, str]) -> dict[str, str]:
    """The variables that change what a job does, sorted by name; the checkout comes first in PYTHONPATH.

    Names that sound like a secret are left out; sbatch passes the environment of whoever submits on anyway.
    """
    found = {name: value for name, value in here.items() if _MATTERS.fullmatch(name) and not _SECRET.search(name)}
    paths = [os.path.abspath(path) for path in here.get("PYTHONPATH", "").split(os.pathsep) if path]  # noqa: PTH100
    found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(_ROOT), *paths]))
    return dict(sorted(found.items()))


def _check(texts: Mapping[str, str]) -> None:
    for what, text in texts.items():
        check_line(text, what)
    if "\\" in texts["--output"]:
        raise UserError(
            f"--output: {texts['--output']} has a backslash, which SLURM does not take; name another folder"
        )


def _render(name: str, **values: Any) -> str:
    """A script from its template; the filter ``sh`` makes a value one word of a shell."""
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    templates = Environment(  # noqa: S701 - these are scripts, not pages
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    templates.filters["sh"] = lambda value: quote(str(value))
    return templates.get_template(name).render(**values)
