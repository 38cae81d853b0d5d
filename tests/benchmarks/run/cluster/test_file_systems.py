"""A run directory on file systems that lack hard links or an exchange of names, and data behind a link."""

import errno
import os
import threading
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from benchmarks.records import staging
from benchmarks.run.units.claims import Claims


def held_by_one(folder):
    """How many of eight threads that want a unit at the same time get it."""
    start, got = threading.Barrier(8), []

    def want():
        claims = Claims(folder, seconds=100.0)
        start.wait()
        with claims.taken("unit") as held:
            got.append(held)
            start.wait()

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got.count(True)


@pytest.mark.parametrize("number", [None, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_one_process_gets_a_claim_with_and_without_hard_links(tmp_path, monkeypatch, number):
    if number:

        def link(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "link", link)
    assert held_by_one(tmp_path) == 1
    assert not list((tmp_path / "claims").glob("unit*"))


def test_a_link_that_nfs_reports_twice_is_a_claim(tmp_path, monkeypatch):
    link = os.link

    def twice(source, target):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    assert held_by_one(tmp_path) == 1


def test_a_claim_that_cannot_be_written_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match="claims/unit.0"), Claims(tmp_path).taken("unit"):
        pass


def test_a_run_needs_neither_hard_links_nor_an_exchange_of_names(tmp_path, run_toy, monkeypatch):
    def link(*_):
        raise OSError(errno.EOPNOTSUPP, "no links")

    assert run_toy(tmp_path, "--no-floors").status == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("runs/cells/*/*.parquet")}
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(staging, "exchanged", lambda one, other: False)
    done = run_toy(tmp_path, "--no-floors", "--overwrite", "all")
    assert done.status == 0, done.err
    assert {path.name: path.read_bytes() for path in tmp_path.glob("runs/cells/*/*.parquet")} == before


def test_the_data_root_can_be_a_link_or_relative(tmp_path, run_toy, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for number, root in enumerate(["data", "link", str(tmp_path / "link")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert run_toy(folder, "--no-floors", "--data-root", root).status == 0
    assert len({next(tmp_path.glob(f"{number}/runs/cells/*")).name for number in range(3)}) == 1
