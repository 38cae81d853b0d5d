"""What MLflow's run of a cell holds: parameters, metrics, tags, a description, inputs and files."""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError, first_line
from benchmarks.records.checks import record_fault
from benchmarks.records.mlflow_store import CELL, HEADLINE, without_secrets
from benchmarks.records.store import HISTORY, OVERLAY, RESULT, read_columns
from leaderboard.load import CURE, read_record
from leaderboard.markdown import MISSING, grid
from leaderboard.records import ResultRecord, ScoreRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.tables import render, rows
from leaderboard.text import markdown
from metrics.protocols import significant, value_text

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric

PICTURES = "pictures_sha256"
NOTE = "mlflow.note.content"  # shown as the description of a run
TABLE = "leaderboard.md"
NOTE_LENGTH = 5000  # characters of a tag that every version of MLflow takes
DECIMALS = 3
CURVE_POINTS = 400
PARAMS, PARAM_LENGTH = 100, 6000
DIGEST_LENGTH = 36


@dataclass(frozen=True)
class Cell:
    """A cell of a run directory: its folder, the sha256 of its record, and the record."""

    folder: Path
    sha256: str
    record: ResultRecord


def read_cell(folder: Path) -> Cell:
    """Read the record of a cell; no path is taken from the record. Raises UserError if there is none to trust."""
    path = folder / RESULT
    if folder.is_symlink() or path.is_symlink():
        raise UserError("it is a symbolic link, expected a folder with the files of a cell")
    if fault := record_fault(folder.parent.parent, folder.name):
        raise UserError(f"{fault.text}; {CURE}")
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        record = read_record(path)
    except (OSError, ValueError) as error:
        raise UserError(f"it has no {RESULT} that can be read; run the cell again or remove the folder") from error
    if record.cell_id != folder.name:
        raise UserError(f"{RESULT} is the record of another cell, {record.cell_id}; remove the folder or rename it")
    return Cell(folder, content, record)


@dataclass(frozen=True)
class Content:
    """What the run of a cell holds; times are in milliseconds since 1970."""

    name: str
    start: int
    end: int
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[Metric]
    inputs: list[DatasetInput]
    files: list[Path]


def content(cell: Cell) -> Content:
    """Read everything that MLflow gets of a cell, before any of it is written. Raises UserError for a broken file."""
    record = cell.record
    end = round(datetime.fromisoformat(record.provenance["date"]).timestamp() * 1000)
    variant = f", {record.variant.name}" if record.variant else ""
    pictures = pictures_sha256(cell.folder)
    return Content(
        name=f"{record.method}{variant} {record.task} s{record.seed}",
        start=end - round(1000 * sum(record.seconds.values())),
        end=end,
        tags=_tags(record) | ({PICTURES: pictures} if pictures else {}),
        params=dict([(name, value[:PARAM_LENGTH]) for name, value in _params(record).items()][:PARAMS]),
        metrics=_metrics(cell, end),
        inputs=_inputs(record),
        files=_files(cell.folder),
    )


def origin(argv: Sequence[object], commit: object, dirty: object) -> dict[str, str]:
    """The tags that MLflow's pages show as source, version and user of a run."""
    found = {"mlflow.source.type": "LOCAL"}
    with suppress(OSError, KeyError, ImportError):  # a user without a name, as in some containers
        found["mlflow.user"] = getpass.getuser()
    if argv:
        command = without_secrets(shlex.join(map(str, argv)))
        found |= {"mlflow.source.name": f"python -m benchmarks {argv[0]}", "command": command[:NOTE_LENGTH]}
    if commit:
        found |= {"mlflow.source.git.commit": str(commit), "mlflow.source.git.dirty": json.dumps(bool(dirty))}
    return found


def table(records: Sequence[ResultRecord]) -> str:
    """The results as markdown tables: one for each profile, followed by one of the ablations; '' without results."""
    parts = []
    for profile in sorted({record.profile for record in records}):
        tasks = list(dict.fromkeys(record.task for record in records if record.profile == profile))
        for title, ablations in (("", False), (", ablations", True)):
            found = [row for row in rows(records, tasks, profile, ablations=ablations) if row.kind in MEASURED]
            if not ablations or any(row.variant for row in found):
                parts.append(render(found, "md", f"{profile} profile{title}"))
    return "\n".join(parts)


def note(text: str) -> str:
    """The text as a description, or where to find it if it is too long for one."""
    return text if len(text) <= NOTE_LENGTH else f"The table is long: see the artifact {TABLE}."


def _tags(record: ResultRecord) -> dict[str, str]:
    provenance = record.provenance
    found = {CELL: record.cell_id, "status": record.status, NOTE: note(_description(record))}
    found |= {f"digest.{split}": digest for split, digest in record.dataset_digests.items()}
    found |= origin(provenance.get("argv") or [], provenance.get("git_sha"), provenance.get("git_dirty"))
    for score in record.scores[:1]:
        found |= {
            "headline_protocol": score.protocol,
            "headline_unit": score.unit,
            "headline_interval": _interval(score),
        }
    return found


def _description(record: ResultRecord) -> str:
    """The scores of a cell with their intervals, or why it failed."""
    if record.failure:
        return markdown(f"failed: {record.failure.type}: {record.failure.message}")
    lines = [
        [markdown(each.protocol), value_text(each.protocol, each.value, DECIMALS), _interval(each), _unit(each)]
        for each in record.scores
    ]
    return grid(["protocol", "value", "95 % interval", "unit"], lines)


def _interval(score: ScoreRecord) -> str:
    if score.ci_low is None or score.ci_high is None:
        return MISSING
    return " to ".join(value_text(score.protocol, end, DECIMALS, score.value) for end in (score.ci_low, score.ci_high))


def _unit(score: ScoreRecord) -> str:
    return f"{markdown(score.unit)}, {'higher' if score.higher_is_better else 'lower'} is better"


def _params(record: ResultRecord) -> dict[str, str]:
    about = {
        "method": record.method,
        "method_version": record.method_version,
        "task": record.task,
        "profile": record.profile,
        "dataset": record.dataset,
        "fit_dataset": record.fit_dataset,
        "num_keypoints": record.num_keypoints,
        "seed": record.seed,
        "limit": record.n_images_limit,
    }
    about = {name: value for name, value in about.items() if value is not None}
    config = {f"config.{name}": value for name, value in record.method_config.items()}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in (about | config).items()}


def numbers(record: ResultRecord) -> dict[str, float]:
    """The metrics of a record, with the headline first."""
    values = {score.protocol: significant(score.protocol, score.value) for score in record.scores}
    found = {HEADLINE: values[record.scores[0].protocol]} if record.scores else {}
    found |= values | {f"seconds/{name}": value for name, value in record.seconds.items()}
    return found | ({} if record.peak_memory_mb is None else {"peak_memory_mb": record.peak_memory_mb})


def _metrics(cell: Cell, time: int) -> list[Metric]:
    """The finite numbers of a cell and its curves; MLflow's stores would turn infinity into 1.8e308."""
    from mlflow.entities import Metric

    once = [(name, 0, value) for name, value in numbers(cell.record).items()]
    return [Metric(name, value, time, step) for name, step, value in [*once, *_curves(cell)] if math.isfinite(value)]


def _curves(cell: Cell) -> Iterator[tuple[str, int, float]]:
    """Yield (metric, step, value) of a fit's scalars, about CURVE_POINTS steps of each."""
    path = cell.folder / HISTORY
    if not path.exists():
        return
    try:
        columns = read_columns(path)
        steps = columns.pop("step")
        stride = -(-len(steps) // CURVE_POINTS)
        for name, values in columns.items():
            for step, value in list(zip(steps, values, strict=True))[::stride]:
                yield f"fit/{name}", int(step), float(value)
    except Exception as error:  # pyarrow raises many kinds
        raise UserError(f"{HISTORY} cannot be read ({first_line(error)[:300]})") from error


def _inputs(record: ResultRecord) -> list[DatasetInput]:
    """The datasets as MLflow's inputs: name and digest, no data."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    inputs = []
    for split, digest in record.dataset_digests.items():
        name = record.fit_dataset if split == "fit" else record.dataset
        entity = MetaDataset(CodeDatasetSource(tags={}), name=name, digest=digest[:DIGEST_LENGTH])._to_mlflow_entity()
        inputs.append(DatasetInput(entity, [InputTag("mlflow.data.context", split)]))
    return inputs


def _files(folder: Path) -> list[Path]:
    """The files of a cell, without links, which could lead out of its folder, and without folders."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())


def pictures(folder: Path) -> list[Path]:
    """The pictures that ``show`` made of a cell, without the one that was made with its record."""
    return [path for path in _files(folder) if path.suffix == ".png" and path.name != OVERLAY]


def pictures_sha256(folder: Path) -> str:
    """sha256 of all pictures; '' if there are none."""
    found = pictures(folder)
    return hashlib.sha256(b"".join(path.read_bytes() for path in found)).hexdigest() if found else ""
