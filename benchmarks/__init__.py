"""The harness: what is run, how, and where it is kept. ``python -m benchmarks --help`` says the rest."""

import importlib.util
import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def _let_waiting_threads_sleep() -> None:
    """Set OMP_WAIT_POLICY to passive unless the user has set it: OpenMP threads that wait then sleep and do not spin.

    Threads that spin take the cores from whoever has work. With four other processes on two cores a step of a fit
    took 6.1 s with spinning threads and 0.8 s with sleeping ones. On an idle machine sleeping costs 4 to 9 % (253 ms
    against 237 ms a step); ``OMP_WAIT_POLICY=active`` gets that back.

    OpenMP reads the variable once, when torch is loaded. Where torch is loaded already nothing is set, so that the
    variable always says what is in force. Processes started from this one inherit it.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


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


_let_waiting_threads_sleep()
_require_own_datasets()
