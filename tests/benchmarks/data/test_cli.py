"""``python -m benchmarks data`` from outside: exit statuses, one line for a mistake, nothing heavy imported."""

import json

import pytest


def test_what_must_be_quick_imports_nothing_heavy(heavy_modules):
    status = ["data", "status"]
    found = heavy_modules(
        ["data", "--help"],
        ["data", "verify", "--help"],
        status,
        [*status, "--format", "json"],
        ["data", "describe", "cub_001"],
    )
    assert len(found) == 5
    assert [(line, heavy) for line, heavy in found if heavy] == []


def test_status_as_json_is_nothing_else(command, tmp_path):
    _, out, _ = command("data", "status", "cub_001", "--data-root", tmp_path, "--format", "json")
    found = json.loads(out)
    assert (found["data_root"], found["named_by"]) == (str(tmp_path), "--data-root")
    assert found["datasets"][0]["counts"] == {"fit": 30, "regress": 30, "test": 30}


def test_verify_ends_with_0_for_sound_data_and_1_for_what_is_missing(command, tmp_path):
    cache = ["--cache", tmp_path / "cache"]
    status, out, _ = command("data", "verify", "mini_cub_001", "--annotations-only", *cache)
    assert (status, out.splitlines()[-1]) == (0, "  no problems")
    status, out, _ = command("data", "verify", "cub_001", "--data-root", tmp_path, *cache)
    assert status == 1
    assert f"no {tmp_path}/CUB_200_2011" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "cub_01"], "unknown dataset 'cub_01'; did you mean 'cub_001'?"),
        (["status", "--data-root", "/nowhere"], "data root /nowhere (from --data-root) is not a folder"),
        (["describe", "cub_01"], "unknown dataset 'cub_01'; did you mean 'cub_001'?"),
        (["verify", "cub_01"], "unknown dataset 'cub_01'; did you mean 'cub_001'?"),
        (["verify", "cub_001"], "cub_001: no data root is set; get CUB_200_2011.tgz from"),
        (["verify", "mini_taichi", "--output", "/nowhere/x"], "[Errno 2] No such file or directory: '/nowhere/x'"),
        (["fetch", "cub_001"], "cub_001: no data root to unpack it into; name a folder with --data-root"),
        (["fetch", "celeba_aligned"], "celeba_aligned has no direct download; follow the instructions above"),
    ],
)
def test_mistakes_are_one_line_with_status_2(command, arguments, message):
    status, _, error = command("data", *arguments)
    assert status == 2
    assert error.startswith("error: " + message)
    assert len(error.splitlines()) == 1


def test_a_dataset_without_direct_download_is_explained(command, tmp_path):
    _, text, _ = command("data", "fetch", "celeba_aligned", "--data-root", tmp_path)
    assert "licence        non-commercial research only" in text
    assert f"files expected under the data root {tmp_path}\n  celeba/\n" in text
