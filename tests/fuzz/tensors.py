"""Files of tensors, of torch.save and safetensors: valid ones, and the same files changed."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.files import Arrays, changed, finish, sometimes
from tests.fuzz.mutate import change_bytes


def torch_file(rng: random.Random, path: Path, values: dict[str, np.ndarray] | np.ndarray) -> Path:
    """A file of torch.save in the new or the old format; within the archive its members are changed."""
    import torch

    plain = isinstance(values, np.ndarray)
    arrays = changed(rng, values if isinstance(values, dict) else {"": values})
    tensors: dict[str, Any] = {}
    for name, array in arrays.items():
        try:
            tensor = torch.from_numpy(np.array(array))
            tensors[name] = _tensor(rng, tensor) if sometimes(rng, 0.4 / len(arrays)) else tensor
        except (TypeError, ValueError, RuntimeError):
            tensors[name] = rng.choice((None, "text", [1, 2], torch.zeros(2)))
    thing = next(iter(tensors.values()), None) if plain and sometimes(rng, 0.9) else tensors
    out = io.BytesIO()
    torch.save(thing, out, _use_new_zipfile_serialization=sometimes(rng, 0.8))
    data = out.getvalue()
    if data[:2] == b"PK" and sometimes(rng, 0.4):
        again = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(again, "w", rng.choice((0, 0, 0, 8))) as new:
            for member in old.infolist():
                inner = old.read(member)
                new.writestr(member.filename, change_bytes(rng, inner) if sometimes(rng, 0.3) else inner)
        data = again.getvalue()
    return finish(rng, path, data, 0.2)


def _tensor(rng: random.Random, tensor: Any) -> Any:
    import torch

    match rng.randrange(7):
        case 0:
            return torch.zeros((1,)).expand((10**9, *tensor.shape[1:]))
        case 1:
            return tensor.to_sparse() if tensor.dtype != torch.bool else tensor
        case 2:
            return tensor.to("meta")
        case 3:
            return tensor.to(torch.bfloat16)
        case 4:
            return tensor.float().requires_grad_()
        case 5:
            return torch.sparse_coo_tensor(torch.zeros((3, 1), dtype=torch.long), torch.ones(1), (10**5, 10**5, 100))
        case 6:
            return tensor.to(torch.complex64)
    return tensor


def safetensors(rng: random.Random, path: Path, arrays: Arrays, metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import save

    found = {name: values for name, values in changed(rng, arrays).items() if values.dtype.kind in "fiub"}
    try:
        data = save({name: np.ascontiguousarray(values) for name, values in found.items()}, metadata)
    except (KeyError, SafetensorError, ValueError, UnicodeError):
        data = save({"a": np.zeros(3)}, metadata)
    return finish(rng, path, data)
