"""Claims that a test puts into a run directory, and looks at those that are there."""

import os
import time

from benchmarks.run.units.claim_files import Claim

LONG_AGO = 10_000.0


def plant(output, name="unit.0", age=0.0, **fields):
    """Put a claim of another process into a run directory, last renewed ``age`` seconds ago."""
    path = output / "claims" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        Claim(**{"unit": name.rpartition(".")[0], "host": "elsewhere", "pid": 7, **fields}).model_dump_json()
    )
    os.utime(path, (time.time() - age,) * 2)
    return path


def held_by(output, process, age=0.0):
    return plant(output, age=age, process=process)


def claim_on(claims, unit):
    found = claims.find(unit)
    assert found is not None
    return found


def files(output):
    return sorted(path.name for path in (output / "claims").iterdir())
