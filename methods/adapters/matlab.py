"""Checks of MATLAB 5 to 7 files before SciPy reads them.

SciPy calls itself for each value within a value, until the stack ends, and allocates what the dimensions of a cell
array claim. The check walks through the same parts of the file and does neither. MATLAB 4 files hold neither cells nor
compressed parts and are not checked. Format: MathWorks, "MAT-File Format", version 5.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from methods import limits

HEAD = 4096  # bytes of a variable that hold its dimensions and its name
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _OBJECT, _CHARACTERS, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_COMPLEX = 1 << 11
_NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18}  # the types of numbers and of text


def check_matlab(path: Path, wanted: str | None = None) -> None:
    """Check the headers of all variables, and all values within the variable ``wanted``.

    Raises ValueError for a file that is cut short or contradicts itself, and LimitError for one that has too many
    variables or values, or nests them too deeply.
    """
    with path.open("rb") as file:
        start = file.read(128)
        if len(start) < 128 or 0 in start[:4] or start[124:128] in (b"\0\2IM", b"\2\0MI"):
            return  # MATLAB 4 or 7.3, or no MATLAB file at all
        order = "<" if start[126:128] == b"IM" else ">"
        count = 0
        try:
            while len(tag := file.read(8)) == 8:
                kind, size = struct.unpack(f"{order}II", tag)
                count += 1
                limits.check(count, limits.MEMBERS, "variables")
                _check_variable(file, tag, kind == _COMPRESSED, size, order, wanted)
        except (struct.error, zlib.error) as error:
            raise ValueError(f"is cut short, or contradicts itself: {error}") from error


def _check_variable(file: BinaryIO, tag: bytes, packed: bool, size: int, order: str, wanted: str | None) -> None:
    """Check the variable at the position of the file, and leave the file behind it."""
    begin = file.tell()
    left = min(size, os.fstat(file.fileno()).st_size - begin)

    def first(count: int) -> bytes:
        file.seek(begin)
        if packed:
            return zlib.decompressobj().decompress(file.read(min(left, count)), count)
        return tag + file.read(min(left, count))

    if _Walk(first(HEAD), order).name() == wanted:
        values = first(int(limits.BYTES * limits.factor()) + 1)
        limits.check(len(values), limits.BYTES, "bytes in memory")
        _Walk(values, order).check()
    file.seek(begin + size)


class _Walk:
    """A position in the bytes of one variable, which begin with its tag."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._order = order
        self._at = 0

    def name(self) -> str:
        """The name of the variable. Raises ValueError if it is not within the bytes."""
        self._tag()
        return self._head()[2]

    def check(self) -> None:
        """Walk through all values, of which SciPy reads the next one wherever the last one ended."""
        left, found = [1], 0  # values still to come, at each depth
        while left:
            if not left[-1]:
                left.pop()
                continue
            left[-1] -= 1
            kind, size = self._tag()
            if kind != _MATRIX:
                raise ValueError(f"has the type {kind} where a value begins")
            if size:
                found += 1
                left.append(self._children())
                limits.check(len(left) - 1, limits.NESTING, "values within each other")
                limits.check(found + left[-1], limits.VALUES, "values of cells and structs")

    def _children(self) -> int:
        """Read a value up to the first value within it; returns the number of these."""
        flags, count, _ = self._head()
        kind = flags & 0xFF
        if kind in (_STRUCT, _OBJECT):
            if kind == _OBJECT:
                self._element()
            (width,) = struct.unpack(f"{self._order}i", self._element())
            names = self._element()
            return count * (len(names) // width if width > 0 else 0)
        if kind in (_CELL, _FUNCTION):
            return count if kind == _CELL else 1
        if kind == _OPAQUE:
            for _ in range(2):
                self._element()
            return 1
        parts = [self._element() for _ in range((3 if kind == _SPARSE else 1) + bool(flags & _COMPLEX))]
        if kind != _SPARSE and count > len(parts[0]):
            raise ValueError(f"claims {count:,} numbers in {len(parts[0]):,} bytes")
        return 0

    def _head(self) -> tuple[int, int, str]:
        """Flags, the number of elements, and the name."""
        self._at += 8
        flags, _ = struct.unpack_from(f"{self._order}II", self._data, self._at)
        self._at += 8
        if flags & 0xFF == _OPAQUE:
            return flags, 1, self._text()
        sides = self._element()
        count = math.prod(struct.unpack(f"{self._order}{len(sides) // 4}i", sides[: len(sides) // 4 * 4]))
        return flags, max(0, count), self._text()

    def _text(self) -> str:
        return self._element().decode("latin-1")

    def _tag(self) -> tuple[int, int]:
        kind, size = struct.unpack_from(f"{self._order}II", self._data, self._at)
        self._at += 8
        return kind, size

    def _element(self) -> bytes:
        """The bytes of a part, which is padded to 8 bytes; up to 4 bytes may stand within its tag."""
        kind, size = self._tag()
        if kind & 0xFFFF not in _NUMBERS:  # SciPy looks others up beyond the end of a table
            raise ValueError(f"has the type {kind & 0xFFFF} where numbers or text begin")
        if kind >> 16:
            size, begin = kind >> 16, self._at - 4
            if size > 4:
                raise ValueError(f"has {size} bytes in a tag")
        else:
            begin = self._at
            self._at += size + -size % 8
        if begin + size > len(self._data):
            raise ValueError("is cut short, or a part of it claims to be longer than the file")
        return self._data[begin : begin + size]
