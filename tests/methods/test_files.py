"""Checksums of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from methods.base import MethodError
from methods.files import file_sha256, weights_sha256

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # published with the standard's examples
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_checksum_follows_the_file(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"")
    assert weights_sha256(file, "imm") == file_sha256(file) == EMPTY
    file.write_bytes(b"xyz")
    before = weights_sha256(file, "imm")
    file.write_bytes(b"abc")
    os.utime(file, ns=(0, 1))  # of the same size, but changed at another time
    assert weights_sha256(file, "imm") == ABC != before


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(MethodError, match=f"^imm: cannot read {path}: ") as error:
            weights_sha256(path, "imm")
        assert "\n" not in str(error.value)
