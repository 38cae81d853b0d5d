"""Find model files in the Hugging Face hub cache, and download those that it lacks. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

TIMEOUT = 10.0  # seconds to wait for the hub's first answer


class HubError(Exception):
    """The hub did not provide the files: ``where`` they were looked for, and the ``reason`` in a few words."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where, self.reason = where, reason


def url(model: str) -> str:
    """Address of a model's page."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{model}"


def cached(model: str, revision: str | None = None) -> Path | None:
    """Folder of a revision (default: ``main``) in the hub's cache, named after its commit; None if it is not there."""
    store = _store(model)
    reference = store / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    folder = store / "snapshots" / commit if commit else None
    return folder if folder and folder.is_dir() else None


def folder_with(model: str, revision: str | None, names: Sequence[str], others: Sequence[str] = ()) -> Path:
    """Folder of a commit in the hub's cache, after a download if the cache lacks one of ``names``.

    A download fetches ``names`` and all files that match the patterns in ``others``, and ignores names that the
    repository lacks. Raises HubError.
    """
    found = cached(model, revision)
    if found and all((found / name).is_file() for name in names):
        return found
    commit = found.name if found else revision

    def download() -> Path:
        from huggingface_hub import HfApi, snapshot_download

        # Without an answer, snapshot_download itself would wait and retry for minutes.
        HfApi().model_info(model, revision=commit, timeout=TIMEOUT)
        return Path(snapshot_download(model, revision=commit, allow_patterns=[*names, *others]))

    return _ask(model, revision, download)


@lru_cache
def listing(model: str, commit: str) -> tuple[str, ...]:
    """Names of all files of a commit. Raises HubError."""

    def names() -> tuple[str, ...]:
        from huggingface_hub import HfApi

        info = HfApi().model_info(model, revision=commit, timeout=TIMEOUT)
        return tuple(file.rfilename for file in info.siblings or [])

    return _ask(model, commit, names)


def _store(model: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"


def _ask(model: str, revision: str | None, question: Callable[[], Any]) -> Any:
    """The answer of ``question``, a call to the hub. Raises HubError if the call fails, and in offline mode."""
    from huggingface_hub import constants

    named = f", revision '{revision}'" if revision else ""
    if constants.HF_HUB_OFFLINE:
        raise HubError(str(_store(model)), f"the hub's cache lacks some of its files{named}, and HF_HUB_OFFLINE is set")
    try:
        return question()
    except Exception as error:  # the hub raises a dozen kinds, its own and those of its network library
        reason = {
            "GatedRepoError": "accept its licence there, then hf auth login",
            "RepositoryNotFoundError": "no such repository, or a private one: hf auth login",
            "RevisionNotFoundError": "no such revision",
        }.get(type(error).__name__, f"not in the cache, and the hub cannot be reached: {type(error).__name__}")
        raise HubError(f"{_store(model)} and {url(model)}", reason + named) from error
