"""Triton kernels of the attention maps: no array of tokens x pixels is held but the maps that were asked for.

Scores at the native resolution (B, heads, h * h, n) are small. A program reads the few native rows that make one row
of upsampled pixels, and multiplies by the bicubic weights along that row. Logarithms are of base 2.
"""

# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

PRECISION = tl.constexpr("tf32x3")  # three products of TF32, which together have the digits of float32


@triton.jit
def _weights(table, native, side, SIDE: tl.constexpr, NATIVE: tl.constexpr, UPSAMPLED: tl.constexpr):
    """The weights (SIDE, NATIVE) along one axis, 0 outside of the table (side, native)."""
    x = tl.arange(0, SIDE)
    cell = tl.arange(0, NATIVE)
    inside = (x[:, None] < side) & (cell[None, :] < native)
    if not UPSAMPLED:
        inside = inside & (x[:, None] < 0)  # they are not used
    return tl.load(table + x[:, None] * native + cell[None, :], mask=inside, other=0.0)


@triton.jit
def _row(
    scores, stride, readable, limit, start, y, weights, first, taps, native, factor,
    SIDE: tl.constexpr, NATIVE: tl.constexpr, TAPS: tl.constexpr, UPSAMPLED: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Scaled scores (SIDE, COLUMNS) of row ``y`` for tokens from ``start``; minus infinity from ``limit`` on.

    Columns before ``readable`` are read.
    """
    token = start + tl.arange(0, COLUMNS)
    if UPSAMPLED:
        cell = tl.arange(0, NATIVE)
        inside = (cell[:, None] < native) & (token[None, :] < readable)
        top = tl.load(first + y)
        wide = tl.zeros((NATIVE, COLUMNS), tl.float32)
        for tap in tl.static_range(TAPS):
            place = ((top + tap) * native + cell[:, None]) * stride + token[None, :]
            wide += tl.load(taps + y * TAPS + tap) * tl.load(scores + place, mask=inside, other=0.0)
        found = tl.dot(weights, wide, input_precision=PRECISION)
    else:
        x = tl.arange(0, SIDE)
        inside = (x[:, None] < native) & (token[None, :] < readable)
        place = (y * native + x[:, None]) * stride + token[None, :]
        found = factor * tl.load(scores + place, mask=inside, other=0.0)
    return tl.where(token[None, :] < limit, found, -float("inf"))


@triton.jit
def normalisers(
    scores, table, first, taps, sums, stride, count, native, side, factor,
    SIDE: tl.constexpr, NATIVE: tl.constexpr, TAPS: tl.constexpr, UPSAMPLED: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Logarithm (B * heads, side, side) of the sum over ``count`` tokens of the exponentials of the scores."""
    y = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    x = tl.arange(0, SIDE)
    weights = _weights(table, native, side, SIDE, NATIVE, UPSAMPLED)
    scores += head * native * native * stride
    largest = tl.full((SIDE,), -float("inf"), tl.float32)
    total = tl.zeros((SIDE,), tl.float32)
    for start in range(0, count, COLUMNS):
        row = _row(
            scores, stride, stride, count, start, y, weights, first, taps, native, factor,
            SIDE, NATIVE, TAPS, UPSAMPLED, COLUMNS,
        )  # fmt: skip
        larger = tl.maximum(largest, tl.max(row, 1))
        total = total * tl.exp2(largest - larger) + tl.sum(tl.exp2(row - larger[:, None]), 1)
        largest = larger
    tl.store(sums + (head * side + y) * side + x, largest + tl.log2(total), mask=x < side)


@triton.jit
def mean_over_heads(
    scores, table, first, taps, sums, maps, stride, readable, rows, heads, native, side, factor, share,
    ADD: tl.constexpr, SIDE: tl.constexpr, NATIVE: tl.constexpr, TAPS: tl.constexpr, UPSAMPLED: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
    """``share`` times the sum over heads of the softmax, put into or added to the maps (B, rows, side, side)."""
    y = tl.program_id(0)
    image = tl.program_id(1).to(tl.int64)
    start = tl.program_id(2) * COLUMNS
    x = tl.arange(0, SIDE)
    token = start + tl.arange(0, COLUMNS)
    weights = _weights(table, native, side, SIDE, NATIVE, UPSAMPLED)
    total = tl.zeros((SIDE, COLUMNS), tl.float32)
    for number in range(0, heads):
        head = image * heads + number
        row = _row(
            scores + head * native * native * stride, stride, readable, rows, start, y, weights, first, taps, native,
            factor, SIDE, NATIVE, TAPS, UPSAMPLED, COLUMNS,
        )  # fmt: skip
        logarithm = tl.load(sums + (head * side + y) * side + x, mask=x < side, other=0.0)
        total += tl.exp2(row - logarithm[:, None])
    place = maps + ((image * rows + token[None, :]) * side + y) * side + x[:, None]
    inside = (x[:, None] < side) & (token[None, :] < rows)
    total *= share
    if ADD:
        total += tl.load(place, mask=inside, other=0.0)
    tl.store(place, total, mask=inside)


@triton.jit
def _store_wide(
    gradient, wide, start, limit, y, weights, native, factor,
    SIDE: tl.constexpr, NATIVE: tl.constexpr, UPSAMPLED: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Put the gradient (SIDE, COLUMNS) of the scores of a row into the row of the array (side, native, limit)."""
    token = start + tl.arange(0, COLUMNS)
    if UPSAMPLED:
        cell = tl.arange(0, NATIVE)
        found = tl.dot(tl.trans(weights), gradient, input_precision=PRECISION)
    else:
        cell = tl.arange(0, SIDE)
        found = gradient * (factor * 0.6931471805599453)  # from base 2
    inside = (cell[:, None] < native) & (token[None, :] < limit)
    tl.store(wide + (y * native + cell[:, None]) * limit + token[None, :], found, mask=inside)


@triton.jit
def gradients(
    scores, picked, table, first, taps, sums, gradient, wide, wide_picked,
    all_stride, count, stride, rows, heads, native, side, factor, share, ROWS: tl.constexpr,
    SIDE: tl.constexpr, NATIVE: tl.constexpr, TAPS: tl.constexpr, UPSAMPLED: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Gradients (B * heads, side, native, tokens), summed along a row, of all scores and of the picked ones.

    The softmax p of token n gives its score -p_n D, where D sums p times the maps' gradient over the picked tokens;
    to a picked token's score p times its map's gradient is added.
    """
    y = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    x = tl.arange(0, SIDE)
    weights = _weights(table, native, side, SIDE, NATIVE, UPSAMPLED)
    logarithm = tl.load(sums + (head * side + y) * side + x, mask=x < side, other=0.0)
    scores += head * native * native * all_stride
    picked += head * native * native * stride
    gradient += (head // heads) * rows * side * side
    wide += head * side * native * all_stride
    wide_picked += head * side * native * rows
    weighted = tl.zeros((SIDE,), tl.float32)
    for start in range(0, rows, ROWS):
        row = _row(
            picked, stride, rows, rows, start, y, weights, first, taps, native, factor,
            SIDE, NATIVE, TAPS, UPSAMPLED, ROWS,
        )  # fmt: skip
        token = start + tl.arange(0, ROWS)
        inside = (x[:, None] < side) & (token[None, :] < rows)
        place = gradient + (token[None, :] * side + y) * side + x[:, None]
        each = tl.exp2(row - logarithm[:, None]) * (share * tl.load(place, mask=inside, other=0.0))
        weighted += tl.sum(each, 1)
        _store_wide(each, wide_picked, start, rows, y, weights, native, factor, SIDE, NATIVE, UPSAMPLED, ROWS)
    for start in range(0, count, COLUMNS):
        row = _row(
            scores, all_stride, all_stride, count, start, y, weights, first, taps, native, factor,
            SIDE, NATIVE, TAPS, UPSAMPLED, COLUMNS,
        )  # fmt: skip
        each = -tl.exp2(row - logarithm[:, None]) * weighted[:, None]
        _store_wide(each, wide, start, all_stride, y, weights, native, factor, SIDE, NATIVE, UPSAMPLED, COLUMNS)


@triton.jit
def _target(place, peak, sharpness, epsilon, SIDE: tl.constexpr):
    """A Gaussian of unit peak at the pixel ``peak``, plus epsilon."""
    down = (place // SIDE - peak // SIDE).to(tl.float32)
    right = (place % SIDE - peak % SIDE).to(tl.float32)
    return tl.exp(-(down * down) * sharpness) * tl.exp(-(right * right) * sharpness) + epsilon


@triton.jit
def divergences(
    maps, found, sharpness, epsilon, SIDE: tl.constexpr, PIXELS: tl.constexpr, SOFTMAX: tl.constexpr
):  # fmt: skip
    """KL divergence of each map (SIDE, SIDE) from a Gaussian at its first maximum, in three passes over the map."""
    number = tl.program_id(0).to(tl.int64)
    maps += number * SIDE * SIDE
    pixel = tl.arange(0, PIXELS)
    largest = tl.full((PIXELS,), -float("inf"), tl.float32)
    where = tl.zeros((PIXELS,), tl.int32)
    for start in range(0, SIDE * SIDE, PIXELS):
        place = start + pixel
        value = tl.load(maps + place, mask=place < SIDE * SIDE, other=-float("inf"))
        where = tl.where(value > largest, place, where)
        largest = tl.maximum(largest, value)
    top = tl.max(largest, 0)
    peak = tl.min(tl.where(largest == top, where, SIDE * SIDE), 0)
    total = tl.zeros((PIXELS,), tl.float32)
    targets = tl.zeros((PIXELS,), tl.float32)
    for start in range(0, SIDE * SIDE, PIXELS):
        place = start + pixel
        inside = place < SIDE * SIDE
        value = tl.load(maps + place, mask=inside, other=0.0)
        part = tl.exp((value + epsilon) - (top + epsilon)) if SOFTMAX else tl.maximum(value, 0.0) + epsilon
        total += tl.where(inside, part, 0.0)
        targets += tl.where(inside, _target(place, peak, sharpness, epsilon, SIDE), 0.0)
    denominator = tl.log(tl.sum(total, 0))
    targets_sum = tl.sum(targets, 0)
    result = tl.zeros((PIXELS,), tl.float32)
    for start in range(0, SIDE * SIDE, PIXELS):
        place = start + pixel
        inside = place < SIDE * SIDE
        value = tl.load(maps + place, mask=inside, other=0.0)
        if SOFTMAX:
            logarithm = (value + epsilon) - (top + epsilon) - denominator
        else:
            logarithm = tl.log(tl.maximum(value, 0.0) + epsilon) - denominator
        target = _target(place, peak, sharpness, epsilon, SIDE) / targets_sum
        result += tl.where(inside, target * (tl.log(target) - logarithm), 0.0)
    tl.store(found + number, tl.sum(result, 0))
