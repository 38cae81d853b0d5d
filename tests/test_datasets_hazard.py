"""The folder ``datasets`` bears the name of a Hugging Face package: libraries that look for that must not stumble."""

import importlib
import os
import subprocess
import sys

import pytest

import datasets

TRAIN = """
import sys
import torch
from transformers import Trainer, TrainingArguments

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x, labels):
        loss = ((self.layer(x) - labels) ** 2).mean()
        return {"loss": loss}

examples = [{"x": torch.ones(2) * i, "labels": torch.ones(1)} for i in range(4)]
arguments = TrainingArguments(sys.argv[1], max_steps=1, use_cpu=True, report_to=[], disable_tqdm=True, logging_steps=9)
trainer = Trainer(Net(), arguments, train_dataset=examples)
assert next(iter(trainer.get_train_dataloader()))["x"].shape == (4, 2)
trainer.train()
import datasets
print(trainer.state.global_step, datasets.__file__)
"""


def python(code, *arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=os.environ | environment,
    )


def test_the_package_is_ours(repository):
    assert datasets.__file__ == str(repository / "datasets" / "__init__.py")


@pytest.mark.parametrize("name", ["Dataset", "IterableDataset", "DatasetDict", "IterableDatasetDict"])
def test_nothing_is_an_instance_of_a_placeholder(name):
    placeholder = getattr(datasets, name)
    assert not isinstance([1, 2], placeholder)
    with pytest.raises(TypeError, match="placeholder"):
        placeholder()


@pytest.mark.parametrize("name", ["load_dataset", "load_from_disk", "concatenate_datasets"])
def test_loading_is_refused_with_the_reason(name):
    with pytest.raises(ImportError, match="not the Hugging Face package"):
        getattr(datasets, name)("squad")


def test_other_names_are_simply_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Features'"):
        _ = datasets.Features


def test_transformers_trains(repository, tmp_path):
    done = python(TRAIN, str(tmp_path), cwd=repository)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["1", str(repository / "datasets" / "__init__.py")]


@pytest.mark.parametrize("module", ["transformers.modelcard", "transformers.models.rag.retrieval_rag"])
def test_modules_of_transformers_that_want_the_other_package_import(module):
    importlib.import_module(module)


def test_the_guard_names_another_package_that_comes_first(repository, tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    paths = os.pathsep.join([str(tmp_path), str(repository)])
    done = python("import benchmarks", cwd=tmp_path, PYTHONPATH=paths)
    assert done.returncode == 1
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError: 'import datasets' finds " + str(tmp_path / "datasets" / "__init__.py"))
    assert f"cd {repository} && python -m benchmarks" in message


def test_the_guard_sees_another_package_that_was_imported_before(repository):
    code = "import sys, types; sys.modules['datasets'] = types.ModuleType('datasets'); import benchmarks"
    done = python(code, cwd=repository)
    assert done.returncode == 1
    assert "'import datasets' finds nothing" in done.stderr


def test_the_guard_says_so_where_no_datasets_can_be_imported(repository, tmp_path):
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('benchmarks', sys.argv[1]); "
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))"
    )
    done = python(code, str(repository / "benchmarks" / "__init__.py"), cwd=tmp_path, PYTHONPATH="")
    assert done.returncode == 1
    assert f"needs its own folder {repository / 'datasets'}" in done.stderr


def test_from_the_repository_the_guard_is_silent(repository):
    assert python("import benchmarks", cwd=repository, PYTHONPATH="").returncode == 0
