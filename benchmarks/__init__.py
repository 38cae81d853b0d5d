"""The harness: what is run, how, and where it is kept. ``python -m benchmarks --help`` says the rest."""

import importlib.util
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def _origin_of_datasets() -> str | None:
    loaded = sys.modules.get("datasets")
    if loaded is not None:
        return getattr(loaded, "__file__", None)
    spec = importlib.util.find_spec("datasets")
    return spec.origin if spec else None


def _require_own_datasets() -> None:
    """Refuse to start where ``import datasets`` means another package, such as Hugging Face's.

    Raises ImportError with what was found, where it should have been, and the command that works.
    """
    origin = _origin_of_datasets()
    expected = _ROOT / "datasets" / "__init__.py"
    if origin is None or Path(origin).resolve() != expected:
        raise ImportError(
            f"'import datasets' finds {origin or 'nothing'}, but the benchmark needs its own folder {expected.parent}: "
            f"another package of that name comes first, or Python was started elsewhere. "
            f"Start it from the repository in a fresh process: cd {_ROOT} && python -m benchmarks"
        )


_require_own_datasets()
