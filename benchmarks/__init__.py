"""The benchmark harness: plan, run, score and record methods on tasks. See ``python -m benchmarks --help``."""

import importlib.util
import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def _let_waiting_threads_sleep() -> None:
    """Set OMP_WAIT_POLICY to passive unless the user has set it: waiting OpenMP threads then sleep instead of spinning.

    Spinning threads take the cores from threads that have work. With four other processes on two cores a step of a fit
    took 6.1 s with spinning threads and 0.8 s with sleeping ones. On an idle machine sleeping costs 4 to 9 % (253 ms
    against 237 ms a step); ``OMP_WAIT_POLICY=active`` gets that back.

    OpenMP reads the variable once, when torch is loaded. If torch is loaded already, nothing is set, so that the
    variable always shows the policy in force. Child processes inherit it.
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
    """Raise ImportError if ``import datasets`` finds another package, such as Hugging Face's.

    The message has the path found, the path expected, and a command that works.
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
