"""Verification of a dataset: counts, digests, every annotation, and every image decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import typer
from rich.console import Console

from benchmarks.data.status import find
from benchmarks.data.verified import Verified, fingerprint
from benchmarks.errors import UserError, first_line
from benchmarks.progress import Progress
from benchmarks.registry import full_name, open_dataset
from benchmarks.run.images import available_cpus
from benchmarks.settings import cache_folder, choose_data_root
from datasets.base import SPLITS, DatasetError, KeypointDataset

SHOWN = 20  # problems of a dataset to print
SIDE = 32  # pixels to which a decoded image is resized
AHEAD = 4  # images submitted at a time, for each worker
EVERY = 50  # images between two updates of the progress bar


@dataclass(frozen=True)
class Verification:
    """Options of a verification: threads, folder of the record of verified images, and file for all problems."""

    annotations_only: bool = False
    workers: int | None = None
    cache: Path | None = None
    output: Path | None = None


class Problems:
    """Problems of a dataset: the first few are kept to be printed, and all are written to the file if there is one."""

    def __init__(self, dataset_id: str, file: TextIO | None) -> None:
        self._dataset_id = dataset_id
        self._file = file
        self.count = 0
        self.first: list[str] = []

    def add(self, text: str) -> None:
        """Record a problem."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(text)
        if self._file is not None:
            self._file.write(f"{self._dataset_id}\t{text}\n")

    def lines(self) -> Iterator[str]:
        """Lines to print: the number of problems, and the first of them."""
        yield f"  {self.count or 'no'} problem{'' if self.count == 1 else 's'}"
        yield from (f"    {text}" for text in self.first)
        if self.count > len(self.first):
            yield f"    and {self.count - len(self.first)} more; --output FILE writes them all"


class Check:
    """Check of one image: its annotation and, if ``verified`` is given, whether it can be decoded.

    Images in ``verified`` are not checked again; valid ones are added to it.
    """

    def __init__(self, dataset: KeypointDataset, digests: dict[str, str], verified: Verified | None) -> None:
        self._dataset = dataset
        self._digests = digests
        self._verified = verified

    def __call__(self, image_id: str) -> tuple[str, bool]:
        """The problem of an image, or '', and whether the image was verified before."""
        known = ""
        try:
            if self._verified is not None:
                names = (self._dataset.card.id, self._digests[image_id], image_id)
                known = fingerprint(names, self._dataset.files(image_id))
                if known and known in self._verified:
                    return "", True
                self._dataset.image(image_id, SIDE)
            self._check_annotation(image_id)
        except DatasetError as error:
            return f"{image_id}: {first_line(error)}", False
        except Exception as error:  # decoders raise many kinds for broken files
            return f"{image_id}: {type(error).__name__}: {first_line(error)}", False
        if known and self._verified is not None:
            self._verified.add(known)
        return "", False

    def _check_annotation(self, image_id: str) -> None:
        annotation, count = self._dataset.annotation(image_id), len(self._dataset.card.landmark_names)
        shapes = annotation.landmarks.shape, annotation.visible.shape
        if shapes != ((count, 2), (count,)):
            raise DatasetError(f"got landmarks and visible of shapes {shapes}, expected those of {count} landmarks")
        if not np.isfinite(annotation.landmarks[annotation.visible]).all():
            raise DatasetError("a visible landmark has no finite coordinates")


def verify(names: Sequence[str], data_root: Path | None, how: Verification) -> int:
    """Verify datasets one after the other; returns 0 without problems, 1 with some, 130 if interrupted.

    Raises UserError for an unknown name and a missing data root.
    """
    root, _ = choose_data_root(data_root)
    datasets = [open_dataset(name, root) for name in dict.fromkeys(map(full_name, names))]
    for dataset in datasets:
        found, reason = dataset.annotated()
        if root is None and not found:
            raise UserError(reason)
    progress = Progress(Console(stderr=True), len(datasets))
    count = 0
    try:
        with how.output.open("w", encoding="utf-8") if how.output else nullcontext() as file:
            for dataset in datasets:
                problems = Problems(dataset.card.id, file)
                typer.echo(dataset.card.id)
                _verify(dataset, how, problems, progress)
                typer.echo("\n".join(problems.lines()))
                count += problems.count
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command continues after the images verified so far", err=True)
        return 130
    return 1 if count else 0


def _verify(dataset: KeypointDataset, how: Verification, problems: Problems, progress: Progress) -> None:
    """Verify one dataset: print what was checked, and collect the problems."""
    progress.start(dataset.card.id)
    found = find(dataset)
    if not found.annotated:
        problems.add(dataset.annotated()[1])
        return
    digests = _check_splits(dataset, problems)
    absent = found.images == "missing"
    if absent and not how.annotations_only:
        problems.add(f"images are missing: {found.no_images}; --annotations-only verifies all that scoring needs")
    decode = not (absent or how.annotations_only)
    before = problems.count
    with Verified(how.cache or cache_folder(), dataset.card.id) if decode else nullcontext() as verified:
        check = Check(dataset, digests, verified)
        skipped = _check_images(check, tuple(digests), how.workers or available_cpus(), problems, progress)
    sound = len(digests) - problems.count + before
    done = f"{sound} of {len(digests)} decode, {skipped} of them verified before" if decode else "none decoded"
    typer.echo(f"  images   {done}" + ("" if decode else f"; {sound} of {len(digests)} annotations read"))


def _check_splits(dataset: KeypointDataset, problems: Problems) -> dict[str, str]:
    """Check count and digest of each split; returns the digest of the first split of each image."""
    digests: dict[str, str] = {}
    for name in SPLITS:
        try:
            ids, digest = dataset.split(name), dataset.digest(name)
        except DatasetError as error:
            problems.add(f"{name}: {first_line(error)}")
            continue
        known = dataset.card.digests.get(name)
        said = "equal to the reference" if known == digest else "no reference to compare with"
        if known not in (None, digest):
            said = "differs from the reference"
            problems.add(f"{name}: digest {digest} differs from the reference {known}: other annotations")
        typer.echo(f"  {name:<7}  {len(ids)} images, digest {digest}, {said}")
        for image_id in ids:
            digests.setdefault(image_id, digest)
    return digests


def _check_images(check: Check, ids: Sequence[str], workers: int, problems: Problems, progress: Progress) -> int:
    """Check all images; returns the number of those that were verified before."""
    stage = progress.stage("verify", "images")
    skipped = 0
    with progress.running(), ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        for done, (problem, known) in enumerate(in_order(pool, check, ids, AHEAD * workers), start=1):
            skipped += known
            if problem:
                problems.add(problem)
            if done % EVERY == 0 or done == len(ids):
                stage(done, len(ids))
    return skipped


def in_order(
    pool: ThreadPoolExecutor, check: Callable[[str], tuple[str, bool]], ids: Iterable[str], ahead: int
) -> Iterator[tuple[str, bool]]:
    """Results of ``check`` in the order of the ids; at most ``ahead`` are submitted at a time, which bounds memory."""
    pending: deque[Future[tuple[str, bool]]] = deque()
    for image_id in ids:
        if len(pending) == ahead:
            yield pending.popleft().result()
        pending.append(pool.submit(check, image_id))
    while pending:
        yield pending.popleft().result()
