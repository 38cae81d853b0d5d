"""What is guarded, each beside a baseline of its own kind.

``usual`` was measured on an x86 server with six times as much work beside it as it has cores, where it varied by a
quarter at most; ``python -m tests.performance.guards`` measures anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

import numpy as np
import scipy.linalg
import torch
from PIL import Image, ImageDraw

from benchmarks.registry import open_dataset
from metrics import errors as metric_errors
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.regression import Estimator, fit_regression
from metrics.scoring import score_all
from tests.metrics.worlds import bootstrap_interval, world
from tests.performance.ratios import Guard, ratio

BIRDS = [name for name in PROTOCOLS if name.split("/")[1] in {"side", "side_micro", "box"}]


def plain_least_squares(fit: Points) -> None:
    """LAPACK's solver on every row, with no mask and no check."""
    design, targets = fit.keypoints.reshape(len(fit), -1) - 0.5, fit.landmarks.reshape(len(fit), -1)
    scipy.linalg.lstsq(design, targets, lapack_driver="gelsd", check_finite=False)


def regression() -> Guard:
    """Landmarks of 15 kinds of birds' parts, each hidden in other images, against one solution without a mask."""
    fit = world(0, n=4000, k=10, landmarks=15)
    return Guard(
        work=lambda: fit_regression(fit.keypoints, fit.landmarks, fit.visible, Estimator()),
        baseline=lambda: plain_least_squares(fit),
        usual=11.0,
    )


def errors() -> Guard:
    """Mean distance over visible landmarks of each image, against a loop over a fiftieth of the images in Python."""
    test = world(1, n=20_000, k=10, landmarks=15)
    predicted = test.landmarks + 0.01

    def loop() -> None:
        for image in range(400):
            away = np.hypot(*(predicted[image] - test.landmarks[image]).T)
            away[test.visible[image]].mean()

    def arrays() -> None:
        metric_errors.means_over_visible(metric_errors.distances(predicted, test.landmarks), test.visible)

    return Guard(work=arrays, baseline=loop, usual=3.3)


def bootstrap() -> Guard:
    """An interval over 1,000 images from 2,000 resamples, against 200 resamples one by one."""
    generator = np.random.default_rng(0)
    values, groups = generator.uniform(size=1000), [str(image) for image in range(1000)]

    def loop() -> None:
        drawn = np.random.default_rng(0)
        np.quantile([values[drawn.integers(1000, size=1000)].mean() for _ in range(200)], [0.025, 0.975])

    return Guard(work=lambda: bootstrap_interval(values, groups, resamples=2000), baseline=loop, usual=11.0)


def protocols() -> Guard:
    """Every protocol of birds on 2,000 + 500 images, against one plain least-squares solution."""
    fit, test = world(0, n=2000, k=4, landmarks=15), world(1, n=500, k=4, landmarks=15)
    return Guard(
        work=lambda: score_all(BIRDS, fit, test, resamples=1000), baseline=lambda: plain_least_squares(fit), usual=105.0
    )


def rendering(name: str) -> Guard:
    """Six new images of a drawn dataset, against six blank ones with sixteen polygons each."""
    corners = (np.random.default_rng(0).uniform(0, 384, (16, 22, 2))).reshape(16, -1).tolist()

    def draw() -> None:
        dataset = open_dataset(name, None)
        for image_id in dataset.split("test")[:6]:
            dataset.image(image_id, 128)

    def polygons() -> None:
        for _ in range(6):
            picture = Image.new("RGB", (384, 384))
            pen = ImageDraw.Draw(picture)
            for points in corners:
                pen.polygon(points, fill=(200, 60, 50))
            np.asarray(picture.reduce(3))

    return Guard(work=draw, baseline=polygons, usual=1.9)


def fit_step() -> Guard:
    """One step of Stable Keypoints on the mini model, 2 images, against convolutions forward and backward."""
    from methods.stable_keypoints.backbone import Backbone
    from methods.stable_keypoints.config import StableKeypointsConfig
    from methods.stable_keypoints.learning import Learner

    config = StableKeypointsConfig(preset="mini")
    learner = Learner(Backbone(config, "cpu"), num_keypoints=10, seed=0)
    tokens = learner.initial_tokens().requires_grad_(True)
    ids = ("first", "second")
    side = learner.backbone.image_size
    pixels = torch.from_numpy(np.random.default_rng(0).random((len(ids), 3, side, side), dtype=np.float32))
    keys = [(0, "fit", name, 0) for name in ids]

    def step() -> None:
        tokens.grad = None
        learner.accumulate(tokens, pixels, ids, keys)

    generator = torch.Generator().manual_seed(0)
    layers = torch.nn.Sequential(*(torch.nn.Conv2d(64, 64, 3, padding=1) for _ in range(4)))
    features = torch.randn((2, 64, 32, 32), generator=generator)

    def convolutions() -> None:
        layers(features).square().mean().backward()

    return Guard(work=step, baseline=convolutions, usual=21.0)


GUARDS: dict[str, Callable[[], Guard]] = {
    "regression": regression,
    "errors": errors,
    "bootstrap": bootstrap,
    "protocols": protocols,
    "faces": lambda: rendering("mini_celeba_wild"),
    "birds": lambda: rendering("mini_cub_all"),
    "people": lambda: rendering("mini_taichi"),
    "fit_step": fit_step,
}
guard_named = cache(lambda name: GUARDS[name]())


if __name__ == "__main__":
    for guard_name in sys.argv[1:] or GUARDS:
        print(f"{guard_name}: {ratio(guard_named(guard_name)):.2f}", flush=True)
