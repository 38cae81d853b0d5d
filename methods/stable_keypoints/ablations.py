"""The ablations of Stable Keypoints: Table 4 of the paper, and three more settings."""

from __future__ import annotations

from collections.abc import Iterator

from methods.base import Ablation
from methods.stable_keypoints.config import StableKeypointsConfig

AUGMENTATIONS = 10  # views of the paper's test-time ensembling
TIMESTEPS = (0, 150, 300)
_ENSEMBLING = (
    "With test-time ensembling: these settings have it off (it makes the small model worse), so it is added here, "
    "where Table 4 takes it away"
)


def ablations(config: StableKeypointsConfig, num_keypoints: int) -> tuple[Ablation, ...]:
    """Ablations of a config: the rows of Table 4, then other values of timestep, kappa and N.

    If the config has test-time ensembling off, the ablation turns it on; any other part that is off gives no ablation.
    If ``tokens`` are given, ablations of the optimisation are left out.
    """
    return (*_table_4(config), *_axes(config, num_keypoints))


def _table_4(config: StableKeypointsConfig) -> Iterator[Ablation]:
    if config.test_augmentations:
        yield Ablation("without test-time ensembling", {"test_augmentations": 0})
    else:
        yield Ablation("with test-time ensembling", {"test_augmentations": AUGMENTATIONS}, _ENSEMBLING)
    if config.furthest_point_sampling and config.tokens is None:
        yield Ablation("without furthest point sampling", {"furthest_point_sampling": False})
    if config.upsample_queries:
        yield Ablation("without query upsampling", {"upsample_queries": False})
    if config.equivariance and config.tokens is None:
        yield Ablation("without equivariance", {"equivariance": False})


def _axes(config: StableKeypointsConfig, num_keypoints: int) -> Iterator[Ablation]:
    """Other timesteps, and half and twice the candidates and tokens, as far as K <= kappa <= N holds."""
    for value in TIMESTEPS:
        if value != config.timestep:
            yield Ablation(f"timestep {value} instead of {config.timestep}", {"timestep": value})
    if config.tokens is not None:
        return
    kappa = config.kappa or num_keypoints + 6
    if config.furthest_point_sampling:
        for value in (kappa // 2, 2 * kappa):
            if num_keypoints < value <= config.num_tokens:
                yield Ablation(f"kappa {value} instead of {kappa}", {"kappa": value})
    for value in (config.num_tokens // 2, 2 * config.num_tokens):
        if value >= max(kappa, num_keypoints):
            yield Ablation(f"{value} tokens instead of {config.num_tokens}", {"num_tokens": value})
