"""What is printed cannot stop the program, whatever takes it: another encoding, a closed pipe, a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.load import load_records

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
LINES = """
import sys
from benchmarks.printing import lost, protect
output = protect()
for number in range(20_000):
    print("line", number, "\u00b7")
sys.stderr.write("\u00b7" + lost(output))
"""


def start(*command, **options):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("KEYPOINTS_DATA_ROOT", None)
    return subprocess.Popen([sys.executable, *map(str, command)], stderr=subprocess.PIPE, env=environment, **options)


def run_grid(output, repository, **options):
    command = ["-m", "benchmarks", "run", "--method", "grid", "--task", "cub_001", "--no-floors", "--no-mlflow"]
    return start(*command, "--output", output, cwd=repository, **options)


def finished(process):
    """Exit status and stderr."""
    _, error = process.communicate(timeout=200)
    return process.returncode, error.decode()


def test_what_the_encoding_lacks_is_replaced(repository):
    process = start("-c", LINES, cwd=repository, stdout=subprocess.PIPE)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, b"\\xb7")
    assert out.splitlines() == [b"line %d ?" % number for number in range(20_000)]


def test_a_pipe_that_does_not_block_gets_every_byte(repository):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = start("-c", LINES, cwd=repository, stdout=writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().splitlines()
    assert finished(process)[0] == 0
    assert len(lines) == 20_000 and lines[-1] == b"line 19999 ?"


def test_a_reader_that_leaves_ends_nothing(repository, tmp_path):
    process = run_grid(tmp_path, repository, stdout=subprocess.PIPE)
    process.stdout.close()
    process.stdout = None
    assert finished(process) == (0, "")
    assert [record.status for record in load_records(tmp_path)] == ["done"]


@needs_full
def test_a_full_log_does_not_fail_a_run_but_is_told(repository, tmp_path):
    with FULL.open("wb") as log:
        status, error = finished(run_grid(tmp_path, repository, stdout=log))
        assert status == 0
        assert "error: not all of the printed text could be written: No space left on device" in error
        assert [record.status for record in load_records(tmp_path)] == ["done"]
        status, error = finished(start("-m", "benchmarks", "list", cwd=repository, stdout=log))
    assert (status, error.count("No space left on device")) == (2, 1)


def test_a_run_on_a_terminal_of_another_encoding(repository, tmp_path):
    process = run_grid(tmp_path, repository, stdout=subprocess.PIPE)
    out, error = process.communicate(timeout=200)
    assert (process.returncode, error) == (0, b"")
    assert b"cub_001 ? grid" in out
    assert [record.status for record in load_records(tmp_path)] == ["done"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_output_that_is_closed_from_the_start_ends_nothing(repository, tmp_path, closed):
    command = "-m benchmarks leaderboard --suite wild --profile mini --runs leaderboard/results"
    for arguments in (command, "-m benchmarks list suites", f"{command} --output {tmp_path}/rows.md"):
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} {arguments} {closed}"], cwd=repository, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "rows.md").read_text(encoding="utf-8").startswith("### wild (mini profile)")


@pytest.mark.parametrize("program", ["benchmarks.pretrain", "benchmarks.speed"])
def test_the_other_programs_end_with_one_line_too(repository, program):
    arguments = ["report", "/nowhere"] if program == "benchmarks.pretrain" else ["--device", "tpu"]
    status, error = finished(start("-m", program, *arguments, cwd=repository, stdout=subprocess.PIPE))
    errors = [line for line in error.splitlines() if not line.startswith("[transformers]")]
    assert status == 2 and len(errors) == 1 and errors[0].startswith("error: ")


@needs_full
@pytest.mark.parametrize("program", ["benchmarks.pretrain", "benchmarks.speed"])
def test_the_other_programs_say_that_text_is_lost(repository, program):
    with FULL.open("wb") as log:
        status, error = finished(start("-m", program, "--help", cwd=repository, stdout=log))
    assert (status, error.count("No space left on device")) == (2, 1)
