"""``python -m tests.fuzz --inputs 100000``: feeds changed files to every reader and reports what came of it.

Each target runs in child processes that may take 2 GiB more than their libraries do, and 10 seconds an input. An input
may be accepted, or refused with one of the package's own errors; everything else is a finding, as is a child's death.
Repeat one with ``--target NAME --seed SEED --start NUMBER --inputs 1``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import data, lists, weights  # noqa: F401 - they register their targets
from tests.fuzz.measure import SECONDS, Measured, statements
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
BATCH = 2000  # inputs of a child process
QUIET = 120  # seconds in which a batch must get on


def batch(name: str, seed: int, start: int, count: int) -> Measured:
    """The results of some inputs, in a new process; after its death the inputs that follow run in another."""
    total = Measured()
    end = start + count
    while start < end:
        with tempfile.NamedTemporaryFile() as file:
            command = [
                sys.executable,
                "-m",
                "tests.fuzz.measure",
                name,
                str(seed),
                str(start),
                str(end - start),
                file.name,
            ]
            limit = QUIET + SECONDS * 20 + (end - start)
            try:
                child = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=limit, check=False)
                status, text = str(child.returncode), child.stderr.decode(errors="replace").strip()[-300:]
            except subprocess.TimeoutExpired:
                status, text = "hang", ""
            written = Path(file.name).read_text()
        if status == "0":
            return merge(total, Measured(**json.loads(written)))
        number = int(written[:12] or start)
        total.findings.append((number, f"the process ended with {status} {text!a}"))
        if number > start:
            total = merge(total, batch(name, seed, start, number - start))
        start = number + 1
    return total


def merge(one: Measured, other: Measured) -> Measured:
    """The sum of two results."""
    return Measured(
        accepted=one.accepted + other.accepted,
        refused=one.refused + other.refused,
        findings=[*one.findings, *other.findings],
        seconds=max(one.seconds, other.seconds),
        memory=max(one.memory, other.memory),
        lines=sorted({(str(file), int(line)) for file, line in (*one.lines, *other.lines)}),
    )


def row(name: str, found: Measured) -> str:
    """One line of the report; its statements are those in functions of the target's modules, or of all modules."""
    chosen = [TARGETS[name]] if name in TARGETS else list(TARGETS.values())
    files = {os.path.realpath(file) for target in chosen for file in target.files()}
    every = {(file, line) for file in files for line in statements(file)}
    reached = every & {(os.path.realpath(file), line) for file, line in found.lines}
    inputs = found.accepted + found.refused + len(found.findings)
    return (
        f"{name:24} {inputs:8,} {found.accepted:8,} {found.refused:8,} {len(found.findings):8,} "
        f"{len(reached):6}/{len(every):<5} {100 * len(reached) / max(1, len(every)):3.0f} % "
        f"{found.seconds:8.2f} s {found.memory / 2**20:6,.0f} MB"
    )


def main() -> int:
    """Run all targets, or some; 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Feed changed files to every reader.")
    parser.add_argument("--inputs", type=int, default=100_000, help="inputs in all, shared by the targets")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other inputs")
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument(
        "--target", action="append", choices=sorted(TARGETS), help="a target; repeatable (default: all)"
    )
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    count = -(-options.inputs // len(names))
    heading = ("inputs", "accepted", "refused", "findings")
    print(f"{'target':24} {' '.join(f'{each:>8}' for each in heading)}  statements reached     worst      peak")
    whole = Measured()
    for name in names:
        found = Measured()
        for start in range(options.start, options.start + count, BATCH):
            found = merge(found, batch(name, options.seed, start, min(BATCH, options.start + count - start)))
        print(row(name, found), flush=True)
        for number, text in found.findings:
            print(f'  --target "{name}" --seed {options.seed} --start {number} --inputs 1: {text}', flush=True)
        whole = merge(whole, found)
    if len(names) > 1:
        print(row("all", whole))
    return int(bool(whole.findings))


if __name__ == "__main__":
    sys.exit(main())
