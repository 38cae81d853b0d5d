"""The name of a process, and whether the process that has a name still runs."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path


def this_process() -> str:
    """A name of this process without dots: eight digits for the machine, the process id and the start time."""
    number = os.getpid()
    return f"{_machine()}-{number}-{_started(number)}"


def has_ended(process: str) -> bool | None:
    """Whether the process of that name has ended; None if it cannot be known here.

    That is so for a process of another machine or container, or of this machine before it was restarted.
    """
    machine, _, rest = process.partition("-")
    number, _, started = rest.partition("-")
    if machine != _machine() or not number.isdecimal() or not started:
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # a process of another user
    except (OSError, OverflowError):
        return None
    now = _started(int(number))
    return now != started if now else None  # another process may have the same id later


def _started(number: int) -> str:
    """The start time of a process, in the kernel's unit; '' where it is unknown, 'ended' for a zombie."""
    try:
        state, *fields = Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return "ended" if state in "ZX" else fields[18]
    except (OSError, IndexError, ValueError):
        return ""


@cache
def _machine() -> str:
    """Eight digits for this machine since it was started, and for the container whose process ids count."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return sha256("\n".join(parts).encode()).hexdigest()[:8]
