"""What MLflow's pages get: the table, the headline, source, version and user."""

import json
import sys
from pathlib import Path

from mlflow import MlflowClient

from benchmarks.records import mlflow_runs
from benchmarks.records.mlflow_mirror import mirror
from benchmarks.records.mlflow_store import EXPERIMENT
from leaderboard.load import load_records
from tests.benchmarks.records.conftest import runs


def test_the_pages_get_the_table_the_headline_and_the_source(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "run", "--method", "toy_colours"])
    output = tmp_path / "runs"
    assert run("toy_colours.shift=0.1", floors=True) == 0
    client = MlflowClient(f"sqlite:///{output}/mlflow.db")
    tags = client.get_experiment_by_name(EXPERIMENT).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert tags["mlflow.experiment.primaryMetric.name"] == "headline"
    (parent,), children = runs(client)
    records = {record.cell_id: record for record in load_records(output)}
    assert len(children) == len(records) == 4
    table = parent.data.tags["mlflow.note.content"]
    assert "| Toy colours" in table and "toy (% side)" in table
    assert f"{next(iter(records.values())).scores[0].value:.2f}" in table
    kept = client.download_artifacts(parent.info.run_id, "leaderboard.md", str(tmp_path))
    assert Path(kept).read_text("utf-8") == table
    for each in [parent, *children]:
        assert each.data.tags["mlflow.source.name"] == "python -m benchmarks run"
        assert each.data.tags["command"] == "run --method toy_colours"
        assert each.data.tags["mlflow.user"]
        assert "" not in each.data.tags.values() and "pictures_sha256" not in each.data.tags
    for child in children:
        record = records[child.data.tags["cell_id"]]
        score = record.scores[0]
        assert child.data.metrics["headline"] == child.data.metrics[score.protocol] == score.value
        assert not [name for name in child.data.metrics if name.endswith(("ci_low", "ci_high"))]
        assert child.data.tags["headline_protocol"] == score.protocol
        assert child.data.tags["headline_interval"] == f"{score.ci_low:.3f} to {score.ci_high:.3f}"
        assert score.protocol in child.data.tags["mlflow.note.content"]
        assert child.data.tags.get("mlflow.source.git.commit") == record.provenance["git_sha"]
        assert "limit" not in child.data.params and "null" not in child.data.params.values()


def test_a_failure_is_described_and_has_no_headline(run, tmp_path):
    assert run("toy_colours.crash=true") == 1
    _, (child,) = runs(MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db"))
    assert child.data.tags["mlflow.note.content"] == "failed: ValueError: the toy crashed"
    assert "headline" not in child.data.metrics


def test_a_long_table_is_an_artifact_alone(run, tmp_path, monkeypatch):
    monkeypatch.setattr(mlflow_runs, "NOTE_LENGTH", 100)
    assert run() == 0
    (parent,), _ = runs(MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db"))
    assert parent.data.tags["mlflow.note.content"] == "The table is long: see the artifact leaderboard.md."


def test_names_from_files_make_no_markup_in_mlflow(run, tmp_path):
    output = tmp_path / "runs"
    assert run(mlflow=False) == 0
    (path,) = output.glob("cells/*/result.json")
    record = json.loads(path.read_text())
    record = {name: value for name, value in record.items() if not name.startswith("digest")}
    record["method_label"] = "<script>x</script> a|b ![x](http://example.org)"
    path.write_text(json.dumps(record | {"schema_version": 4}))
    mirror(output)
    (parent,), _ = runs(MlflowClient(f"sqlite:///{output}/mlflow.db"))
    table = parent.data.tags["mlflow.note.content"]
    assert "script" in table and "<script>" not in table and "![x](" not in table


def test_an_experiment_that_an_older_version_made_gets_its_tags(run, tmp_path, empty_store):
    output = tmp_path / "runs"
    assert run(mlflow=False) == 0
    (output / "mlflow.db").write_bytes(empty_store.read_bytes())
    client = MlflowClient(f"sqlite:///{output}/mlflow.db")
    client.create_experiment(EXPERIMENT, tags={"mlflow.experimentKind": "chosen by the user"})
    assert mirror(output) == (1, 0)
    tags = client.get_experiment_by_name(EXPERIMENT).tags
    assert tags["mlflow.experimentKind"] == "chosen by the user"
    assert tags["mlflow.experiment.primaryMetric.name"] == "headline"
