"""Claims: who holds one, when it is stale, and what the file system may do."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from benchmarks.run.units import claim_files
from benchmarks.run.units.claim_files import Claim
from benchmarks.run.units.claims import STALE_VARIABLE, Claims, stale_after
from leaderboard.process import this_process
from tests.benchmarks.run.units.planted import LONG_AGO, claim_on, files, held_by, plant


def test_a_claim_is_held_in_the_block_alone(tmp_path):
    mine, other = Claims(tmp_path), Claims(tmp_path)
    with mine.taken("unit") as held:
        assert held
        found = claim_on(other, "unit")
        assert (found.claim.unit, found.claim.pid, found.stale) == ("unit", os.getpid(), False)
        assert list(other.all()) == ["unit"] and files(tmp_path) == ["unit.0"]
        with other.taken("unit") as second, mine.taken("unit") as third, other.taken("another") as free:
            assert not second and not third and free
        assert files(tmp_path) == ["unit.0"], "who does not get a claim leaves it alone"
        with other.taken("unit", force=True) as forced:
            assert forced
        assert files(tmp_path) == ["unit.0"]
    assert other.find("unit") is None and files(tmp_path) == []


def test_a_claim_ends_with_an_error_and_with_ctrl_c(tmp_path):
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), Claims(tmp_path).taken("unit"):
            raise error
    assert files(tmp_path) == []


@pytest.mark.parametrize("step", ["_is_alone", "_renew_from_now"])
def test_ctrl_c_while_a_claim_is_taken_leaves_none(tmp_path, monkeypatch, step):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Claims, step, interrupt)
    with pytest.raises(KeyboardInterrupt), Claims(tmp_path).taken("unit"):
        pass
    assert files(tmp_path) == []


def test_the_claim_of_a_dead_process_is_taken_over_at_once(tmp_path, ended):
    held_by(tmp_path, ended)
    with Claims(tmp_path).taken("unit") as held:
        assert held and files(tmp_path) == ["unit.0", "unit.1"]
        assert claim_on(Claims(tmp_path), "unit").number == 1
    assert files(tmp_path) == []


def test_a_process_id_that_was_given_again_is_another_process(tmp_path):
    machine, pid, started = this_process().split("-")
    held_by(tmp_path, f"{machine}-{pid}-{int(started) - 1}")
    with Claims(tmp_path).taken("unit") as held:
        assert held
    held_by(tmp_path, f"{machine}-{pid}-{started}")
    with Claims(tmp_path).taken("unit") as held:
        assert not held


@pytest.mark.parametrize("process", ["00000000-1-1", ""])
def test_elsewhere_the_time_of_the_last_renewal_decides(tmp_path, process):
    for age, expected in [(0, False), (250, False), (350, True), (LONG_AGO, True)]:
        held_by(tmp_path, process, age)
        assert claim_on(Claims(tmp_path), "unit").stale is expected
        with Claims(tmp_path).taken("unit") as held:
            assert held is expected


def test_a_time_to_come_is_stale_only_if_it_is_far(tmp_path):
    """A clock was set back after a dead process elsewhere had renewed its claim."""
    held_by(tmp_path, "00000000-1-1", -100)
    assert not claim_on(Claims(tmp_path), "unit").stale and claim_on(Claims(tmp_path), "unit").age == 0
    held_by(tmp_path, "00000000-1-1", -LONG_AGO)
    assert claim_on(Claims(tmp_path), "unit").stale


def test_the_clock_of_this_machine_does_not_count(tmp_path, monkeypatch):
    held_by(tmp_path, "00000000-1-1")
    real = time.time
    for skew in (-1e6, 1e6):
        monkeypatch.setattr(time, "time", lambda skew=skew: real() + skew)
        assert not claim_on(Claims(tmp_path), "unit").stale


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{", b'{"pid": "x"}', b'{"unit": 3}'])
def test_a_claim_that_cannot_be_read_is_of_somebody_until_it_is_old(tmp_path, content):
    path = plant(tmp_path)
    for age, expected in [(0, False), (LONG_AGO, True)]:
        path.write_bytes(content)
        os.utime(path, (time.time() - age,) * 2)
        assert claim_on(Claims(tmp_path), "unit").claim == Claim()
        with Claims(tmp_path).taken("unit") as held:
            assert held is expected


def test_a_folder_or_a_broken_link_in_place_of_a_claim_ends_nothing(tmp_path):
    (tmp_path / "claims" / "unit.0").mkdir(parents=True)
    (tmp_path / "claims" / "other.0").symlink_to("nowhere")
    for age, expected in [(0, False), (LONG_AGO, True)]:
        for name in ("unit", "other"):
            os.utime(tmp_path / "claims" / f"{name}.0", (time.time() - age,) * 2, follow_symlinks=False)
            with Claims(tmp_path).taken(name) as held:
                assert held is expected


def test_names_that_are_no_claims_do_not_count(tmp_path):
    for name in ("unit", "unit.", "unit.x", ".unit.0", "unit.-1", ".0"):
        plant(tmp_path, name)
    assert Claims(tmp_path).all() == {}
    with Claims(tmp_path).taken("unit") as held:
        assert held


def test_two_names_that_are_too_long_for_a_file_are_two_claims(tmp_path):
    one, other = "predict--" + "é" * 300, "predict--" + "é" * 301
    mine = Claims(tmp_path)
    with mine.taken(one) as held, mine.taken(other) as second, Claims(tmp_path).taken(one) as third:
        assert held and second and not third
        assert claim_on(mine, one).claim.unit == one
        assert all(len(name.encode()) <= 255 for name in files(tmp_path))
    assert files(tmp_path) == []
    plant(tmp_path, f"{claim_files.file_name(one)}.0", age=LONG_AGO)
    mine.sweep()
    assert files(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch, number):
    def no_links(source, target):
        raise OSError(number, os.strerror(number), source, None, target)

    monkeypatch.setattr(os, "link", no_links)
    with Claims(tmp_path).taken("unit") as held, Claims(tmp_path).taken("unit") as second:
        assert held and not second
        assert claim_on(Claims(tmp_path), "unit").claim.pid == os.getpid()
    assert files(tmp_path) == []


def test_a_link_that_is_made_but_reported_as_there_already_is_held(tmp_path, monkeypatch):
    """NFS repeats a request whose answer was lost."""
    link = os.link

    def twice(source, target):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    with Claims(tmp_path).taken("unit") as held:
        assert held
    assert files(tmp_path) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_full_disk_is_one_line_and_leaves_no_claim(tmp_path, monkeypatch, links):
    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        write = full

    if links:
        monkeypatch.setattr(Path, "write_text", full)
    else:
        opened = Path.open
        monkeypatch.setattr(os, "link", full)
        monkeypatch.setattr(
            Path, "open", lambda self, mode="r", **k: (Full if mode == "x" else lambda f: f)(opened(self, mode, **k))
        )
    message = r"^cannot write .*unit\.0: No space left on device; make room, then run"
    with pytest.raises(UserError, match=message), Claims(tmp_path).taken("unit"):
        pass
    assert files(tmp_path) == []


def test_a_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "claims").write_text("")
    for act in (lambda: Claims(tmp_path).find("unit"), Claims(tmp_path).all, Claims(tmp_path).sweep):
        with pytest.raises(UserError, match=r"^cannot read folder .*claims: Not a directory"):
            act()


def test_a_release_that_fails_does_not_hide_what_was_done(tmp_path, monkeypatch):
    def read_only(self, missing_ok=False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    with Claims(tmp_path).taken("unit") as held:
        monkeypatch.setattr(Path, "unlink", read_only)
    assert held


@pytest.mark.parametrize("text", ["0", "-3", "0.5", "nan", "inf", "5 minutes", "1e999"])
def test_a_bad_setting_is_one_line(monkeypatch, text):
    monkeypatch.setenv(STALE_VARIABLE, text)
    with pytest.raises(UserError, match=f"^{STALE_VARIABLE} is '{text}', expected at least 1 second, such as 300$"):
        stale_after()


def test_the_setting_is_read(monkeypatch, tmp_path):
    for text, expected in [("", 300), (" ", 300), ("1", 1), (" 60.5 ", 60.5)]:
        monkeypatch.setenv(STALE_VARIABLE, text)
        assert stale_after() == expected
    held_by(tmp_path, "00000000-1-1", 80)
    assert claim_on(Claims(tmp_path), "unit").stale
    assert not claim_on(Claims(tmp_path, seconds=100), "unit").stale


def test_claims_are_renewed_while_they_are_held(tmp_path, monkeypatch):
    renewed = threading.Event()
    utime = os.utime

    def noted(path, *rest):
        utime(path, *rest)
        renewed.set()

    mine = Claims(tmp_path, seconds=0.04)
    with mine.taken("unit"):
        path = tmp_path / "claims" / "unit.0"
        utime(path, (0, 0))
        monkeypatch.setattr(os, "utime", noted)
        assert renewed.wait(30) and path.stat().st_mtime > 0
        path.write_text("of another process")
        before = path.stat().st_mtime_ns
        for _ in range(3):
            renewed.clear()
            assert not renewed.wait(0.05), "the claim of another process is not renewed"
        assert path.stat().st_mtime_ns == before
    thread = mine._thread
    if thread is not None:
        thread.join(30)
    assert mine._thread is None, "no thread is left that renews nothing"


def test_sweep_removes_what_is_stale_and_nothing_else(tmp_path, ended):
    plant(tmp_path, "dead.0", process=ended)
    plant(tmp_path, "dead.3", process=ended)
    plant(tmp_path, "old.0", age=LONG_AGO)
    plant(tmp_path, "live.4")
    plant(tmp_path, f".{ended}.12345678")
    plant(tmp_path, f".{this_process()}.12345678")
    with Claims(tmp_path).taken("mine"):
        assert Claims(tmp_path).sweep() == ["dead", "old"]
        assert files(tmp_path) == [f".{this_process()}.12345678", "live.4", "mine.0"]


def test_sweep_leaves_a_claim_that_is_renewed_after_the_look(tmp_path, monkeypatch):
    path = plant(tmp_path, age=LONG_AGO)
    take = Claims._take

    def later(self, *arguments):
        os.utime(path)
        return take(self, *arguments)

    monkeypatch.setattr(Claims, "_take", later)
    Claims(tmp_path).sweep()
    assert files(tmp_path) == ["unit.0"]


def test_the_fits_of_other_runs(tmp_path, ended):
    mine = Claims(tmp_path)
    assert mine.fits_of_others() == set()
    with mine.taken("run", fits=["mine"]):
        plant(tmp_path, "run--other.0", process="00000000-1-1", fits=("a", "b"))
        plant(tmp_path, "fit--a.0", process="00000000-1-1")
        plant(tmp_path, "run--dead.0", process=ended, fits=("c",))
        assert mine.fits_of_others() == {"a", "b"}
        plant(tmp_path, "fit--d.0", process="00000000-2-1")
        assert mine.fits_of_others() is None
