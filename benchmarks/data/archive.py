"""Unpacking an archive that nobody vouches for: plain files and folders under one folder, or nothing at all."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_IFDIR, S_IFMT, S_IFREG, S_ISLNK
from typing import IO

from benchmarks.errors import UserError, first_line

RESERVE = 64 << 20  # bytes that are left free


@dataclass(frozen=True)
class Member:
    """A file or folder of an archive: its name as written, bytes, what is wrong with its kind, and how to read it."""

    name: str
    size: int
    is_folder: bool
    fault: str
    open: Callable[[], IO[bytes]]

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders and the name; a leading './' is dropped."""
        return PurePosixPath(self.name).parts


def refuse_page(path: Path, origin: str) -> None:
    """Raise UserError for what is often saved in place of an archive: a web page, a Git LFS pointer, nothing."""
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.decode("utf-8", errors="replace").strip()
    if not head:
        raise UserError(f"{origin} is empty, expected an archive; get it again")
    if text.startswith("version https://git-lfs"):
        raise UserError(f"{origin} is a Git LFS pointer, expected the archive itself; get it with git lfs pull")
    if re.match(r"(<\?xml|<!doctype html|<html|<head|<!--)", text, re.I):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
        named = f" ('{' '.join(title[1].split())[:80]}')" if title else ""
        raise UserError(
            f"{origin} is a web page{named}, expected an archive: the server sent a notice, such as a quota or a "
            "log-in; get the archive in a browser and name it with --from FILE"
        )


def unpack(path: Path, folder: str, target: Path, aside: Path, report: Callable[[int, int], None]) -> None:
    """Unpack what an archive (tar or zip) has under ``folder`` to ``target``, which appears whole or not at all.

    What is at ``target`` already is moved to ``aside``.

    Raises UserError, before anything is written, for an archive that is broken, that holds anything but plain files
    and folders, or a name that would leave the folder, and where there is not enough room. What lies beside
    ``folder`` in the archive is left there. ``report`` gets files done and in all.
    """
    staging = Path(tempfile.mkdtemp(prefix=f".{folder}.", dir=target.parent))
    try:
        with _opened(path) as members:
            chosen = _chosen(path, members, folder)
            refuse_without_room(sum(member.size for member in chosen), target.parent)
            for done, member in enumerate(chosen, start=1):
                _write(path, member, staging)
                report(done, len(chosen))
        if target.exists():
            target.rename(aside)
        (staging / folder).rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _chosen(path: Path, members: list[Member], folder: str) -> list[Member]:
    for member in members:
        fault = member.fault or _name_fault(member)
        if fault:
            raise UserError(f"{path}: '{member.name}' {fault}; nothing was unpacked, get the original archive")
    chosen = [member for member in members if member.parts[:1] == (folder,)]
    if not any(len(member.parts) > 1 for member in chosen):
        raise UserError(f"{path}: holds no folder '{folder}'; nothing was unpacked, get the original archive")
    return chosen


def _name_fault(member: Member) -> str:
    if member.name.startswith("/") or re.match(r"[A-Za-z]:", member.name) or "\\" in member.name:
        return "is not a relative name"
    if ".." in member.parts:
        return "leads out of the folder"
    return "" if member.parts or member.is_folder else "is no name"


def refuse_without_room(size: int, folder: Path) -> None:
    """Raise UserError where a folder's disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < size + RESERVE:
        raise UserError(
            f"{folder} has {free / 1e9:.2f} GB free, expected {(size + RESERVE) / 1e9:.2f} GB for the files; make room"
        )


def _write(path: Path, member: Member, folder: Path) -> None:
    place = folder.joinpath(*member.parts)
    try:
        if member.is_folder:
            place.mkdir(parents=True, exist_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            with member.open() as source:
                shutil.copyfileobj(source, file, 1 << 20)
            written = file.tell()
    except FileExistsError as error:
        raise UserError(f"{path}: '{member.name}' is there twice; get the original archive") from error
    if written != member.size:
        raise UserError(f"{path}: '{member.name}' has {written} bytes, expected {member.size}; get it again")


@contextmanager
def _opened(path: Path) -> Iterator[list[Member]]:
    """The members of an archive, to be read while the block runs. Raises UserError for one that is broken."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield [_zip_member(archive, info) for info in archive.infolist()]
        else:
            with tarfile.open(path) as archive:
                yield [_tar_member(archive, info) for info in archive.getmembers()]
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path} is not a whole tar or zip archive: {first_line(error)}; get it again") from error


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    fault = "is encrypted" if info.flag_bits & 1 else ""
    if S_IFMT(mode) not in (0, S_IFREG, S_IFDIR):
        fault = "is a link" if S_ISLNK(mode) else "is no plain file"
    return Member(info.filename, info.file_size, info.is_dir(), fault, lambda: archive.open(info))


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    def read() -> IO[bytes]:
        file = archive.extractfile(info)
        if file is None:
            raise tarfile.ReadError(f"'{info.name}' cannot be read")
        return file

    fault = "is a link" if info.issym() or info.islnk() else "is no plain file"
    return Member(info.name, info.size, info.isdir(), "" if info.isfile() or info.isdir() else fault, read)
