"""The files of a submission, copied to a folder of our own before anything reads them: sizes and digests are checked.

No link is followed, and no path leads out of the submission's folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError, first_line
from benchmarks.submit.card import CARD, CARD_BYTES, GUIDE, Source, check_address
from benchmarks.submit.problems import Problem, short

if TYPE_CHECKING:
    import requests

FOLDER_BYTES = 20_000_000  # of all files of a folder together
BLOCK = 1 << 20  # bytes that are read at once
REDIRECTS = 5
SECONDS = 600  # time for a download
WAIT = (20, 60)  # seconds to wait for a connection, and for an answer


def read_card(folder: Path) -> str:
    """The text of the card. Raises UserError if there is no such folder, or no readable card in it."""
    if folder.is_symlink() or not folder.is_dir():
        what = "is a link" if folder.is_symlink() else "is no folder"
        raise UserError(f"{folder} {what}; name the folder of a submission, such as submissions/my_method")
    path = folder / CARD
    if not os.path.lexists(path):
        raise UserError(f"{folder} has no {CARD}; {GUIDE}")
    try:
        return b"".join(_blocks(path, CARD_BYTES)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 ({first_line(error)}); save it as UTF-8") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {first_line(error)}; {GUIDE}") from error


def check_folder(folder: Path, sources: list[Source] | None) -> list[Problem]:
    """What is wrong with the files of a folder. ``sources`` are those that the card names, None if it is unreadable."""
    problems: list[Problem] = []
    named = {source.file for source in sources or () if source.file}
    size = 0
    with os.scandir(folder) as entries:
        found = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    for name, status in sorted(found.items()):
        if not stat.S_ISREG(status.st_mode):
            what = "is a link" if stat.S_ISLNK(status.st_mode) else "is a folder or a device"
            problems.append(Problem(short(name), what, "plain files alone", "remove it"))
        elif name != CARD and sources is not None and name not in named:
            remedy = "remove it, or name it under predictions; scores are computed from the predictions alone"
            problems.append(Problem(short(name), f"is not named by {CARD}", "", remedy))
        size += status.st_size
    if size > FOLDER_BYTES:
        expected = f"at most {FOLDER_BYTES:,} in one folder"
        remedy = "publish large files elsewhere and give { url, sha256, bytes }"
        problems.append(Problem("the files", f"have {size:,} bytes", expected, remedy))
    missing = sorted(name for name in named if name not in found)
    return problems + [Problem(f"{CARD}, predictions", f"no file {short(name)}", "", "add it") for name in missing]


def copy_file(path: Path, target: Path) -> None:
    """Copy a plain file. Raises OSError or ValueError for a link, another kind of file, and one that is too large."""
    with target.open("wb") as file:
        for block in _blocks(path, FOLDER_BYTES):
            file.write(block)


def _blocks(path: Path, limit: int) -> Iterator[bytes]:
    """The content of a plain file of at most ``limit`` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is a folder or a device, expected a plain file")
        if status.st_size > limit:
            raise ValueError(f"has {status.st_size:,} bytes, expected at most {limit:,}")
        left = limit
        while left and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block


def download(source: Source, target: Path) -> list[Problem]:
    """Write what is at an address into ``target``; returns what is wrong with it. No more than its bytes are read."""
    import requests
    from urllib3.exceptions import HTTPError

    digest, size = hashlib.sha256(), 0
    expected = source.bytes or 0
    try:
        with requests.Session() as session, _answer(session, str(source.url)) as answer, target.open("wb") as file:
            started = time.monotonic()
            for block in answer.raw.stream(BLOCK, decode_content=False):
                size += len(block)
                if size > expected or time.monotonic() - started > SECONDS:
                    break
                digest.update(block)
                file.write(block)
    except (requests.RequestException, HTTPError, ValueError, OSError) as error:
        return [Problem(source.name, f"cannot be read ({first_line(error)[:200]})", "", "check the address")]
    if size != expected:
        got = f"has {'more than ' * (size > expected)}{min(size, expected):,} bytes"
        return [Problem(source.name, got, f"{expected:,} as the card says", "correct the card, or publish it again")]
    if digest.hexdigest() != source.sha256:
        got = f"has the sha256 {digest.hexdigest()}"
        return [Problem(source.name, got, str(source.sha256), "correct the card, or publish the file again")]
    return []


def _answer(session: requests.Session, url: str) -> requests.Response:
    """The answer of a server after redirects to other https addresses. Raises ValueError for another address."""
    for _ in range(REDIRECTS):
        check_address(url)
        headers = {"Accept-Encoding": "identity"}
        answer = session.get(url, stream=True, allow_redirects=False, timeout=WAIT, headers=headers)
        if answer.next is None:
            answer.raise_for_status()
            return answer
        url = str(answer.next.url)
        answer.close()
    raise ValueError(f"is redirected more than {REDIRECTS} times")
