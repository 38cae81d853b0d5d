"""Changes to valid content: to bytes, to rows of text, to plain data and to arrays. All draw from one generator."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import numpy as np

SIZES = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
TEXTS = (
    *(
        "",
        " ",
        "x",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1",
        "0",
        "1",
        "2",
        "0.5",
        "1,5",
        "9" * 5000,
        "x" * 5000,
        "٣",
        "1_0",
    ),
    *("../x.png", "/x.png", "a/b/c.png", "\\x", "c:\\x.png", "http://x/y.png?z=1", "/" * 300, "%00", "a\x00b"),
    *(
        "\x1b]0;x\x07",
        "\n",
        "\r",
        "\u2028",
        "\u202ex",
        "é",
        "𝄞",
        "<b>|*_`",
        "image_id",
        "x0",
        "y0",
        "split",
        "individuals",
    ),
)
NUMBERS = (0, 1, -1, 2, 3, 0.5, -0.0, 1e-320, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**63, 10**30, 10**400)
DTYPES = ("<f8", ">f8", "<f4", "<f2", "<i8", "<i4", "u1", "?", "<c16", "S3", "<U4", "O", "<M8[s]", "V5", "i1,<f4")


def change_bytes(rng: random.Random, data: bytes) -> bytes:
    """The bytes after one to four changes: bits, numbers, cuts, copies, text."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, length = rng.randrange(len(found) + 1), rng.choice((1, 1, 2, 4, 8, 16, 64))
        match rng.randrange(8):
            case 0 | 1 if found:
                found[at % len(found)] ^= 1 << rng.randrange(8)
            case 2:
                found[at : at + length] = rng.randbytes(length)
            case 3:
                width = rng.choice((1, 2, 4, 8))
                number = rng.choice(SIZES) % 256**width
                found[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
            case 4:
                del found[at : at + length]
            case 5:
                found[at:at] = found[at : at + length] * rng.choice((1, 1, 2, 50))
            case 6:
                del found[at:]
            case 7:
                found[at:at] = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
    return bytes(found)


def nested(rng: random.Random) -> Any:
    """A list or an object within others, a few or many times."""
    value: Any = []
    for _ in range(rng.choice((2, 5, 60, 300, 900))):
        value = [value] if rng.random() < 0.7 else {"a": value}
    return value


def odd(rng: random.Random) -> Any:
    """A value that JSON can hold."""
    if rng.random() < 0.05:
        return nested(rng)
    return rng.choice((None, True, False, [], {}, [[]], [0, 0], {"id": 1}, rng.choice(TEXTS), rng.choice(NUMBERS)))


def change_plain(rng: random.Random, value: Any) -> Any:
    """Plain data with one change in place, somewhere within: a value replaced, left out, repeated or moved."""
    parents: list[Any] = []
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict | list) and each:
            parents.append(each)
            stack += each.values() if isinstance(each, dict) else each
    if not parents or rng.random() < 0.02:
        return odd(rng)
    parent = rng.choice(parents)
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    key, other = rng.choice(keys), rng.choice(keys)
    match rng.randrange(6):
        case 0 | 1:
            parent[key] = odd(rng)
        case 2:
            del parent[key]
        case 3:
            parent[key], parent[other] = parent[other], parent[key]
        case 4 if isinstance(parent, list):
            parent.insert(other, parent[key])
        case 4:
            parent[rng.choice(TEXTS)] = parent[key]
        case 5:
            number = parent[key]
            if isinstance(number, int | float) and abs(number) < 1e300:
                parent[key] = number * rng.choice((-1, 2, 1e3, 1e-3)) + rng.choice((0, 1, 0.5))
            elif isinstance(number, str):
                parent[key] = number + rng.choice(TEXTS)
            else:
                parent[key] = rng.choice(NUMBERS)
    return value


def change_rows(rng: random.Random, rows: list[list[str]]) -> list[list[str]]:
    """Rows of fields with one change: a field, a row or a column."""
    if not rows:
        return [[rng.choice(TEXTS)]]
    row, place = rng.choice(rows), rng.randrange(max(map(len, rows), default=0) + 1)
    match rng.randrange(8):
        case 0 | 1 | 2 if row:
            row[place % len(row)] = rng.choice((*TEXTS, str(rng.choice(NUMBERS[:12]))))
        case 3:
            rows.insert(rng.randrange(len(rows) + 1), list(row))
        case 4:
            rows.remove(row)
        case 5:
            for each in rows:
                del each[place : place + 1]
        case 6:
            for each in rows:
                each[place:place] = each[place : place + 1] or ["1"]
        case 7:
            rng.shuffle(row if rng.random() < 0.5 else rows)
    return rows


def change_array(rng: random.Random, values: np.ndarray) -> np.ndarray:
    """An array with one change: numbers, shape, type or order in memory."""
    values = np.array(values)
    match rng.randrange(9):
        case 0 | 1 | 2 if values.size and values.dtype.kind in "fiu":
            with np.errstate(all="ignore"), suppress(OverflowError):
                number = rng.choice(
                    [n for n in NUMBERS if abs(n) < 2**31] if values.dtype.kind != "f" else NUMBERS[:14]
                )
                values.reshape(-1)[rng.randrange(values.size) :: rng.choice((1, 2, 10**6))] = number
        case 3:
            dtype = np.dtype(rng.choice(DTYPES))
            with np.errstate(all="ignore"):
                try:
                    values = values.astype(dtype)
                except (TypeError, ValueError, OverflowError, RuntimeError):
                    values = np.zeros(values.shape, dtype)
        case 4:
            values = values[: rng.randrange(len(values) + 1)] if values.ndim else values
        case 5:
            values = values.reshape(rng.choice(((-1,), (1, -1), (-1, 1), (1, *values.shape), (*values.shape, 1))))
        case 6:
            values = values.T
        case 7:
            values = np.concatenate([values, values]) if values.ndim else values
        case 8 if values.dtype.kind == "f":
            values = values * rng.choice((2, 100, -1, 0, 1e300))
    return values
