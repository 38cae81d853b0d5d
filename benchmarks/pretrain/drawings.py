"""Captioned drawings and random numbers on the training device, so that updates wait for no copy.

Code that runs in an update must not copy a number to the device, or the update cannot be recorded as a CUDA graph.
``masked_fill`` and ``fill_`` pass a number as an argument; ``torch.where`` copies it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from benchmarks.pretrain.pool import MAX_PARTS, Pool

ABSENT = -1  # token id in a word table after the last word of a caption


class RandomSource:
    """Random tensors on a device from one seeded generator, whose state is part of checkpoints."""

    def __init__(self, seed: int, device: str) -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), float32."""
        return torch.rand(shape, generator=self.generator, device=self.device)

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal noise of the shape and type of ``like``."""
        return torch.randn(like.shape, generator=self.generator, device=self.device, dtype=like.dtype)

    def integers(self, low: int, high: int, count: int) -> Tensor:
        """Uniform integers (count,) from ``low`` to ``high - 1``, int64."""
        return torch.randint(low, high, (count,), generator=self.generator, device=self.device)

    def timesteps(self, count: int) -> Tensor:
        """Training timesteps (count,): 80 % from 150 to 949, at which shapes are visible; the others from all 1000."""
        late = self.uniform(count) < 0.8
        return torch.where(late, self.integers(150, 950, count), self.integers(0, 1000, count))

    def restart(self, state: Tensor) -> None:
        """Continue from a saved state, with a new generator."""
        self.generator = torch.Generator(self.device)
        self.generator.set_state(state.cpu())


class Drawings:
    """A pool of drawings on a device: ``images`` (N, H, W, 3) uint8, ``words`` (N, MAX_PARTS) token ids or ABSENT.

    ``parts`` (N, MAX_PARTS, 3) has x, y and radius of each word's part in image sides; radius 0 means no part.
    """

    def __init__(self, pool: Pool, tokenizer: CLIPTokenizer, device: str) -> None:
        self.images = torch.from_numpy(pool.images).to(device)
        self.parts = torch.from_numpy(pool.parts).to(device)
        self.words = word_table(pool.captions, tokenizer).to(device)
        self.bos, self.eos, self.pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        self.length = tokenizer.model_max_length

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, rows: Tensor | slice) -> Tensor:
        """Images (B, 3, H, W), float32 in [-1, 1]."""
        return self.images[rows].permute(0, 3, 1, 2).float().div(127.5).sub(1.0).contiguous()

    def tokens(self, rows: Tensor, random: RandomSource, word_dropout: float, caption_dropout: float) -> Tensor:
        """Token ids (B, length) of captions, padded as the tokenizer does, with words dropped and then shuffled.

        Each word is dropped with probability ``word_dropout``, all words of a caption with ``caption_dropout``.
        """
        words = self.words[rows]
        keep = (words != ABSENT) & (random.uniform(*words.shape) >= word_dropout)
        keep &= random.uniform(len(words), 1) >= caption_dropout
        order = random.uniform(*words.shape).masked_fill(~keep, 2.0).argsort(1)
        words, keep = words.gather(1, order), keep.gather(1, order)
        tokens = torch.full((len(words), self.length), self.pad, device=words.device)
        tokens[:, 0].fill_(self.bos)
        tokens[:, 1 : 1 + words.shape[1]] = words.masked_fill(~keep, self.pad)
        return tokens.scatter(1, keep.sum(1, keepdim=True) + 1, self.eos)


def word_table(captions: list[tuple[str, ...]], tokenizer: CLIPTokenizer) -> Tensor:
    """Token ids (N, MAX_PARTS) of the words of captions, ABSENT after the last word."""
    known = {word: tokenizer.convert_tokens_to_ids(f"{word}</w>") for word in {w for each in captions for w in each}}
    rows = [[known[word] for word in caption] + [ABSENT] * (MAX_PARTS - len(caption)) for caption in captions]
    return torch.tensor(rows)


def part_weights(parts: Tensor, side: int, most: float) -> Tensor:
    """Loss weights (B, side, side) for ``parts`` (B, P, 3): 1, rising to 1 + ``most`` at the centres of parts.

    The rise is a Gaussian with the part's radius as its deviation. For radii above 0.06 of the side its height
    decreases as radius ** -1.5.
    """
    centres = (torch.arange(side, device=parts.device) + 0.5) / side
    x, y, radius = (parts[..., i, None, None] for i in range(3))
    squared = (centres[None, None, None] - x) ** 2 + (centres[None, None, :, None] - y) ** 2
    near = torch.exp(-squared / (2 * radius.clamp_min(1e-3) ** 2))
    return 1.0 + most * (near * (0.06 / radius.clamp_min(0.06)) ** 1.5 * (radius > 0)).amax(1)
