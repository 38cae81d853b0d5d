"""Base class of a method that learns a few numpy arrays, which it saves and loads by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.base import Method, MethodConfig, MethodError, Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FILE = "learned.safetensors"


class ArrayMethod(Method):
    """Saves and loads ``learned``, the arrays that a subclass fills in ``fit`` and reads with ``array(name)``."""

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self.learned: dict[str, NDArray[Any]] = {}

    def array(self, name: str) -> NDArray[Any]:
        """The learned array of this name. Raises MethodError before ``fit`` or ``load``."""
        if name not in self.learned:
            raise MethodError(f"{self.card.id}: '{name}' has not been learned yet; call fit or load first")
        return self.learned[name]

    def parameters(self) -> Parameters:
        """The number of values in all arrays; a subclass with a frozen part adds its parameters."""
        return Parameters(own=sum(values.size for values in self.learned.values()))

    def save(self, folder: Path) -> None:
        """Write all arrays to ``learned.safetensors``. Raises MethodError before ``fit`` or ``load``."""
        import numpy as np
        from safetensors.numpy import save_file

        if not self.learned:
            raise MethodError(f"{self.card.id}: there is nothing to save yet; call fit or load first")
        arrays = {name: np.ascontiguousarray(values) for name, values in self.learned.items()}
        save_file(arrays, folder / _FILE)

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote. Raises MethodError where it is missing or unreadable."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            self.learned = load_file(folder / _FILE)
        except (OSError, SafetensorError) as error:
            raise MethodError(f"{self.card.id}: cannot load {folder / _FILE}: {error!r}; fit again") from error
