"""The tokenizer of captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from transformers import CLIPTokenizer

from benchmarks.pretrain.pool import vocabulary

MAX_WORDS = 16  # tokens of a caption, including start and end of text
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def byte_pairs(words: Sequence[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a byte pair encoding that makes each of the lower-case ASCII ``words`` one token.

    Each merge takes the most frequent pair, and the alphabetically first of several, so that the result is the same in
    every process. The trainer of ``tokenizers`` numbers tokens in the order of a hash table, which differs.
    """
    spelled = {word: [*word[:-1], f"{word[-1]}</w>"] for word in words}
    tokens = [*SPECIAL, *sorted({letter for parts in spelled.values() for letter in parts})]
    merges: list[tuple[str, str]] = []
    while pairs := Counter(pair for parts in spelled.values() for pair in pairwise(parts)):
        left, right = max(sorted(pairs), key=pairs.__getitem__)
        merges.append((left, right))
        tokens.append(left + right)
        for parts in spelled.values():
            for place in range(len(parts) - 1):
                if parts[place : place + 2] == [left, right]:
                    parts[place : place + 2] = [left + right]
    return {token: index for index, token in enumerate(tokens)}, merges


def build_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer that makes each word of captions one token; the same in every process."""
    words = vocabulary()
    vocab, merges = byte_pairs(words)
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges)
    tokenizer.model_max_length = MAX_WORDS
    split = [word for word in words if len(tokenizer(word).input_ids) != 3]
    if split:
        raise ValueError(f"the tokenizer splits {len(split)} of {len(words)} caption words, such as {split[0]!r}")
    return tokenizer
