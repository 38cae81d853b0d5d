"""The names of columns in h5 files of DeepLabCut are a pickle, which is read without running any of it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from methods.adapters.dlc_tables import texts

COLUMNS = [("DLC_resnet50", part, axis) for part in ("beak", "left wing") for axis in ("x", "y", "likelihood")]


@pytest.mark.parametrize("protocol", range(5))
def test_names_of_columns_as_any_protocol_writes_them(protocol: int) -> None:
    assert texts(pickle.dumps(COLUMNS, protocol)) == COLUMNS


@pytest.mark.parametrize("other", [["text"], [("a", 1)], {"a": ("b",)}, [(("a",),)], 3])
def test_other_pickles_are_refused(other: Any) -> None:
    with pytest.raises(ValueError, match="names of columns"):
        texts(pickle.dumps(other, 0))


@pytest.mark.parametrize(
    "hostile",
    [
        b"cposix\nsystem\n(S'touch sprung'\ntR.",  # GLOBAL, REDUCE
        b"(S'touch sprung'\nios\nsystem\n.",  # INST
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0ctouch sprung\x85R.",  # STACK_GLOBAL
        b"Psomething\n.",  # PERSID
        b"\x82\x01.",  # EXT1
        b"]q\xff",  # cut off
        b"",
    ],
)
def test_a_pickle_that_names_anything_is_refused_and_calls_nothing(
    hostile: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="names of columns"):
        texts(hostile)
    assert not list(tmp_path.iterdir())
