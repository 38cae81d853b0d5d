"""Unpack one folder of an archive, completely or not at all."""

from __future__ import annotations

import lzma
import platform
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from benchmarks.errors import UserError, first_line

RESERVE = 64 << 20  # bytes of the disk that must stay free


def refuse_page(path: Path, origin: str) -> None:
    """Raise UserError if the file is a web page, a Git LFS pointer or empty, as failed downloads often are."""
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.decode("utf-8", errors="replace").strip()
    if not head:
        raise UserError(f"{origin} is empty, expected an archive; download it again")
    if text.startswith("version https://git-lfs"):
        raise UserError(f"{origin} is a Git LFS pointer, expected the archive itself; download it with git lfs pull")
    if re.match(r"(<\?xml|<!doctype html|<html|<head|<!--)", text, re.I):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
        named = f" ('{' '.join(title[1].split())[:80]}')" if title else ""
        raise UserError(
            f"{origin} is a web page{named}, expected an archive: the server sent a notice, such as a quota or a "
            "log-in; download the archive in a browser and name it with --from FILE"
        )


def unpack(path: Path, folder: str, target: Path, aside: Path, report: Callable[[int, int], None]) -> None:
    """Unpack ``folder``, and nothing else, of a tar archive to ``target``, which appears complete or not at all.

    An existing ``target`` is moved to ``aside``. ``report(done, total)`` is called after every file.

    Raises UserError if the archive is broken or has no such folder, if tarfile's ``data`` filter refuses a member (a
    device, or a name or link that leads outside), if this Python lacks that filter, and if the disk is too full.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix=f".{folder}.", dir=target.parent, ignore_cleanup_errors=True) as staging,
            tarfile.open(path) as archive,
        ):
            members = [member for member in archive if PurePosixPath(member.name).parts[:1] == (folder,)]
            refuse_without_room(sum(member.size for member in members), target.parent)
            if not hasattr(tarfile, "data_filter"):
                raise UserError(
                    f"{path} cannot be unpacked safely by Python {platform.python_version()}, which lacks tarfile's "
                    f"filters; use Python 3.11.4 or newer, or unpack its folder '{folder}' into {target.parent}"
                )
            archive.extractall(staging, _counted(members, report), filter="data")
            if not Path(staging, folder).is_dir():
                raise UserError(
                    f"{path}: holds no folder '{folder}'; nothing was unpacked, download the original archive"
                )
            if target.exists():
                target.rename(aside)
            Path(staging, folder).rename(target)
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise UserError(
            f"cannot unpack {path} to {target}: {first_line(error)}; nothing was unpacked, "
            "download the original archive"
        ) from error


def refuse_without_room(size: int, folder: Path) -> None:
    """Raise UserError if the folder's disk has less than ``size + RESERVE`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < size + RESERVE:
        raise UserError(
            f"{folder} has {free / 1e9:.2f} GB free, expected {(size + RESERVE) / 1e9:.2f} GB for the files; make room"
        )


def _counted(members: list[tarfile.TarInfo], report: Callable[[int, int], None]) -> Iterator[tarfile.TarInfo]:
    """Yield the members; report each one when the next is requested, which is after it was unpacked."""
    for done, member in enumerate(members, start=1):
        yield member
        report(done, len(members))
