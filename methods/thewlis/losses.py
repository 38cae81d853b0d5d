"""The losses of Thewlis et al.: alignment of landmarks under a known warp, and diversity of landmarks."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d


def shares(scores: Tensor) -> Tensor:
    """Softmax of score maps (B, K, h, w) over their cells: the probability of a landmark in each cell."""
    return scores.flatten(2).softmax(2).view_as(scores)


def means(probabilities: Tensor, places: Tensor) -> Tensor:
    """Expected places (B, K, 2) under maps (B, K, h, w); ``places`` (B or 1, h, w, 2) are those of the cells."""
    found: Tensor = probabilities.flatten(2) @ places.flatten(1, 2).to(probabilities)
    return found


def spreads(probabilities: Tensor, places: Tensor) -> Tensor:
    """Variances (B, K), over both axes together, of the places of ``means``."""
    apart = (places.to(probabilities)[:, None] - means(probabilities, places)[:, :, None, None]).square().sum(-1)
    return (probabilities * apart).sum((2, 3))


def alignment(first: Tensor, second: Tensor, places: Tensor, warped: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of ``|u - g(v)|^2`` over landmarks, images, and cells u and v drawn from two maps, as two terms.

    ``first`` and ``second`` (B, K, h, w) are the maps of an image and of its warped version, ``places`` (1, h, w, 2)
    the cells u, and ``warped`` (B, h, w, 2) the places g(v) of the image that the cells v show. The terms are the
    spreads of both maps and the squared distance of their means, whose sum is the loss; this takes linear time in the
    number of cells. Source: section 3.3 of the paper, with moments about the means in place of the origin.
    """
    spread = spreads(first, places) + spreads(second, warped)
    distance = (means(first, places) - means(second, warped)).square().sum(-1)
    return spread.mean(), distance.mean()


def diversity(probabilities: Tensor, pool: int) -> Tensor:
    """Mean over images of K minus the sum, over blocks of cells, of the largest share of a landmark in the block.

    Maps (B, K, h, w) are summed over blocks of ``pool`` by ``pool`` cells; blocks at the right and bottom may be
    smaller. The loss is 0 where no two landmarks share a block, and K - 1 where all have the same shares.
    """
    blocks = avg_pool2d(probabilities, pool, ceil_mode=True, divisor_override=1)
    return probabilities.shape[1] - blocks.amax(1).sum((1, 2)).mean()


def recoloured(pixels: Tensor, amounts: Tensor) -> Tensor:
    """Images (B, 3, H, W) with another contrast, brightness and colour balance, clipped to [0, 1].

    ``amounts`` (B, 7) are the change of contrast about the image's mean, then that of each channel's factor, then that
    of each channel's offset.
    """
    contrast, factors, offsets = (each[..., None, None] for each in amounts.to(pixels).split((1, 3, 3), dim=1))
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return ((mean + (pixels - mean) * (1 + contrast)) * (1 + factors) + offsets).clamp(0, 1)
