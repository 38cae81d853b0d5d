"""Runs of the toy method, and MLflow stores that are made once."""

import shutil
from pathlib import Path

import pytest

from benchmarks.records import mlflow_store
from benchmarks.records.mlflow_store import EXPERIMENT
from benchmarks.run.command import run_command
from benchmarks.run.options import RunOptions


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A store as the mirror makes it."""
    made = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow_store._configure()
    mlflow_store._make(made)
    return made


@pytest.fixture(autouse=True)
def quick_store(empty_store, monkeypatch):
    """Copy the store, because making one takes seconds."""
    monkeypatch.setattr(mlflow_store, "_make", lambda database: shutil.copy(empty_store, database))


@pytest.fixture
def run(toys, tmp_path):
    """Run the toy method; gives the exit status."""

    def call(*assignments, **changes):
        options = {
            "methods": ["toy_colours"],
            "suites": [],
            "tasks": ["toy"],
            "profile": None,
            "data_root": tmp_path,
            "seeds": 1,
            "limit": None,
            "device": "cpu",
            "output": tmp_path / "runs",
            "assignments": list(assignments),
            "overwrite": "failed",
            "floors": False,
            "mlflow": True,
            "dry_run": False,
        }
        return run_command(RunOptions(**(options | changes)))

    return call


def runs(client):
    """Parents and children in the store."""
    found = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    parents = [one for one in found if "mlflow.parentRunId" not in one.data.tags]
    return parents, [one for one in found if one not in parents]
