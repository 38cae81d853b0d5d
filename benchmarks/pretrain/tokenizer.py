"""The tokenizer of the captions' words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from transformers import CLIPTokenizer

from benchmarks.pretrain.pool import vocabulary

MAX_WORDS = 16  # tokens of a caption, begin and end of text included
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def byte_pairs(words: Sequence[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a byte pair encoding in which every one of the lower-case ASCII ``words`` is one token.

    The pair merged next is the most frequent one; ties go to the first in the alphabet, so that the result is the same
    in every process. The trainer of ``tokenizers`` numbers tokens in the order of a hash table, which differs.
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
    """A CLIP tokenizer to which each word of the captions is a single token; the same in every process."""
    words = vocabulary()
    vocab, merges = byte_pairs(words)
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges)
    tokenizer.model_max_length = MAX_WORDS
    split = [word for word in words if len(tokenizer(word).input_ids) != 3]
    if split:
        raise ValueError(f"the tokenizer splits {len(split)} of {len(words)} caption words, such as {split[0]!r}")
    return tokenizer
