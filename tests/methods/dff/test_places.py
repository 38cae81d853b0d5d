"""Heat maps and their places, with values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.dff.places import heat_maps, places_of, rectified


def test_three_ways_to_make_features_non_negative():
    maps = torch.tensor([[[[3.0, -1.0]], [[0.5, 2.5]]]])
    mean = torch.tensor([1.0, 2.0])
    assert rectified(maps, mean, "relu").tolist() == [[[[3, 0]], [[0.5, 2.5]]]]
    assert rectified(maps, mean, "centred").tolist() == [[[[2, 0]], [[0, 0.5]]]]
    assert rectified(maps, mean, "split").tolist() == [[[[2, 0]], [[0, 0.5]], [[0, 2]], [[1.5, 0]]]]
    assert rectified(maps, mean, "relu").dtype == torch.float64


def test_a_heat_map_has_the_weight_of_its_factor_in_each_cell():
    generator = np.random.default_rng(0)
    factors, weights = generator.random((3, 8)), generator.random((2, 3, 4, 5))
    maps = torch.from_numpy(np.einsum("bkhw,kc->bchw", weights, factors))
    np.testing.assert_allclose(heat_maps(maps, torch.from_numpy(factors)), weights, atol=1e-9)


@pytest.mark.parametrize(
    ("point", "window", "expected"),
    [
        ("centre", 0, [(0.5 * 1 + 3.5 * 3) / 4 / 4, (0.5 * 1 + 1.5 * 3) / 4 / 2]),
        ("maximum", 0, [3.5 / 4, 1.5 / 2]),
        ("maximum", 2, [3.5 / 4, 1.5 / 2]),
        ("maximum", 3, [(0.5 * 1 + 3.5 * 3) / 4 / 4, (0.5 * 1 + 1.5 * 3) / 4 / 2]),
    ],
)
def test_a_place_is_the_centre_of_mass_of_all_cells_or_of_those_by_the_maximum(point, window, expected):
    heat = torch.zeros(1, 2, 2, 4, dtype=torch.float64)
    heat[0, 0, 0, 0], heat[0, 0, 1, 3] = 1, 3
    found = places_of(heat, point, window)[0]
    np.testing.assert_allclose(found[0], expected)
    np.testing.assert_allclose(found[1], [0.5, 0.5])  # a map of zeros


def test_a_place_moves_with_its_heat_map():
    heat = torch.rand(3, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(heat, (2, 1, 0, 3))
    for point in ("centre", "maximum"):
        inner, outer = places_of(heat, point, 1) * 6, places_of(padded, point, 1) * 9
        np.testing.assert_allclose(outer, inner + torch.tensor([2.0, 0.0]), atol=1e-9)
        np.testing.assert_allclose(places_of(heat.flip(-1), point, 1)[..., 0], 1 - places_of(heat, point, 1)[..., 0])
        assert torch.equal(places_of(heat, point, 1), places_of(heat * 8, point, 1))
