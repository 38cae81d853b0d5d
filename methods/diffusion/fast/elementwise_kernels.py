"""Triton kernels of sums and gates on rows of channels: a program takes a tile of rows and channels."""

# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl


@triton.jit
def _tile(rows, width, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """Rows (ROWS, 1) and channels (1, WIDTH) of this program's tile, and which of them exist."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)[None, :]
    return row, column, (row < rows) & (column < width)


@triton.jit
def add_forward(left, right, bias, result, rows, width, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """``left + right + bias`` for rows of ``width`` channels."""
    row, column, inside = _tile(rows, width, ROWS, WIDTH)
    places = row * width + column
    total = tl.load(left + places, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(right + places, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(bias + column, mask=column < width, other=0.0).to(tl.float32)
    tl.store(result + places, total.to(result.dtype.element_ty), mask=inside)


@triton.jit
def _phi(gate):
    """The standard normal distribution function."""
    return 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476))


@triton.jit
def geglu_forward(projected, result, rows, width, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """``a * gelu(b)`` for rows of ``width``; a row of ``projected`` is ``a`` and then ``b``."""
    row, column, inside = _tile(rows, width, ROWS, WIDTH)
    source = row * (2 * width) + column
    linear = tl.load(projected + source, mask=inside, other=0.0).to(tl.float32)
    gate = tl.load(projected + source + width, mask=inside, other=0.0).to(tl.float32)
    tl.store(result + (row * width + column), (linear * gate * _phi(gate)).to(result.dtype.element_ty), mask=inside)


@triton.jit
def geglu_backward(projected, gradient, result, rows, width, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """Gradient with respect to ``projected``, from that with respect to the output."""
    row, column, inside = _tile(rows, width, ROWS, WIDTH)
    source = row * (2 * width) + column
    linear = tl.load(projected + source, mask=inside, other=0.0).to(tl.float32)
    gate = tl.load(projected + source + width, mask=inside, other=0.0).to(tl.float32)
    given = tl.load(gradient + (row * width + column), mask=inside, other=0.0).to(tl.float32)
    share = _phi(gate)
    slope = share + gate * 0.3989422804014327 * tl.exp(-0.5 * gate * gate)
    tl.store(result + source, (given * gate * share).to(result.dtype.element_ty), mask=inside)
    tl.store(result + source + width, (given * linear * slope).to(result.dtype.element_ty), mask=inside)
