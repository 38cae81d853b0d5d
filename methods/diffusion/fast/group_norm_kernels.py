"""Triton kernels of group norm and SiLU on rows of channels, (B, L, C) contiguous, and of their input gradient.

A small map is read once: one program keeps a whole group of one image in registers. A large map takes three launches:
programs over chunks of rows give partial results of each channel, a small kernel merges them into those of the groups,
and programs over chunks of rows apply them. Sums and statistics are float32. The variance is never a difference of
sums of squares: chunks use Welford's update, and partial results are merged as Chan, Golub and LeVeque do.
"""

# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

RUNTIME = ["length", "size", "steps", "chunks"]  # no kernel of its own where they are 1 or a multiple of 16


@triton.jit
def _constants(weight, bias, shift, means, rstds, channels, there, spot, size):
    """Mean before the shift, reciprocal deviation, scale and offset (1, width) of channels in groups of ``size``.

    The statistics of the image begin at ``spot``.
    """
    mean = tl.load(means + spot + channels // size, mask=there, other=0.0)
    mean -= tl.load(shift + channels, mask=there, other=0.0)
    rstd = tl.load(rstds + spot + channels // size, mask=there, other=0.0)
    scale = tl.load(weight + channels, mask=there, other=0.0).to(tl.float32)
    offset = tl.load(bias + channels, mask=there, other=0.0).to(tl.float32)
    return mean[None, :], rstd[None, :], scale[None, :], offset[None, :]


@triton.jit
def _scaled_gradient(gradient, normal, scale, offset, SILU: tl.constexpr):
    """Gradient with respect to the normalised values, from that with respect to the output."""
    if SILU:
        value = normal * scale + offset
        gate = 1.0 / (1.0 + tl.exp(-value))
        gradient *= gate * (1.0 + value * (1.0 - gate))
    return gradient * scale


@triton.jit(do_not_specialize=RUNTIME)
def whole_forward(
    x, weight, bias, shift, y, means, rstds, length, total, count, eps,
    SIZE: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """Forward pass of one group of one image, which fits into one tile."""
    group, image = tl.program_id(0), tl.program_id(1)
    row, column = tl.arange(0, ROWS), tl.arange(0, WIDTH)
    there, channels = column < SIZE, group * SIZE + column
    inside = (row < length)[:, None] & there[None, :]
    places = image.to(tl.int64) * length * total + (row[:, None] * total + channels[None, :])
    values = tl.load(x + places, mask=inside, other=0.0).to(tl.float32)
    values += tl.load(shift + channels, mask=there, other=0.0)[None, :]
    mean = tl.sum(tl.sum(tl.where(inside, values, 0.0), 1), 0) / count
    centred = tl.where(inside, values - mean, 0.0)
    rest = tl.sum(tl.sum(centred, 1), 0) / count  # rounding error of the mean
    centred = tl.where(inside, centred - rest, 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(tl.sum(centred * centred, 1), 0) / count + eps)
    scale = tl.load(weight + channels, mask=there, other=0.0).to(tl.float32)
    offset = tl.load(bias + channels, mask=there, other=0.0).to(tl.float32)
    out = centred * rstd * scale[None, :] + offset[None, :]
    if SILU:
        out = out / (1.0 + tl.exp(-out))
    tl.store(y + places, out.to(y.dtype.element_ty), mask=inside)
    spot = image * tl.num_programs(0) + group
    tl.store(means + spot, mean + rest)
    tl.store(rstds + spot, rstd)


@triton.jit(do_not_specialize=RUNTIME)
def whole_backward(
    x, gradient, weight, bias, shift, means, rstds, result, length, total, count,
    SIZE: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """Input gradient of one group of one image, which fits into one tile."""
    group, image = tl.program_id(0), tl.program_id(1)
    row, column = tl.arange(0, ROWS), tl.arange(0, WIDTH)
    there, channels = column < SIZE, group * SIZE + column
    inside = (row < length)[:, None] & there[None, :]
    places = image.to(tl.int64) * length * total + (row[:, None] * total + channels[None, :])
    values = tl.load(x + places, mask=inside, other=0.0).to(tl.float32)
    mean, rstd, scale, offset = _constants(
        weight, bias, shift, means, rstds, channels, there, image * tl.num_programs(0), SIZE
    )
    normal = (values - mean) * rstd
    given = tl.load(gradient + places, mask=inside, other=0.0).to(tl.float32)
    given = _scaled_gradient(given, normal, scale, offset, SILU)
    first = tl.sum(tl.sum(given, 1), 0) / count
    second = tl.sum(tl.sum(given * normal, 1), 0) / count
    found = rstd * (given - first - normal * second)
    tl.store(result + places, found.to(result.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=RUNTIME)
def chunk_forward(
    x, means_of_chunks, squares_of_chunks, length, total, steps,
    ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Mean and sum of squared deviations of each channel over ``ROWS * steps`` rows of an image."""
    chunk, image = tl.program_id(0), tl.program_id(2)
    row, channels = tl.arange(0, ROWS), tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    there = channels < total
    first = chunk * (ROWS * steps)
    start = x + (image.to(tl.int64) * length + first) * total
    places = row[:, None] * total + channels[None, :]
    mean = tl.zeros((ROWS, WIDTH), tl.float32)
    squares = tl.zeros((ROWS, WIDTH), tl.float32)
    for step in range(steps):
        inside = (first + step * ROWS + row < length)[:, None] & there[None, :]
        values = tl.load(start + step * (ROWS * total) + places, mask=inside, other=0.0).to(tl.float32)
        change = values - mean
        mean += tl.where(inside, change * (1.0 / (step + 1.0)), 0.0)
        squares += tl.where(inside, change * (values - mean), 0.0)
    seen = tl.maximum(tl.minimum((length - first - row + (ROWS - 1)) // ROWS, steps), 0).to(tl.float32)[:, None]
    count = tl.minimum(length - first, ROWS * steps).to(tl.float32)
    whole = tl.sum(seen * mean, 0) / count
    whole += tl.sum(seen * (mean - whole[None, :]), 0) / count  # rounding error of the mean
    away = mean - whole[None, :]
    spot = (image * tl.num_programs(0) + chunk) * total + channels
    tl.store(means_of_chunks + spot, whole, mask=there)
    tl.store(squares_of_chunks + spot, tl.sum(squares + seen * away * away, 0), mask=there)


@triton.jit(do_not_specialize=RUNTIME)
def merge_forward(
    means_of_chunks, squares_of_chunks, shift, means, rstds, length, size, count, chunks, rows, eps,
    ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Mean and reciprocal standard deviation of one group of one image from the chunks of ``rows`` rows."""
    group, image = tl.program_id(0), tl.program_id(1)
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, WIDTH)
    there, channels = column < size, group * size + column
    start = image * chunks * (tl.num_programs(0) * size) + channels[None, :]
    moved = tl.load(shift + channels, mask=there, other=0.0)[None, :]
    sums, rests, squares = (
        tl.zeros((WIDTH,), tl.float32),
        tl.zeros((WIDTH,), tl.float32),
        tl.zeros((WIDTH,), tl.float32),
    )
    for first in range(0, chunks, ROWS):
        chunk = first + row
        inside = (chunk < chunks) & there[None, :]
        each = tl.load(means_of_chunks + start + chunk * (tl.num_programs(0) * size), mask=inside, other=0.0) + moved
        seen = tl.where(inside, tl.minimum(length - chunk * rows, rows).to(tl.float32), 0.0)
        sums += tl.sum(seen * each, 0)
    mean = tl.sum(sums, 0) / count
    for first in range(0, chunks, ROWS):
        chunk = first + row
        inside = (chunk < chunks) & there[None, :]
        each = tl.load(means_of_chunks + start + chunk * (tl.num_programs(0) * size), mask=inside, other=0.0) + moved
        seen = tl.where(inside, tl.minimum(length - chunk * rows, rows).to(tl.float32), 0.0)
        within = tl.load(squares_of_chunks + start + chunk * (tl.num_programs(0) * size), mask=inside, other=0.0)
        rests += tl.sum(seen * (each - mean), 0)
        squares += tl.sum(within + seen * (each - mean) * (each - mean), 0)
    rest = tl.sum(rests, 0) / count  # rounding error of the mean
    spot = image * tl.num_programs(0) + group
    tl.store(means + spot, mean + rest)
    tl.store(rstds + spot, 1.0 / tl.sqrt(tl.sum(squares, 0) / count - rest * rest + eps))


@triton.jit(do_not_specialize=RUNTIME)
def apply_forward(
    x, weight, bias, shift, means, rstds, y, length, total, size, steps,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """Output of ``ROWS * steps`` rows of an image, given the statistics of its groups."""
    image, first = tl.program_id(2), tl.program_id(0) * (ROWS * steps)
    row, channels = tl.arange(0, ROWS), tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    there = channels < total
    start = (image.to(tl.int64) * length + first) * total
    mean, rstd, scale, offset = _constants(
        weight, bias, shift, means, rstds, channels, there, image * (total // size), size
    )
    for step in range(steps):
        inside = (first + step * ROWS + row < length)[:, None] & there[None, :]
        places = start + step * (ROWS * total) + (row[:, None] * total + channels[None, :])
        values = tl.load(x + places, mask=inside, other=0.0).to(tl.float32)
        out = (values - mean) * rstd * scale + offset
        if SILU:
            out = out / (1.0 + tl.exp(-out))
        tl.store(y + places, out.to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=RUNTIME)
def chunk_backward(
    x, gradient, weight, bias, shift, means, rstds, firsts, seconds, length, total, size, steps,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """Sums over rows of the gradient of the normalised values, and of its product with them, for each channel."""
    chunk, image = tl.program_id(0), tl.program_id(2)
    row, channels = tl.arange(0, ROWS), tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    there = channels < total
    first = chunk * (ROWS * steps)
    start = (image.to(tl.int64) * length + first) * total
    mean, rstd, scale, offset = _constants(
        weight, bias, shift, means, rstds, channels, there, image * (total // size), size
    )
    sums = tl.zeros((ROWS, WIDTH), tl.float32)
    products = tl.zeros((ROWS, WIDTH), tl.float32)
    for step in range(steps):
        inside = (first + step * ROWS + row < length)[:, None] & there[None, :]
        places = start + step * (ROWS * total) + (row[:, None] * total + channels[None, :])
        values = tl.load(x + places, mask=inside, other=0.0).to(tl.float32)
        given = tl.load(gradient + places, mask=inside, other=0.0).to(tl.float32)
        normal = (values - mean) * rstd
        given = _scaled_gradient(given, normal, scale, offset, SILU)
        sums += given
        products += given * normal
    spot = (image * tl.num_programs(0) + chunk) * total + channels
    tl.store(firsts + spot, tl.sum(sums, 0), mask=there)
    tl.store(seconds + spot, tl.sum(products, 0), mask=there)


@triton.jit(do_not_specialize=RUNTIME)
def merge_backward(
    firsts, seconds, first_means, second_means, size, count, chunks,
    ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Means of both sums over one group of one image."""
    group, image = tl.program_id(0), tl.program_id(1)
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, WIDTH)[None, :]
    start = image * chunks * (tl.num_programs(0) * size) + group * size + column
    first_sums, second_sums = tl.zeros((ROWS, WIDTH), tl.float32), tl.zeros((ROWS, WIDTH), tl.float32)
    for begin in range(0, chunks, ROWS):
        inside = (begin + row < chunks) & (column < size)
        places = start + (begin + row) * (tl.num_programs(0) * size)
        first_sums += tl.load(firsts + places, mask=inside, other=0.0)
        second_sums += tl.load(seconds + places, mask=inside, other=0.0)
    spot = image * tl.num_programs(0) + group
    tl.store(first_means + spot, tl.sum(tl.sum(first_sums, 1), 0) / count)
    tl.store(second_means + spot, tl.sum(tl.sum(second_sums, 1), 0) / count)


@triton.jit(do_not_specialize=RUNTIME)
def apply_backward(
    x, gradient, weight, bias, shift, means, rstds, first_means, second_means, result, length, total, size, steps,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """Input gradient of ``ROWS * steps`` rows of an image."""
    image, begin = tl.program_id(2), tl.program_id(0) * (ROWS * steps)
    row, channels = tl.arange(0, ROWS), tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    there = channels < total
    start = (image.to(tl.int64) * length + begin) * total
    mean, rstd, scale, offset = _constants(
        weight, bias, shift, means, rstds, channels, there, image * (total // size), size
    )
    spot = image * (total // size)
    first = tl.load(first_means + spot + channels // size, mask=there, other=0.0)
    second = tl.load(second_means + spot + channels // size, mask=there, other=0.0)
    for step in range(steps):
        inside = (begin + step * ROWS + row < length)[:, None] & there[None, :]
        places = start + step * (ROWS * total) + (row[:, None] * total + channels[None, :])
        values = tl.load(x + places, mask=inside, other=0.0).to(tl.float32)
        given = tl.load(gradient + places, mask=inside, other=0.0).to(tl.float32)
        normal = (values - mean) * rstd
        given = _scaled_gradient(given, normal, scale, offset, SILU)
        found = rstd * (given - first[None, :] - normal * second[None, :])
        tl.store(result + places, found.to(result.dtype.element_ty), mask=inside)
