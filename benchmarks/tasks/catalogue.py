"""Tasks and suites: those of the paper's tables, those of installed packages, and new tasks on any other dataset.

A package registers tasks and suites through the entry point group ``keypoint_benchmarks.tasks``; an entry point names a
module attribute that is a list of ``Task`` and ``Suite`` records. In the mini profile a dataset is replaced by its
synthetic counterpart, if there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar

import typer
from pydantic import BaseModel, ConfigDict

from benchmarks.errors import UserError
from benchmarks.registry import DATASETS, Registry, mini_counterpart, open_dataset
from leaderboard.suites import Suite
from metrics.errors import MetricError
from metrics.protocols import PROTOCOLS, expand

if TYPE_CHECKING:
    from datasets.base import DatasetCard
    from metrics.protocols import Need

Profile = Literal["mini", "paper"]
OWNER = "benchmarks/tasks/catalogue.py"


class Task(BaseModel):
    """A task: the datasets to learn and measure keypoints on, the number of keypoints, and the protocols.

    ``fit_on`` is the dataset to learn on, if it differs from ``dataset``. ``fit_images`` is the number of images to
    learn on, None for all. ``protocols`` are ids, the headline first; if there are none, a look-up in ``TASKS`` adds
    those of the dataset's card.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    dataset: str
    fit_on: str | None = None
    num_keypoints: int
    protocols: tuple[str, ...] = ()
    fit_images: int | None = None

    @property
    def name(self) -> str:
        """The id; suites have the same attribute."""
        return self.id

    def dataset_id(self, profile: Profile) -> str:
        """Name of the dataset that is regressed and tested on."""
        return mini_counterpart(self.dataset) if profile == "mini" else self.dataset

    def fit_dataset_id(self, profile: Profile) -> str:
        """Name of the dataset that keypoints are learned on."""
        source = self.fit_on or self.dataset
        return mini_counterpart(source) if profile == "mini" else source

    def choose_fit(self, ids: Sequence[str], seed: int) -> tuple[str, ...]:
        """The images to learn on: all, or ``fit_images`` of them, chosen by the seed and their ids.

        For one seed, the images of a smaller number are a subset of those of a larger one. Raises UserError if there
        are too few.
        """
        if self.fit_images is None:
            return tuple(ids)
        if len(ids) < self.fit_images:
            raise UserError(too_few(self, len(ids)))
        return tuple(sorted(ids, key=lambda id: hashlib.sha256(f"{seed}:{id}".encode()).digest())[: self.fit_images])


def too_few(task: Task, count: int) -> str:
    """The error message for a task that learns on more images than its dataset has."""
    return (
        f"{task.id} learns on {task.fit_images} images, there are {count}; take a task with fewer, or without a number"
    )


Record = TypeVar("Record", bound="Task | Suite")


class Known(MutableMapping[str, Record]):
    """Tasks or suites by name: the repository's own and, after these, those of installed packages.

    Packages are imported only for a name that the repository does not have. A package that cannot be imported is left
    out with a warning. Raises UserError, naming both owners, for a name that is registered twice.
    """

    def __init__(self, records: Iterable[Record], kind: type[Record]) -> None:
        self._own: dict[str, Record] = {record.name: record for record in records}
        self._kind = kind

    def __getitem__(self, name: str) -> Record:
        return self._own[name] if name in self._own else self._from_packages()[name]

    def __setitem__(self, name: str, record: Record) -> None:
        self._own[name] = record

    def __delitem__(self, name: str) -> None:
        del self._own[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._from_packages()

    def __iter__(self) -> Iterator[str]:
        yield from [*self._own, *self._from_packages()]

    def __len__(self) -> int:
        return len(self._own) + len(self._from_packages())

    def _from_packages(self) -> dict[str, Record]:
        found: dict[str, Record] = {}
        owners = dict.fromkeys(self._own, OWNER)
        for owner, record in records_of_packages():
            if isinstance(record, self._kind):
                if record.name in owners:
                    raise UserError(
                        f"{self._kind.__name__.lower()} '{record.name}' is registered twice, by "
                        f"{owners[record.name]} and by {owner}; uninstall or rename one of them"
                    )
                owners[record.name], found[record.name] = owner, record
        return found


@cache
def records_of_packages() -> tuple[tuple[str, Task | Suite], ...]:
    """The tasks and suites of installed packages, each with its owner.

    A package that cannot be imported gives a warning. Raises UserError for an entry point that is no list of records,
    and for a suite with an unknown task.
    """
    registry = Registry("task", {}, OWNER)
    found: list[tuple[str, Task | Suite]] = []
    for name, entry in registry.entries.items():
        try:
            records = registry.load(name)
        except UserError as error:
            typer.echo(f"warning: {error}", err=True)
            continue
        if not isinstance(records, list | tuple) or not all(isinstance(each, Task | Suite) for each in records):
            raise UserError(f"{registry.origin(name)}: expected a list of benchmarks.tasks.Task and Suite records")
        found += [(entry.owner, each) for each in records]
    tasks = [*_IDS, *(record.name for _, record in found if isinstance(record, Task))]
    for owner, record in found:
        if isinstance(record, Suite) and (missing := [task for task in record.tasks if task not in tasks]):
            raise UserError(f"suite '{record.name}' of {owner} has the unknown task '{missing[0]}'")
    return tuple(found)


class KnownTasks(Known[Task]):
    """Tasks by name; one that states no protocols gets those of its dataset's card."""

    def __getitem__(self, name: str) -> Task:
        task = super().__getitem__(name)
        return task if task.protocols else _with_protocols(task)


def protocols_of(card: DatasetCard) -> tuple[str, ...]:
    """Ids of the protocols that a dataset's card names and whose needs it meets, then those without landmarks.

    That for masks is among them, as the dataset's synthetic counterpart has masks. A card that names none gets the set
    for faces if it states the eyes, otherwise the general set. Raises UserError for an unknown name.
    """
    named = card.protocols or ("faces" if card.interocular else "general",)
    try:
        return given_by(card, expand((*(named if card.landmark_names else ()), "label_free")))
    except MetricError as error:
        raise UserError(f"card of dataset {card.id}: {error}") from error


def given_by(
    card: DatasetCard, protocols: Iterable[str], masked: bool = True, num_keypoints: int = 2, runs_here: bool = True
) -> tuple[str, ...]:
    """The protocols whose needs are met, and that are for the number of landmarks on a dataset's card.

    Beside the card, needs are about masks of the test images, which may or may not be there, about the number of
    keypoints, and about the method itself, which ``runs_here`` unless its keypoints come from elsewhere.
    """
    has: dict[Need, object] = {
        "interocular": card.interocular,
        "left_right_pairs": card.left_right_pairs,
        "boxes": card.has_boxes,
        "masks": masked,
        "two_keypoints": num_keypoints >= 2,
        "model": runs_here,
    }
    suited = [name for name in protocols if PROTOCOLS[name].is_for(len(card.landmark_names))]
    return tuple(name for name in suited if all(has[need] for need in PROTOCOLS[name].needs))


def _with_protocols(task: Task) -> Task:
    """The task with the protocols of its dataset's card; unchanged if no such dataset is registered."""
    name = task.dataset if task.dataset in DATASETS.entries else mini_counterpart(task.dataset)
    if name not in DATASETS.entries:
        return task
    return task.model_copy(update={"protocols": protocols_of(open_dataset(name, None).card)})


def _parts(count: int) -> Task:
    protocols = (*expand(["parts"]), "strict/side", *expand(["label_free"]))
    return Task(id=f"cub_parts_k{count}", dataset="cub_all", num_keypoints=count, protocols=protocols)


def _mafl(count: int) -> Task:
    everything = ("sanchez/forward_mallis", "sanchez/backward", *expand(["faces", "label_free"]))
    protocols = [
        name for name in dict.fromkeys(everything) if PROTOCOLS[name].is_for(5) and name != "label_free/in_box"
    ]
    return Task(id=f"mafl_k{count}", dataset="mafl", num_keypoints=count, protocols=tuple(protocols))


def _mafl_68(count: int) -> Task:
    return Task(id=f"mafl_68_k{count}", dataset="mafl_68", fit_on="mafl", num_keypoints=count)


def _fewer(count: int) -> Task:
    return Task(id=f"celeba_wild_k8_fit{count}", dataset="celeba_wild", num_keypoints=8, fit_images=count)


_TASKS = (
    Task(id="celeba_aligned", dataset="celeba_aligned", num_keypoints=10),
    Task(id="cub_aligned", dataset="cub_aligned", num_keypoints=10),
    Task(id="human36m", dataset="human36m", num_keypoints=16),
    Task(id="celeba_wild_k4", dataset="celeba_wild", num_keypoints=4),
    Task(id="celeba_wild_k8", dataset="celeba_wild", num_keypoints=8),
    *(Task(id=name, dataset=name, num_keypoints=4) for name in ("cub_001", "cub_002", "cub_003", "cub_all")),
    Task(id="taichi", dataset="taichi", num_keypoints=10),
    Task(id="deepfashion", dataset="deepfashion", num_keypoints=16),
    Task(id="human36m_unaligned", dataset="human36m_unaligned", num_keypoints=16),
    Task(id="taichi_to_human36m_unaligned", dataset="human36m_unaligned", num_keypoints=10, fit_on="taichi"),
    Task(id="cub_aligned_to_taichi", dataset="taichi", num_keypoints=10, fit_on="cub_aligned"),
    Task(id="celeba_wild_to_taichi", dataset="taichi", num_keypoints=8, fit_on="celeba_wild"),
    Task(id="celeba_wild_to_cub_all", dataset="cub_all", num_keypoints=8, fit_on="celeba_wild"),
    *map(_fewer, (5, 10, 30, 100)),
    *(Task(id=f"celeba_wild_k{count}", dataset="celeba_wild", num_keypoints=count) for count in (10, 16, 30)),
    *map(_parts, (4, 8, 16)),
    *map(_mafl, (10, 30, 50)),
    *map(_mafl_68, (10, 30, 50)),
)
_IDS = [task.id for task in _TASKS]
_SUITES = (
    Suite(name="aligned", tasks=tuple(_IDS[:3]), summary="aligned images (Tables 1 to 3)"),
    Suite(name="wild", tasks=tuple(_IDS[3:12]), summary="images in the wild (Tables 1 to 3)"),
    Suite(
        name="generalization",
        tasks=tuple(_IDS[12:16]),
        summary="keypoints learned on one dataset and measured on another (Table 5)",
    ),
    Suite(name="ablation", tasks=("cub_all",), kind="ablation", summary="ablations of each method (Table 4)"),
    Suite(
        name="data_efficiency",
        tasks=(*_IDS[16:20], "celeba_wild_k8"),
        summary="keypoints learned on few images (section 4.3)",
    ),
    Suite(
        name="num_keypoints",
        tasks=("celeba_wild_k4", "celeba_wild_k8", *_IDS[20:23]),
        summary="numbers of keypoints: K = 4, 8, 10, 16, 30",
    ),
    Suite(
        name="parts",
        tasks=tuple(_IDS[23:26]),
        summary="birds' parts by nearest keypoints (NMI, ARI), as papers on part discovery report: K = 4, 8, 16",
    ),
    Suite(
        name="mafl",
        tasks=tuple(_IDS[26:29]),
        summary="MAFL as papers on faces report it: K = 10, 30, 50, forward and backward error of five landmarks",
    ),
    Suite(
        name="mafl_68",
        tasks=tuple(_IDS[29:]),
        summary="the keypoints of MAFL scored on 68 landmarks, which need the file of Mallis et al.",
    ),
    Suite(
        name="misalignment",
        tasks=("celeba_aligned", "celeba_wild_k8", "cub_aligned", "cub_all", "human36m", "human36m_unaligned"),
        kind="pairs",
        summary="aligned against wild images, in pairs",
    ),
)
TASKS = KnownTasks(_TASKS, Task)
SUITES = Known(_SUITES, Suite)
