"""The inner loops of the benchmark beside plain code that computes the same, for pytest-benchmark.

The test suite runs each of them once and compares the results; no time is asserted. To measure them side by side:
``python -m pytest tests/performance --benchmark-enable --benchmark-group-by=func``.
"""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch

from methods.stable_keypoints.maps import HeadMeanSoftmax
from metrics.errors import distances, means_over_visible
from metrics.protocols import PROTOCOLS
from metrics.regression import fit_regression
from metrics.scoring import score, score_all
from tests.methods.stable_keypoints.test_maps import plain_maps
from tests.metrics.worlds import bootstrap_interval, world

BOTH = pytest.mark.parametrize("code", ["harness", "plain"])
FACES = [name for name, protocol in PROTOCOLS.items() if "interocular" in protocol.needs and protocol.is_for(5)]


@BOTH
def test_regression_without_bias(benchmark, code):
    fit = world(0, n=20_000, k=10, landmarks=15, shown=1.0)
    wanted = fit.landmarks.reshape(len(fit), -1) - 0.5
    flat = fit.keypoints.reshape(len(fit), -1) - 0.5

    def plain():
        weights = scipy.linalg.lstsq(flat, wanted, lapack_driver="gelsd", check_finite=False)[0]
        return (flat @ weights + 0.5).reshape(fit.landmarks.shape)

    def harness():
        return fit_regression(fit.keypoints, fit.landmarks).predict(fit.keypoints)

    found = benchmark(harness if code == "harness" else plain)
    np.testing.assert_allclose(found, plain(), rtol=0, atol=1e-9)


@BOTH
def test_mean_error_of_visible_landmarks(benchmark, code):
    test = world(1, n=5000, k=10, landmarks=15)
    predicted = test.landmarks + 0.01

    def plain():
        pairs = zip(predicted, test.landmarks, test.visible, strict=True)
        return [np.hypot(*(guess - truth)[seen].T).mean() for guess, truth, seen in pairs]

    def harness():
        return means_over_visible(distances(predicted, test.landmarks), test.visible)

    np.testing.assert_allclose(benchmark(harness if code == "harness" else plain), 0.01 * 2**0.5, rtol=1e-9)


@BOTH
def test_bootstrap_interval(benchmark, code):
    values = np.random.default_rng(0).uniform(size=1000)

    def plain():
        generator = np.random.default_rng(0)
        return np.quantile([generator.choice(values, size=1000).mean() for _ in range(2000)], [0.025, 0.975])

    def harness():
        return bootstrap_interval(values, [str(image) for image in range(1000)], resamples=2000)

    found = benchmark(harness if code == "harness" else plain)
    error = 1.96 * values.std() / 1000**0.5  # of the mean, by the central limit theorem
    np.testing.assert_allclose(found, [values.mean() - error, values.mean() + error], rtol=0, atol=0.2 * error)


@BOTH
def test_all_protocols_of_faces(benchmark, code):
    """Together they share regressions and resamples; the plain way scores one after the other."""
    fit, test = (world(seed, n=n, k=10, shown=1.0) for seed, n in ((0, 2000), (1, 500)))
    options: dict[str, Any] = {"interocular": (0, 1), "resamples": 1000}

    def plain():
        return [score(name, fit, test, **options) for name in FACES]

    def harness():
        return score_all(FACES, fit, test, **options)

    found = benchmark.pedantic(harness if code == "harness" else plain, rounds=1)
    assert [each.value for each in found] == pytest.approx([each.value for each in plain()], rel=1e-12)


@BOTH
def test_attention_maps_and_their_gradient(benchmark, code):
    """Of 2 images, 8 heads and 48 tokens, from 16 x 16 queries to maps of 128 x 128."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 8, 16, 16, 40, generator=generator, requires_grad=True)
    key = torch.randn(2, 8, 48, 40, generator=generator, requires_grad=True)

    def maps(form):
        query.grad = key.grad = None
        found = form()
        found.square().sum().backward()
        return found.detach(), key.grad

    def plain():
        return maps(lambda: plain_maps(query, key, 128))

    def harness():
        return maps(lambda: HeadMeanSoftmax.apply(query, key, 128, slice(None), False))

    found, expected = benchmark.pedantic(harness if code == "harness" else plain, rounds=1), plain()
    torch.testing.assert_close(found[0], expected[0], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-2, atol=1e-2 * float(expected[1].abs().max()))
