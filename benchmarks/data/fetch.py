"""Downloading and unpacking a dataset, or instructions if its licence allows no direct download."""

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

CHUNK = 1 << 20  # bytes between two updates of the progress bar


def fetch(name: str, data_root: Path | None, source: Path | None = None, replace: bool = False) -> int:
    """Put a dataset into the data root, from the archive ``source`` or by download; returns the command's exit status.

    An existing folder is kept, or moved to FOLDER.old with ``replace``. Raises UserError if the archive is broken,
    unsafe or another file than expected, if the root is not writable, or if the dataset has no direct download.
    """
    root, _ = choose_data_root(data_root)
    dataset = open_dataset(full_name(name), root)
    if source:
        _refuse_source(dataset, source)
    if dataset.available()[0] and not replace:
        typer.echo(f"{name} is complete, nothing to fetch; python -m benchmarks data verify {name} checks it")
        return 0
    archive = dataset.card.archive
    if archive is None:
        typer.echo(instructions(dataset))
        raise UserError(f"{name} has no direct download; follow the instructions above")
    if root is None:
        raise UserError(f"{name}: no data root to unpack it into; name a folder with --data-root or {DATA_ROOT}")
    target, aside = root / archive.folder, root / f"{archive.folder}.old"
    if target.exists() and not replace:
        raise UserError(f"{name}: {find(dataset).lacks}; {target} was not changed; --replace moves it to {aside.name}")
    _refuse_unwritable(root, target, aside)
    progress = Progress(Console(stderr=True), 1)
    progress.start(archive.folder)
    try:
        with progress.running():
            file = _checked(source, archive) if source else _download(archive, root, progress)
            unpack(file, archive.folder, target, aside, progress.stage("unpack", "files"))
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {target} was not created; a download starts again from the beginning", err=True)
        return 130
    typer.echo(f"{target} is unpacked from {file}, which is no longer needed")
    found, reason = open_dataset(full_name(name), root).available()
    typer.echo(f"python -m benchmarks data verify {name} checks it" if found else f"still missing: {reason}")
    return 0 if found else 1


def instructions(dataset: KeypointDataset) -> str:
    """How to get a dataset without direct download, the files that it expects, and the commands that check them."""
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
        raise UserError(f"{card.id} has no archive for --from; data describe {card.id} says how to get it")
    if not source.is_file():
        raise UserError(f"no file {source} (from --from); name the archive downloaded from {card.archive.url}")


def _refuse_unwritable(root: Path, target: Path, aside: Path) -> None:
    if target.exists() and aside.exists():
        raise UserError(f"{aside} exists already, so {target} cannot be moved there; remove or rename it")
    try:
        tempfile.TemporaryFile(dir=root).close()
    except OSError as error:
        raise UserError(f"cannot write to data root {root}: {error.strerror or error}; name another folder") from error


def _checked(path: Path, archive: Archive) -> Path:
    """The path of an archive. Raises UserError if it is not the expected file."""
    import pooch

    refuse_page(path, str(path))
    found = pooch.file_hash(str(path), alg="sha256")
    if found != archive.sha256:
        raise UserError(
            f"{path} has sha256 {found}, expected {archive.sha256}: it is incomplete, or another file; "
            f"download {archive.url} again, or unpack it yourself and verify it"
        )
    return path


def _download(archive: Archive, root: Path, progress: Progress) -> Path:
    """Download an archive into the root; returns its path. Raises UserError if that fails."""
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
            f"cannot download {archive.url}: {first_line(error)}; download it in a browser and name it with --from FILE"
        ) from error
    except ValueError as error:  # pooch raises it for a wrong hash
        raise UserError(f"{archive.url} is not the expected file, nothing was kept: {first_line(error)}") from error


class _Bar:
    """Progress bar with the interface that pooch expects; pooch sets ``total``, in bytes, first."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.total = 0
        self._done = 0
        self._stage = stage
        self._folder = folder

    def update(self, count: int) -> None:
        """Count bytes; pooch takes some back at the end."""
        if not self._done:
            refuse_without_room(self.total, self._folder)
        self._done += count
        total = self.total or self._done
        self._stage(min(self._done, total) // 10**6, total // 10**6)

    def reset(self) -> None:
        """Do nothing: pooch calls this at the end, before it counts all bytes again."""

    def close(self) -> None:
        """Do nothing: the bar holds no resources."""
