"""The base class of methods that learn arrays: save and load are exact, and errors are one line."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from methods.arrays import ArrayMethod
from methods.base import ImageBatch, ImageStream, MethodCard, MethodError, Report


class Learner(ArrayMethod):
    card: ClassVar[MethodCard] = MethodCard(id="learner", name="Learner", summary="learns what it is told")

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        self.learned["seed"] = np.full((num_keypoints, 2), seed)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        return np.stack([self.array("seed") for _ in batch.ids])


shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
values = st.one_of(
    arrays.arrays(np.float64, shapes, elements=st.floats(width=64)),
    arrays.arrays(np.float32, shapes, elements=st.floats(width=32)),
    arrays.arrays(np.int64, shapes),
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["a", "b.c", "weights"]), values, min_size=1))
def test_every_array_comes_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, learned: dict) -> None:
    folder = tmp_path_factory.mktemp("fit")
    method = Learner()
    method.learned = {name: array.T for name, array in learned.items()}  # not in C order
    method.save(folder)
    assert [path.name for path in folder.iterdir()] == ["learned.safetensors"]
    loaded = Learner()
    loaded.load(folder)
    assert loaded.learned.keys() == learned.keys()
    for name, array in learned.items():
        found = loaded.array(name)
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.T.shape, array.T.tobytes())


def test_two_methods_share_nothing() -> None:
    first, second = Learner(), Learner()
    first.learned["seed"] = np.zeros(1)
    assert second.learned == {}


def test_before_it_has_learned_everything_asks_for_a_fit(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="learner: 'seed' has not been learned yet; call fit"):
        Learner().predict(ImageBatch(("a",), np.zeros((1, 3, 8, 8), np.float32)))
    with pytest.raises(MethodError, match="nothing to save yet; call fit"):
        Learner().save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"no safetensors", b"\xff" * 64])
def test_what_cannot_be_loaded_is_named_in_a_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "learned.safetensors").write_bytes(content)
    with pytest.raises(MethodError, match=r"learner: cannot load .*learned\.safetensors.*; fit again") as error:
        Learner().load(tmp_path)
    assert "\n" not in str(error.value)
