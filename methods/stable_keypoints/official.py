"""Token files: those of the released code (``embedding.pt``, ``indices.pt``) and those of our fits.

The released code of Hedlin et al. saves the optimised embedding (1, N, 768) float32 and the ids (K,) int64 of the
chosen tokens, each with ``torch.save``. Reading them executes no pickle. Importing this module imports no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.archives import load_torch, unusual
from methods.base import MethodError
from methods.files import weights_sha256
from methods.limits import LimitError

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDING = "embedding.pt"
INDICES = "indices.pt"
TOKENS = "tokens.safetensors"
STATE = "state.json"


def find(folder: Path) -> tuple[Path, ...]:
    """The files of tokens in a folder: those of a fit, else the released code's. Raises MethodError without either."""
    for names in ((TOKENS, STATE), (EMBEDDING, INDICES)):
        if all((folder / name).is_file() for name in names):
            return tuple(folder / name for name in names)
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) if folder.is_dir() else ""
    got = f"it has {there}" if there else "an empty folder" if folder.is_dir() else "no such folder"
    raise MethodError(
        f"stable_keypoints: no tokens at {folder} ({got}); expected {EMBEDDING} and {INDICES} of the released code, or "
        f"{TOKENS} and {STATE} of a fit (runs/fits/...)"
    )


def digests(folder: Path) -> dict[str, str]:
    """sha256 of each file of tokens by file name. Raises MethodError where one cannot be read."""
    return {path.name: weights_sha256(path, "stable_keypoints") for path in find(folder)}


def read(folder: Path) -> tuple[Tensor, Tensor, dict[str, Any] | None]:
    """Tokens (N, width), ids (K,) int64 of the chosen ones, and the state of our fit; None for the released code's.

    Raises MethodError for files that are broken or hold anything but one such tensor each.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    first, second = find(folder)
    if first.name == EMBEDDING:
        tokens, chosen = _tensor(first), _tensor(second)
        if tokens.ndim != 3 or len(tokens) != 1:
            raise _bad(first, f"shape {tuple(tokens.shape)}", "(1, N, width), as the released code writes")
        _check(first, tokens[0], second, chosen)
        return tokens[0].float(), chosen.long(), None
    try:
        state = dict(json.loads(second.read_text()))
        tensors = load_file(first)
        tokens, chosen = tensors["tokens"], tensors["chosen"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise MethodError(f"stable_keypoints: cannot load tokens from {folder} ({reason}); fit again") from error
    _check(first, tokens, first, chosen)
    return tokens, chosen, state


def write(source: Path, folder: Path) -> tuple[Path, Path]:
    """Write the tokens of a fit at ``source`` as the released code's two files, tokens rounded to float32.

    Raises MethodError if there is no fit, if it used the empty caption's tokens, which the released code does not have,
    or if the files exist.
    """
    import torch

    tokens, chosen, state = read(source)
    config = (state or {}).get("config", {})
    if config.get("keep_null_tokens"):
        raise MethodError(
            f"stable_keypoints: the tokens in {source} were learned beside the empty caption's (keep_null_tokens), "
            "which the released code lacks, so its maps would differ; fit with stable_keypoints.keep_null_tokens=false"
        )
    written = folder / EMBEDDING, folder / INDICES
    for path, tensor in zip(written, (tokens.float()[None], chosen.long()), strict=True):
        if path.exists():
            raise MethodError(f"stable_keypoints: {path} exists already; name another folder, or remove it")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                torch.save(tensor.detach().clone().contiguous(), file)
        except (OSError, RuntimeError) as error:
            path.unlink(missing_ok=True)
            raise MethodError(f"stable_keypoints: cannot write {path}: {str(error).splitlines()[0]}") from error
    return written


def _tensor(path: Path) -> Tensor:
    """The tensor in a file. Raises MethodError for anything else, without executing it."""
    import torch

    try:
        found = load_torch(path)
    except LimitError as error:
        raise MethodError(f"stable_keypoints: {path} {error}") from error
    except Exception as error:  # torch raises half a dozen kinds for a broken or foreign file
        raise _bad(path, "a file that is broken or holds more than a tensor (it was not executed)", "") from error
    if not isinstance(found, torch.Tensor):
        raise _bad(path, f"a {type(found).__name__}", "")
    if reason := unusual(found):
        raise MethodError(f"stable_keypoints: {path} {reason}")
    return found.detach()


def _check(tokens_path: Path, tokens: Tensor, chosen_path: Path, chosen: Tensor) -> None:
    """Raise MethodError unless tokens are (N, width) finite floats and chosen are (K,) different ids below N."""
    if tokens.ndim != 2 or not tokens.is_floating_point():
        raise _bad(tokens_path, f"{tuple(tokens.shape)} {tokens.dtype}", "N tokens of floats")
    if not bool(tokens.isfinite().all()):
        raise _bad(tokens_path, "tokens that are not finite numbers", "finite ones")
    if chosen.ndim != 1 or chosen.is_floating_point() or chosen.is_complex():
        raise _bad(chosen_path, f"{tuple(chosen.shape)} {chosen.dtype}", "ids (K,) of int64")
    ids = chosen.tolist()
    wrong = [number for number in ids if not 0 <= number < len(tokens)]
    if wrong:
        raise _bad(chosen_path, f"token {wrong[0]}", f"ids from 0 to {len(tokens) - 1}")
    if len(set(ids)) < len(ids):
        raise _bad(chosen_path, "an id more than once", "different ids")


def _bad(path: Path, got: str, expected: str) -> MethodError:
    expected = expected or "one tensor, as torch.save of the released code writes it"
    return MethodError(f"stable_keypoints: {path} has {got}, expected {expected}; name other tokens or fit anew")
