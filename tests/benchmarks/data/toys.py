"""Small datasets on disk: photographs in a folder with a list of landmarks, and images in one HDF5 file."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from benchmarks.data.verify import Verification, verify
from benchmarks.registry import DATASETS, Entry
from datasets.base import Archive, DatasetCard, DatasetError, Split
from datasets.reading.table import Table, TableDataset

COUNTS: dict[Split, int] = {"fit": 3, "regress": 3, "test": 2}


def card(id: str, counts: dict[Split, int] | None = None, **more) -> DatasetCard:
    return DatasetCard(
        id=id,
        title="Toy photographs",
        landmark_names=("nose",),
        counts=counts or COUNTS,
        licence="none needed",
        citation="none",
        how_to_get="make them",
        preprocessing="none",
        tree="photos/\n  {fit,test}.txt\n  img/00000.png ...",
        remarks=("They are noise.",),
        **more,
    )


class Photos(TableDataset):
    """``photos/{fit,test}.txt`` has a name and x a line, ``photos/img`` an image of each name."""

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card

    @property
    def folder(self) -> Path:
        return Path(self.root or "") / "photos"

    def annotation_files(self, name: Split) -> Iterable[Path]:
        yield self.folder / ("test.txt" if name == "test" else "fit.txt")

    def image_folders(self) -> Iterable[Path]:
        yield self.folder / "img"

    def read(self, name: Split) -> Table:
        path = next(iter(self.annotation_files(name)))
        rows = [line.split() for line in path.read_text().splitlines()]
        if any(len(row) != 2 for row in rows):
            raise DatasetError(f"{path}, line 1: expected a name and a number")
        landmarks = np.array([[[float(x), 0.5]] for _, x in rows])
        names = tuple(row[0] for row in rows)
        return Table(names, landmarks, np.ones((len(rows), 1), bool), names)

    def path(self, image_id: str) -> Path:
        return self.folder / "img" / f"{image_id}.png"


class Stack(Photos):
    """The same, images in ``photos/stack.h5``."""

    def image_folders(self) -> Iterable[Path]:
        yield self.folder / "stack.h5"

    def path(self, image_id: str) -> Path:
        return self.folder / "stack.h5"

    def image(self, image_id: str, size: int) -> np.ndarray:
        with h5py.File(self.path(image_id)) as file:
            return np.asarray(Image.fromarray(file["img"][int(image_id)]).resize((size, size)))


def register(monkeypatch, id: str, kind: type[Photos] = Photos, **more) -> None:
    """Make a dataset known for the time of a test."""
    target = f"tests.benchmarks.data.toys:{id}"
    monkeypatch.setitem(DATASETS.entries, id, Entry(id, target, "toy", "the tests"))
    monkeypatch.setitem(globals(), id, partial(kind, card(id, **more)))


def write_photos(root: Path, counts: dict[Split, int] = COUNTS, side: int = 24) -> Path:
    """Write the files of ``Photos``; returns their folder."""
    folder = root / "photos"
    (folder / "img").mkdir(parents=True)
    names = [f"{index:05d}" for index in range(counts["fit"] + counts["test"])]
    generator = np.random.default_rng(0)
    for name in names:
        Image.fromarray(generator.integers(0, 256, (side, side, 3), np.uint8)).save(folder / "img" / f"{name}.png")
    for split, chosen in (("fit", names[: counts["fit"]]), ("test", names[counts["fit"] :])):
        (folder / f"{split}.txt").write_text("".join(f"{name} 0.25\n" for name in chosen))
    return folder


def archive(url: str, sha256: str) -> Archive:
    return Archive(url=url, sha256=sha256, folder="photos")


def archived(folder: Path) -> dict[str, bytes]:
    """The files of ``Photos``, written to a folder, by their names in an archive."""
    photos = write_photos(folder)
    files = [path for path in sorted(photos.rglob("*")) if path.is_file()]
    return {f"photos/{path.relative_to(photos).as_posix()}": path.read_bytes() for path in files}


def write_tar(path: Path, members: Mapping[str, bytes | tarfile.TarInfo], zipped: bool = True) -> Path:
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python lacks tarfile's filters, without which nothing is unpacked")
    with tarfile.open(path, "w:gz" if zipped else "w") as file:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            if isinstance(content, bytes):
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
            else:
                file.addfile(info)
    return path


def check(capsys, root, *names, **how):
    """Status and what is printed."""
    status = verify(names or ["toy_photos"], root, Verification(**how))
    return status, capsys.readouterr().out
