"""Options of sbatch: what may stand in a script, and that sbatch reads what was meant."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.errors import UserError
from benchmarks.run.cluster.sbatch_options import header, parse_options
from tests.benchmarks.run.cluster.commands import options_of


def read(*assignments, uses_gpu=True):
    """The options as sbatch reads them from a script."""
    lines = header(parse_options(assignments), uses_gpu)
    return options_of("\n".join(["#!/bin/bash", *lines, "exit", "#SBATCH --after=command"]))


def test_a_script_asks_for_one_gpu_a_warning_and_to_be_requeued():
    found = read("partition=gpu", "account=x", "time=04:00:00", "exclusive")
    assert found | {"gres": "gpu:1", "requeue": "", "signal": "B:TERM@120", "partition": "gpu"} == found
    assert found | {"account": "x", "time": "04:00:00", "exclusive": "", "open-mode": "append"} == found
    assert "wckey" not in found and "array" not in found


@pytest.mark.parametrize("option", ["gpus=0", "gres=none", "gpus-per-task=0", "gres=gpu:0"])
def test_a_job_can_have_no_gpu(option):
    assert not {"gres", "gpus", "gpus-per-task"} & read(option).keys()
    assert not {"gres", "gpus", "gpus-per-task"} & read(uses_gpu=False).keys()


def test_a_named_gpu_replaces_the_default():
    assert read("gres=gpu:a100:1")["gres"] == "gpu:a100:1"
    assert "gres" not in read("gpus-per-task=1") and read("gpus-per-task=1")["gpus-per-task"] == "1"
    assert read("gres=gpu:a100:1", uses_gpu=False)["gres"] == "gpu:a100:1"


def test_the_last_of_two_values_counts_and_defaults_can_be_changed():
    assert read("time=1", "time=2")["time"] == "2"
    assert read("signal=B:TERM@300", "job-name=mine")["signal"] == "B:TERM@300"
    assert "requeue" not in read("no-requeue")


@given(st.text(min_size=1))
def test_any_value_on_one_line_is_read_as_it_was_given(text):
    assume(text.isprintable())
    assert read(f"comment={text}")["comment"] == text


@given(st.text(), st.sampled_from("\n\r\v\f\0\x1b\x85\u2028\u2029"), st.text())
def test_no_value_can_add_a_line(before, end, after):
    with pytest.raises(UserError, match="line break"):
        parse_options([f"comment={before}{end}{after}"])


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("", "NAME=VALUE"),
        ("=gpu", "NAME=VALUE"),
        ("p=gpu", "NAME=VALUE"),
        ("time limit=1", "NAME=VALUE"),
        ("time\n#SBATCH --wrap=1", "NAME=VALUE"),
        ("Partition=gpu", "NAME=VALUE"),
        ("partition=", "after '='"),
        ("array=0-5", "%N"),
        ("array=%0", "%N"),
        ("array", "%N"),
        ("signal=USR1@60", "B:TERM@N"),
        ("signal=B:TERM@0", "B:TERM@N"),
        ("dependency=singleton", "depend"),
        ("wrap=ls", "depend"),
    ],
)
def test_what_the_scripts_cannot_take_is_refused(option, named):
    with pytest.raises(UserError, match=named):
        parse_options([option])
