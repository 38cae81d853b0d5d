"""Getting a dataset: downloaded and unpacked where that is allowed, else said how it is done by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer
from rich.console import Console

from benchmarks.data.archive import refuse_page, refuse_without_room, unpack
from benchmarks.data.card import expected_tree
from benchmarks.data.status import find
from benchmarks.errors import UserError, first_line
from benchmarks.progress import Progress, Stage
from benchmarks.registry import full_name, open_dataset
from benchmarks.settings import DATA_ROOT, choose_data_root

if TYPE_CHECKING:
    from datasets.base import Archive, KeypointDataset

CHUNK = 1 << 20  # bytes between two states of the progress bar


def fetch(name: str, data_root: Path | None, source: Path | None = None, replace: bool = False) -> int:
    """Put a dataset into the data root, from the archive ``source`` or by download; the exit status (see the command).

    A folder that is there is left alone, or moved to FOLDER.old with ``replace``. Raises UserError for what the user
    can mend: an archive that is another, broken or unsafe, a root that cannot be written to, a dataset to get by hand.
    """
    root, _ = choose_data_root(data_root)
    dataset = open_dataset(full_name(name), root)
    if source:
        _refuse_source(dataset, source)
    if dataset.available()[0] and not replace:
        typer.echo(f"{name} is there, nothing to fetch; python -m benchmarks data verify {name} checks it")
        return 0
    archive = dataset.card.archive
    if archive is None:
        typer.echo(by_hand(dataset))
        raise UserError(f"{name} is not fetched: it has to be got by hand, as said above")
    if root is None:
        raise UserError(f"{name}: no data root to put it into; name a folder with --data-root or {DATA_ROOT}")
    target, aside = root / archive.folder, root / f"{archive.folder}.old"
    if target.exists() and not replace:
        raise UserError(
            f"{name}: {find(dataset).lacks}; {target} is left alone: --replace puts it aside for a whole one"
        )
    _refuse_unwritable(root, target, aside)
    progress = Progress(Console(stderr=True), 1)
    progress.start(archive.folder)
    try:
        with progress.running():
            file = _at_hand(source, archive) if source else _download(archive, root, progress)
            unpack(file, archive.folder, target, aside, progress.stage("unpack", "files"))
    except KeyboardInterrupt:
        typer.echo(f"interrupted: no {target} was made; a download begins anew", err=True)
        return 130
    typer.echo(f"{target} is unpacked from {file}, which may be removed")
    found, reason = open_dataset(full_name(name), root).available()
    typer.echo(f"python -m benchmarks data verify {name} checks it" if found else f"it still lacks: {reason}")
    return 0 if found else 1


def by_hand(dataset: KeypointDataset) -> str:
    """How to get a dataset that may not be downloaded directly, where its files belong, and what to do then."""
    card = dataset.card
    tree = f"\n\n{expected_tree(dataset)}" if card.tree else ""
    return (
        f"{card.id} has no direct download.\n"
        f"  licence        {card.licence}\n"
        f"  how to get it  {card.how_to_get}{tree}\n\n"
        f"then\n  python -m benchmarks data status {card.id}\n  python -m benchmarks data verify {card.id}"
    )


def _refuse_source(dataset: KeypointDataset, source: Path) -> None:
    card = dataset.card
    if card.archive is None:
        raise UserError(f"{card.id} has no archive that --from could name; data describe {card.id} says how to get it")
    if not source.is_file():
        raise UserError(f"no file {source} (from --from); name the archive got from {card.archive.url}")


def _refuse_unwritable(root: Path, target: Path, aside: Path) -> None:
    if target.exists() and aside.exists():
        raise UserError(f"{aside} is there already, so {target} cannot be put aside; remove or rename it")
    try:
        tempfile.TemporaryFile(dir=root).close()
    except OSError as error:
        raise UserError(f"cannot write to data root {root}: {error.strerror or error}; name another folder") from error


def _at_hand(path: Path, archive: Archive) -> Path:
    import pooch

    refuse_page(path, str(path))
    found = pooch.file_hash(str(path), alg="sha256")
    if found != archive.sha256:
        raise UserError(
            f"{path} has sha256 {found}, expected {archive.sha256}: it is cut short, or another file; "
            f"get {archive.url} again, or unpack it yourself and verify it"
        )
    return path


def _download(archive: Archive, root: Path, progress: Progress) -> Path:
    import pooch
    import requests

    bar = _Bar(progress.stage("download", "MB"), root)

    def download(url: str, file: str, _: object) -> None:
        pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK)(url, file, None)
        refuse_page(Path(file), url)

    name = PurePosixPath(urlsplit(archive.url).path).name
    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(pooch.retrieve(archive.url, f"sha256:{archive.sha256}", name, root, downloader=download))
    except requests.RequestException as error:
        raise UserError(
            f"cannot download {archive.url}: {first_line(error)}; get it in a browser and name it with --from FILE"
        ) from error
    except ValueError as error:  # what pooch raises for another hash
        raise UserError(f"{archive.url} is not the file expected, nothing was kept: {first_line(error)}") from error


class _Bar:
    """What pooch calls while it downloads: it sets ``total`` bytes first."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.total = 0
        self._done = 0
        self._stage = stage
        self._folder = folder

    def update(self, count: int) -> None:
        """So many bytes more, or less at the end."""
        if not self._done:
            refuse_without_room(self.total, self._folder)
        self._done += count
        total = self.total or self._done
        self._stage(min(self._done, total) // 10**6, total // 10**6)

    def reset(self) -> None:
        """Called at the end, before the whole is counted once more."""

    def close(self) -> None:
        """Nothing is held open."""
