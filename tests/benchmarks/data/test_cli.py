"""``python -m benchmarks data`` from outside: exit statuses, one line for a mistake, nothing heavy imported."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = "torch diffusers transformers mlflow matplotlib pandas pyarrow scipy pooch requests"
COUNT = (
    "import atexit, sys\n"
    f"atexit.register(lambda: print('heavy:', [n for n in '{HEAVY}'.split() if n in sys.modules]))\n"
    "from benchmarks.cli import main; main()"
)


def call(repository, *arguments, code="from benchmarks.cli import main; main()"):
    environment = {name: value for name, value in os.environ.items() if name != "KEYPOINTS_DATA_ROOT"}
    command = [sys.executable, "-c", code, "data", *arguments]
    return subprocess.run(
        command, cwd=repository, capture_output=True, text=True, check=False, timeout=600, env=environment
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["verify", "--help"], ["status"], ["status", "--format", "json"], ["describe", "cub_001"]]
)
def test_what_must_be_quick_imports_nothing_heavy(repository, arguments):
    done = call(repository, *arguments, code=COUNT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_status_as_json_is_nothing_else(repository, tmp_path):
    done = call(repository, "status", "cub_001", "--data-root", str(tmp_path), "--format", "json")
    found = json.loads(done.stdout)
    assert (found["data_root"], found["named_by"]) == (str(tmp_path), "--data-root")
    assert found["datasets"][0]["counts"] == {"fit": 30, "regress": 30, "test": 30}


def test_verify_ends_with_0_for_sound_data_and_1_for_what_is_missing(repository, tmp_path):
    cache = ["--cache", str(tmp_path / "cache")]
    sound = call(repository, "verify", "mini_cub_001", "--annotations-only", *cache)
    assert (sound.returncode, sound.stdout.splitlines()[-1]) == (0, "  no problems")
    missing = call(repository, "verify", "cub_001", "--data-root", str(tmp_path), *cache)
    assert missing.returncode == 1
    assert f"no {tmp_path}/CUB_200_2011" in missing.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "cub_01"], "unknown dataset 'cub_01'; did you mean 'cub_001'?"),
        (["status", "--data-root", "/nowhere"], "data root /nowhere (from --data-root) is not a folder"),
        (["describe", "cub_01"], "unknown dataset 'cub_01'; did you mean 'cub_001'?"),
        (["verify", "cub_01"], "unknown dataset 'cub_01'; did you mean 'cub_001'?"),
        (["verify", "cub_001"], "cub_001: no data root is set; get CUB_200_2011.tgz from"),
        (["verify", "mini_taichi", "--output", "/nowhere/x"], "[Errno 2] No such file or directory: '/nowhere/x'"),
        (["fetch", "cub_001"], "cub_001: no data root to put it into; name a folder with --data-root"),
        (["fetch", "celeba_aligned"], "celeba_aligned is not fetched: it has to be got by hand, as said above"),
    ],
)
def test_mistakes_are_one_line_with_status_2(repository, arguments, message):
    done = call(repository, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: " + message)
    assert len(done.stderr.splitlines()) == 1


def test_what_has_to_be_got_by_hand_is_explained(repository, tmp_path):
    text = call(repository, "fetch", "celeba_aligned", "--data-root", str(tmp_path)).stdout
    assert "licence        non-commercial research only" in text
    assert f"files expected under the data root {tmp_path}\n  celeba/\n" in text
