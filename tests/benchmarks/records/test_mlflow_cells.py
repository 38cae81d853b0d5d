"""One cell at fault: it is named in one line and left out of MLflow, and all others are mirrored."""

import json
import os
import sqlite3
from pathlib import Path

from mlflow import MlflowClient

from tests.benchmarks.records.conftest import runs


def edited(folder, **changes):
    record = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(record | changes))


def with_column(name, values):
    def spoil(folder):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"step": [1.0, 2.0], name: values}), folder / "history.parquet")

    return spoil


def truncated(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-20])


def replaced_by_folder(name):
    def spoil(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return spoil


FAULTS = {
    "an id that leads out of the folder": lambda folder: edited(folder, cell_id="../../secret"),
    "an absolute id": lambda folder: edited(folder, cell_id=str(folder.parents[2] / "secret")),
    "a renamed folder": lambda folder: folder.rename(folder.with_name("renamed")),
    "a copy under the name of another cell": lambda folder: edited(folder, cell_id="another"),
    "a link to another folder": lambda folder: (
        folder.rename(folder.parents[2] / "elsewhere"),
        folder.symlink_to(folder.parents[2] / "elsewhere"),
    ),
    "no record": lambda folder: (folder / "result.json").unlink(),
    "an empty record": lambda folder: (folder / "result.json").write_text(""),
    "a truncated record": truncated("result.json"),
    "a record of a later version": lambda folder: edited(folder, schema_version=1000),
    "a record nested deeply": lambda folder: (folder / "result.json").write_text("[" * 100000),
    "a record that is a folder": replaced_by_folder("result.json"),
    "a record without a date": lambda folder: edited(folder, provenance={}),
    "a date that is none": lambda folder: edited(folder, provenance={"date": "yesterday"}),
    "a setting that MLflow refuses": lambda folder: edited(folder, method_config={"a|b\n": 1}),
    "a truncated curve": truncated("history.parquet"),
    "a curve of text": with_column("loss", ["a", "b"]),
    "a curve that MLflow refuses": with_column("a|b", [1.0, 2.0]),
    "a curve that is a folder": replaced_by_folder("history.parquet"),
}


def test_cells_at_fault_are_named_and_the_others_are_mirrored(run, command, tmp_path):
    output = tmp_path / "runs"
    assert run(seeds=len(FAULTS) + 2, mlflow=False) == 0
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "private.txt").write_text("key")
    (secret / "result.json").write_text("{}")
    first, *cells, last = sorted((output / "cells").iterdir())
    for fault, cell in zip(FAULTS.values(), cells, strict=True):
        fault(cell)
    status, out, err = command("mirror", "--output", output)
    assert status == 1
    assert out.splitlines()[-1] == f"2 records written to sqlite:///{output}/mlflow.db"
    *lines, count = err.splitlines()
    assert count == f"cells left out: {len(FAULTS)}; the lines above say why"
    at_fault = set((output / "cells").iterdir()) - {first, last}
    assert {Path(line.split(" is not mirrored: ")[0]) for line in lines} == at_fault
    assert len(lines) == len(at_fault) == len(FAULTS)
    (parent,), children = runs(MlflowClient(f"sqlite:///{output}/mlflow.db"))
    assert {child.data.tags["cell_id"] for child in children} == {first.name, last.name}
    assert {each.info.status for each in [parent, *children]} == {"FINISHED"}
    assert not list((output / "mlartifacts").rglob("private.txt"))
    with sqlite3.connect(output / "mlflow.db") as database:
        assert database.execute("select count(*) from runs where status = 'RUNNING'").fetchone() == (0,)


def test_files_of_a_cell_that_lead_elsewhere_are_not_mirrored(run, command, tmp_path):
    output = tmp_path / "runs"
    assert run(mlflow=False) == 0
    (cell,) = (output / "cells").iterdir()
    (tmp_path / "private.png").write_text("key")
    (cell / "attention.png").symlink_to(tmp_path / "private.png")
    (cell / "below").symlink_to(tmp_path)
    os.mkfifo(cell / "pipe.png")
    assert command("mirror", "--output", output)[0] == 0
    kept = {path.name for path in (output / "mlartifacts").rglob("*") if path.is_file()}
    assert kept == {path.name for path in cell.iterdir() if path.suffix in (".json", ".parquet")} | {
        "overlay.png",
        "leaderboard.md",
    }


def test_run_takes_no_path_from_a_record_either(run, tmp_path, capsys):
    output = tmp_path / "runs"
    assert run(seeds=2, mlflow=False) == 0
    first, second = sorted((output / "cells").iterdir())
    edited(first, cell_id="../../secret")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "result.json").write_text("{}")
    (tmp_path / "secret" / "private.txt").write_text("key")
    run(seeds=2)
    _, children = runs(MlflowClient(f"sqlite:///{output}/mlflow.db"))
    assert second.name in {child.data.tags["cell_id"] for child in children} <= {first.name, second.name}
    assert not list((output / "mlartifacts").rglob("private.txt"))


def test_a_file_that_cannot_be_sent_leaves_its_cell_out(run, command, tmp_path, monkeypatch):
    output = tmp_path / "runs"
    assert run(seeds=2, mlflow=False) == 0
    first, second = sorted((output / "cells").iterdir())
    original = MlflowClient.log_artifact

    def refuse(self, run_id, path, *more):
        if Path(path).parent == first and Path(path).name == "errors.parquet":
            raise PermissionError(13, "Permission denied", path)
        original(self, run_id, path, *more)

    monkeypatch.setattr(MlflowClient, "log_artifact", refuse)
    status, _, err = command("mirror", "--output", output)
    assert status == 1 and f"{first} is not mirrored: PermissionError" in err
    _, children = runs(MlflowClient(f"sqlite:///{output}/mlflow.db"))
    assert [child.data.tags["cell_id"] for child in children] == [second.name]
    monkeypatch.undo()
    assert command("mirror", "--output", output)[:2] == (0, f"1 records written to sqlite:///{output}/mlflow.db\n")
