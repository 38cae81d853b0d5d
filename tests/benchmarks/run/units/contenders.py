"""Processes that take claims on the same units and are killed at random, with the kernel's locks as the judge.

``python -m tests.benchmarks.run.units.contenders FOLDER UNITS PROCESSES KILLS`` forks processes that go through units
until all are done. A process kills itself before a random change or look at a file, and another one takes its place. A
holder of a claim also locks a file of the unit with flock, which ends with the process: two holders at once are an
error. Prints the number of kills and the number of times that each unit was done, as JSON.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, Never, TextIO

from benchmarks.run.units.claims import Claims
from leaderboard.process import has_ended, this_process

EVENTS = {"open", "os.listdir", "os.link", "os.remove", "os.utime"}


def die_at(due: int, below: str) -> None:
    """Kill this process before its use number ``due`` of a file below a folder."""
    seen = 0

    def count(event: str, arguments: Any) -> None:
        nonlocal seen
        if event in EVENTS and str(arguments[0]).startswith(below):
            seen += 1
            if seen == due:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def locked(lock: TextIO) -> bool:
    """Lock a file and write this process's name into it; False if a process that lives has it locked.

    The lock of a process that was killed is open until the last of its threads has ended, a moment after the first.
    """
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read()
            if holder and not has_ended(holder):
                return False
            time.sleep(0.001)
            continue
        lock.truncate(0)
        lock.write(this_process())
        lock.flush()
        return True


def work(folder: Path, units: list[str], seed: int, kill: bool) -> Never:
    """Go through the units in a random order until all are done; the exit status is 3 after two holders at once."""
    drawn = random.Random(seed)
    if kill:
        die_at(drawn.randint(1, 60), str(folder / "claims"))
    claims, done = Claims(folder), folder / "done"
    while left := [unit for unit in units if not (done / unit).exists()]:
        unit = drawn.choice(left)
        with claims.taken(unit) as held, (folder / "locks" / unit).open("a+") as lock:
            if held and not (done / unit).exists():
                if not locked(lock):
                    os._exit(3)
                claims.find(unit)
                (done / unit).touch()
                with (folder / "log").open("a") as log:
                    log.write(f"{unit}\n")
    os._exit(0)


def main(folder: Path, units: int, processes: int, kills: int) -> None:
    """Keep ``processes`` processes at work until all units are done, ``kills`` of which kill themselves."""
    for name in ("done", "locks", "claims"):
        (folder / name).mkdir(parents=True)
    names = [f"unit-{number}" for number in range(units)]
    seeds, killed, running = iter(range(10**6)), 0, 0
    statuses = []

    def fork() -> None:
        seed = next(seeds)
        if not os.fork():
            work(folder, names, seed, kill=seed < kills)

    while running < processes:
        fork()
        running += 1
    while running:
        status = os.waitstatus_to_exitcode(os.wait()[1])
        running -= 1
        if status == -signal.SIGKILL:
            killed += 1
            fork()
            running += 1
        else:
            statuses.append(status)
    done = (folder / "log").read_text().split()
    left = sorted(path.name for path in (folder / "claims").iterdir())
    print(json.dumps({"killed": killed, "statuses": statuses, "done": sorted(map(done.count, names)), "left": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
