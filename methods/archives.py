"""Zip archives (.npz, .pt) and tensors in them, checked before anything is unpacked or converted."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import limits

if TYPE_CHECKING:
    from torch import Tensor


class _Sparing(io.FileIO):
    """A file that refuses to read much at once, as ``zipfile`` does for the list of members that it is made to."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        wanted = left if size is None or size < 0 else min(size, left)
        limits.check(wanted, limits.DIRECTORY, "bytes in its list of members")
        return super().read(wanted) or b""


def members(path: Path) -> list[zipfile.ZipInfo] | None:
    """The members of a zip archive, None for another file.

    Raises LimitError for too many of them, and whatever ``zipfile`` raises for a broken archive.
    """
    with _Sparing(path) as file:
        if file.read(4) not in (b"PK\3\4", b"PK\5\6"):
            return None
        with zipfile.ZipFile(file) as archive:
            found = archive.infolist()
    limits.check(len(found), limits.MEMBERS, "members")
    return found


def load_torch(path: Path) -> Any:
    """The tensors and plain data of a file of ``torch.save``, on the CPU; nothing in it is executed.

    Raises LimitError for a file that is larger once unpacked, as ``torch.save`` does not compress, and whatever
    ``torch.load`` raises.
    """
    import torch

    unpacked = sum(member.file_size for member in members(path) or ())
    if unpacked > path.stat().st_size:
        raise limits.LimitError(f"would unpack to {unpacked:,} bytes, but torch.save packs nothing; save it again")
    with warnings.catch_warnings(action="ignore"):
        return torch.load(path, map_location="cpu", weights_only=True)


def unusual(tensor: Tensor) -> str:
    """The reason why a tensor cannot be converted to an array of numbers, and the remedy; '' for most tensors."""
    import torch

    if tensor.is_quantized:
        return f"is quantized ({tensor.dtype}), expected plain numbers; save tensor.dequantize()"
    if tensor.is_meta:
        return "has a shape but no numbers (device meta); save it after its weights are loaded"
    if tensor.is_nested or tensor.layout is not torch.strided:
        kind = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
        return f"is stored as {kind}, expected a dense tensor; save tensor.to_dense()"
    return limits.excess(8 * tensor.numel(), limits.BYTES, "bytes in memory")
