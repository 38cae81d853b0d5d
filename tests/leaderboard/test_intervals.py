"""Exact sample variances and standard deviations of a few floats, against fractions and decimals."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from statistics import variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.intervals import sample_deviation, sample_variance

VALUES = st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=2, max_size=8)


def exact_variance(values: list[float]) -> Fraction:
    mean = sum(map(Fraction, values), Fraction()) / len(values)
    return sum(((Fraction(value) - mean) ** 2 for value in values), Fraction()) / (len(values) - 1)


@given(VALUES)
def test_the_variance_is_the_exact_one_rounded_once(values):
    assert sample_variance(values) == float(exact_variance(values)) == variance(values)


@given(VALUES)
def test_the_standard_deviation_is_the_exact_root_rounded_once(values):
    exact = exact_variance(values)
    with localcontext() as context:
        context.prec = 400
        root = (Decimal(exact.numerator) / Decimal(exact.denominator)).sqrt()
        assert sample_deviation(values) == float(root)


@pytest.mark.parametrize(
    ("values", "deviation"),
    [
        ([1.0, 1.0, 1.0], 0.0),
        ([1.0, 3.0], 2**0.5),
        ([2, 4, 6], 2.0),
        ([1e200, -1e200, 0.0], 1e200),
        ([1e-200, 3e-200, 5e-200], 2e-200),
    ],
)
def test_plain_cases(values, deviation):
    assert sample_deviation(values) == pytest.approx(deviation, rel=1e-15)
