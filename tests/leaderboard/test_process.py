"""Whether a process that made something still runs."""

import os
import signal
import subprocess
import sys

from leaderboard.process import has_ended, this_process

NAME = "from leaderboard.process import this_process; print(this_process(), flush=True); input()"


def test_a_process_has_ended_once_it_is_killed(repository):
    process = subprocess.Popen(
        [sys.executable, "-c", NAME], cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    name = process.stdout.readline().strip()
    assert has_ended(name) is False
    machine, number, started = name.split("-")
    assert int(number) == process.pid
    assert has_ended(f"{machine}-{number}-{int(started) + 1}") is True  # its id belonged to another process before
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(name) is True  # a zombie
    process.communicate()
    assert has_ended(name) is True


def test_a_process_of_another_machine_and_a_text_that_names_none_are_unknown():
    assert has_ended(this_process()) is False
    machine, number, started = this_process().split("-")
    for name in ("", "x", f"x-{number}-{started}", f"{machine}-{number}", f"{machine}-{number}-", f"{machine}-x-1"):
        assert has_ended(name) is None, name
    assert has_ended(f"{machine}-{10**30}-1") is None
