"""Two processes as torchrun launches them: both take part in a shared fit, the first alone writes and speaks."""

import os
import signal
import socket
import subprocess

import pytest

from tests.benchmarks.run.toy_process import history, records, toy_command


def launched(repository, arguments, size=2, stop=None):
    """Exit status, stdout and stderr of each process; ``stop`` is sent to all once the first speaks of a fit."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            arguments,
            cwd=repository,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        if stop is not None:
            assert any(" fit " in line for line in processes[0].stdout or ())
            for process in processes:
                process.send_signal(stop)
        spoken = [process.communicate(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *said) for process, said in zip(processes, spoken, strict=True)]


def test_both_fit_and_the_first_alone_writes_and_speaks(tmp_path, repository, run_toy):
    together = tmp_path / "together"
    together.mkdir()
    both = toy_command(repository, together, "--method", "toy_colours", "--no-floors", method="toy_shared")
    first, second = launched(repository, both)
    assert first[0] == 0, first[2]
    assert second == (0, "", "")
    assert history(together, "toy_shared")["images"] == [2, 2]  # each was given two
    found = records(together)
    assert {name: record["status"] for name, record in found.items()} == {"toy_shared": "done", "toy_colours": "done"}
    assert found["toy_shared"]["provenance"]["processes"] == 2

    alone = tmp_path / "alone"
    alone.mkdir()
    assert run_toy(alone, "--no-floors").status == 0
    names = [
        next(folder.glob("runs/cells/toy_colours--*/predictions_test.parquet")).read_bytes()
        for folder in (together, alone)
    ]
    assert names[0] == names[1]


def test_a_fit_that_fails_in_one_is_recorded_and_the_next_cell_runs(tmp_path, repository):
    crash = toy_command(
        repository, tmp_path, "--seeds", "2", "--no-floors", "--set", "toy_shared.crash=true", method="toy_shared"
    )
    first, second = launched(repository, crash)
    assert first[0] == 2
    assert "another process failed; its own message says why" in first[2]
    assert (second[0], second[1]) == (0, ""), second[2]
    assert second[2].splitlines() == ["process 1: the toy crashed in one of two processes"] * 2  # one for each seed


def test_a_plan_is_written_by_the_first_alone(tmp_path, repository):
    emit = toy_command(repository, tmp_path, "--no-floors", "--emit", "plan", method="toy_shared")
    first, second = launched(repository, emit)
    assert (first[0], second) == (0, (0, "", "")), first[2]
    assert (tmp_path / "runs" / "plan.json").is_file()


@pytest.mark.usefixtures("interruptible")
def test_told_to_stop_all_of_them_end_without_a_traceback(tmp_path, repository):
    slow = ["--set", "toy_shared.pause=0.1", "--set", "toy_shared.steps=1000"]
    command = toy_command(repository, tmp_path, *slow, method="toy_shared")
    first, second = launched(repository, command, stop=signal.SIGTERM)
    assert (first[0], second) == (143, (143, "", ""))
    assert "interrupted: 3 finished cells are kept" in first[1]
    assert "Traceback" not in first[2]
    assert set(records(tmp_path)) == {"centre", "grid", "random_points"}


def test_mistaken_numbers_are_one_line(tmp_path, run_toy, monkeypatch):
    for name, value in {"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    done = run_toy(tmp_path)
    assert done.status == 2
    assert done.err.startswith("error: RANK is '2' and WORLD_SIZE '2', expected")
    assert len(done.err.splitlines()) == 1
