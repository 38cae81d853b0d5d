"""The limits of both packages: equal where both have one, listed in the documents, raised by one variable."""

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import limits as of_datasets
from methods import limits as of_methods

PACKAGES = [of_datasets, of_methods]
DOCUMENT = Path(__file__).parents[1] / "docs" / "checks.md"
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=60,
)


def constants(module):
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}


def memory(value):
    """The memory of plain data by CPython's own count."""
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return sys.getsizeof(value) + sum(map(memory, inner))


@given(PLAIN)
def test_the_estimate_of_a_json_file_is_not_below_its_memory(value):
    for data in (
        json.dumps(value).encode(),
        json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "replace"),
    ):
        assert of_methods.json_bytes(data) == of_datasets.json_bytes(data)
        assert of_methods.json_bytes(data) + 256 >= memory(json.loads(data)) * 0.5


@pytest.mark.parametrize("text", ["[" + "[]," * 999 + "[]]", "[" + "{}," * 999 + "{}]", '["ab"' + ',"cd"' * 999 + "]"])
def test_the_estimate_holds_for_what_needs_most_memory_a_byte(text):
    assert of_methods.json_bytes(text.encode()) >= memory(json.loads(text))


@pytest.mark.parametrize("limits", PACKAGES)
def test_a_limit_says_how_much_and_what_raises_it(limits, monkeypatch):
    assert limits.excess(64, 64, "columns") == ""
    assert limits.excess(65, 64, "columns") == (
        "has 65 columns, expected at most 64; for a file that is meant to be so large, set KEYPOINTS_LIMITS=2"
    )
    monkeypatch.setenv("KEYPOINTS_LIMITS", "2")
    assert limits.excess(128, 64, "columns") == ""
    assert "has 129 columns, expected at most 128" in limits.excess(129, 64, "columns")
    monkeypatch.setenv("KEYPOINTS_LIMITS", "0.5")
    assert "takes 40 bytes in memory, expected at most 32" in limits.excess(40, 64, "bytes in memory")
    with pytest.raises(limits.LimitError, match="KEYPOINTS_LIMITS=1$"):
        limits.check(40, 64, "bytes in memory")


@pytest.mark.parametrize("limits", PACKAGES)
@pytest.mark.parametrize("text", ["much", "0", "-1", "nan", "inf"])
def test_a_variable_that_is_no_number_above_0_is_named(limits, text, monkeypatch):
    monkeypatch.setenv("KEYPOINTS_LIMITS", text)
    assert limits.excess(1, 64, "columns") == f"cannot be read: KEYPOINTS_LIMITS is '{text}', expected a number above 0"


@pytest.mark.parametrize("limits", PACKAGES)
def test_an_absurd_number_is_still_one_short_line(limits):
    assert len(limits.excess(10**4000, 64, "values")) < 200


def test_both_packages_agree_and_the_document_lists_every_limit():
    one, other = map(constants, PACKAGES)
    assert {name: one[name] for name in one.keys() & other.keys()} == {
        name: other[name] for name in one.keys() & other.keys()
    }
    listed = {
        name: float(number.replace(",", ""))
        for name, number in re.findall(r"^\| `(\w+)` \| ([\d,]+) ", DOCUMENT.read_text("utf-8"), re.M)
    }
    assert listed == {**one, **other}


def test_both_packages_check_matlab_files_alike():
    root = Path(__file__).parents[1]
    one = (root / "methods/adapters/matlab.py").read_text("utf-8")
    other = (root / "datasets/reading/matlab.py").read_text("utf-8")
    assert (
        one.replace("from methods import", "from datasets import").replace("limits.BYTES", "limits.MATLAB_BYTES")
        == other
    )
