"""Refusals of ``import``, and of ``run`` with imported keypoints: one line each, with status 2."""

import json

import numpy as np
import pytest

from methods.adapters.base import Outputs
from methods.adapters.neutral import Neutral
from tests.benchmarks.importing.toys import imported, run, write


def test_keypoints_of_images_that_have_changed_are_not_run(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    path = tmp_path / "runs/imports/my_method/toy.paper.json"
    changed = json.loads(path.read_text())
    changed["digests"]["test"] = "0" * 64
    del changed["digest"]  # as records of older versions
    path.write_text(json.dumps(changed))
    status, _, err = run(call, "imported:runs/imports/my_method")
    assert status == 2
    assert "are for another split 'test', not those of toy_squares today" in err


@pytest.mark.parametrize("spoil", ["remove", "truncate", "change", "another"])
def test_files_that_are_gone_or_broken_are_said_in_a_line(call, toys, tmp_path, spoil):
    imported(call, toys, tmp_path / "k.parquet")
    folder = tmp_path / "runs" / "imports" / "my_method"
    if spoil == "remove":
        (folder / "toy.paper.parquet").unlink()
    elif spoil == "truncate":
        (folder / "toy.paper.parquet").write_bytes((folder / "toy.paper.parquet").read_bytes()[:50])
    elif spoil == "change":
        write(folder / "toy.paper.parquet", toys, change=lambda points: points * 0.9)
    else:
        (folder / "toy.paper.json").write_text("{}")
    status, out, err = run(call, "imported:runs/imports/my_method")
    assert status == 2
    assert "import again" in err and "Traceback" not in out + err


def test_imported_keypoints_have_no_settings_and_go_by_their_name(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    name = f"imported:{tmp_path / 'runs' / 'imports' / 'my_method'}"
    status, _, err = run(call, name, more=("--no-floors", "--set", f"{name}.task=toy_many"))
    assert status == 2
    assert "is not run here" in err
    assert "toy · imported_my_method  " in run(call, name)[1]


def test_a_name_whose_folder_is_anothers_is_refused(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    status, _, err = imported(call, toys, tmp_path / "k.parquet", method="my-method")
    assert status == 2
    assert "holds keypoints of 'My Method'; take another name than 'my-method'" in err
    given = ("--supervision", "silhouettes")
    status, _, err = imported(call, toys, tmp_path / "many.parquet", *given, task="toy_many")
    assert status == 2
    assert "'My Method' is 'unsupervised' (saw landmarks: False) on toy, got --supervision 'silhouettes'" in err
    assert imported(call, toys, tmp_path / "k.parquet", *given)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["neutrall", "k.parquet"], "unknown format 'neutrall'; did you mean 'neutral'?"),
        (["neutral", "absent.parquet"], "no file or folder absent.parquet"),
        (["neutral", "k.parquet", "--task", "toyy"], "unknown task 'toyy'"),
        (["neutral", "k.parquet", "--method", "--"], "expected a name on one line with letters a to z or digits"),
        (["neutral", "k.parquet", "--method", "a\nb"], "expected a name on one line"),
        (["neutral", "k.parquet", "--method", "\x1b]0;owned\x07a"], r"'\x1b]0;owned\x07a': the name has the character"),
        (["neutral", "k.parquet", "--method", "a" * 201], "has 201 characters, expected at most 200"),
        (
            ["neutral", "k.parquet", "--method", "a", "--supervision", "few\x1b"],
            "--supervision 'few\\x1b': the name has",
        ),
        (["neutral", "k.parquet", "--option", "side=3"], "unknown option of format neutral 'side'"),
        (["neutral", "k.parquet", "--option", "side"], "expected NAME=VALUE"),
        (["neutral", "test:k.parquet"], "no keypoints for 12 of 12 images of split 'regress'"),
        (["neutral", "k.parquet", "--profile", "large"], "unknown profile 'large'"),
        (["neutral", "k.parquet", "--supervision", "supervised"], "add --saw-landmarks (a supervised row"),
    ],
)
def test_mistakes_end_with_status_2_and_one_line(call, toys, tmp_path, arguments, says):
    write(tmp_path / "k.parquet", toys)
    defaults = {"--task": "toy", "--method": "My Method"}
    more = [part for name, value in defaults.items() if name not in arguments for part in (name, value)]
    status, out, err = call("import", *arguments, *more)
    assert (status, out) == (2, "")
    assert says in err and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (np.full((12, 3, 2), np.nan), "no keypoint was found in any image"),
        (np.full((12, 3, 2), (0.5, np.nan)), "row 0, keypoint 0 is not finite (36 of 36 points are not)"),
        (np.full((12, 2, 2), 0.5), "got K=2 keypoints per image, the task has K=3"),
        (np.full((12, 6), 0.5), "got an array of float64 (12, 6), expected numbers (N, K, 2)"),
        (None, "the files hold no keypoints"),
    ],
)
def test_what_an_adapter_lets_through_is_checked_again(call, toys, tmp_path, monkeypatch, points, says):
    """The adapter of another package may check nothing."""
    found = [] if points is None else [Outputs("mine.txt", points, "regress")]
    monkeypatch.setattr(Neutral, "read", lambda self, request: found)
    write(tmp_path / "k.parquet", toys)
    status, _, err = call("import", "neutral", "k.parquet", "--task", "toy", "--method", "m")
    assert status == 2
    assert says in err


def test_exchanged_coordinates_are_refused_unless_trusted(call, toys, tmp_path):
    write(tmp_path / "k.parquet", toys, "many", change=lambda points: points[..., ::-1])
    arguments = ("import", "neutral", "k.parquet", "--task", "toy_many", "--method", "m")
    status, _, err = call(*arguments)
    assert status == 2
    assert "k.parquet: y seems to come before x: read as (y, x) they explain 100%" in err
    assert not (tmp_path / "runs").exists()
    assert call(*arguments, "--trust-order")[0] == 0


def test_keypoints_that_say_nothing_are_imported_with_a_note(call, toys, tmp_path):
    write(tmp_path / "k.parquet", toys, "many", change=lambda points: np.full_like(points, 0.5))
    status, out, _ = call("import", "neutral", "k.parquet", "--task", "toy_many", "--method", "m")
    assert status == 0
    assert "note: the keypoints do not predict where landmarks are" in out


def test_a_bad_name_in_the_record_of_an_import_never_reaches_the_terminal(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    path = tmp_path / "runs/imports/my_method/toy.paper.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"method": "\x1b]0;owned\x07"}))
    status, out, err = run(call, "imported:runs/imports/my_method")
    assert status == 2
    assert "my_method: the name of the method has the character U+001B" in err
    assert "\x1b" not in out + err


def test_two_folders_of_one_name_are_refused(call, toys, tmp_path):
    imported(call, toys, tmp_path / "k.parquet")
    imported(call, toys, tmp_path / "k.parquet", "--output", "elsewhere")
    status, _, err = run(call, "imported:runs/imports/my_method", "imported:elsewhere/imports/my_method")
    assert status == 2
    assert "are both called 'My Method'" in err


@pytest.mark.parametrize(
    ("name", "says"),
    [("imported:", "names no folder"), ("imported:nowhere", "is no folder"), ("imported:data", "holds no import")],
)
def test_a_folder_without_imports_is_refused(call, name, says):
    status, _, err = run(call, name)
    assert status == 2
    assert says in err
