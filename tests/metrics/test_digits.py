"""Values are printed with the significant digits that their protocol has."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.protocols import PROTOCOLS, significant, value_text
from metrics.scoring import score
from tests.metrics.worlds import reordered, world

FLOAT32 = [name for name, protocol in PROTOCOLS.items() if protocol.solver == "inverse_float32"]


def test_protocols_that_are_solved_in_float32_have_three_digits_and_no_other_protocol_has_a_limit():
    assert len(FLOAT32) == 4
    assert {name for name, protocol in PROTOCOLS.items() if protocol.digits is not None} == set(FLOAT32)
    assert {PROTOCOLS[name].digits for name in FLOAT32} == {3}


@pytest.mark.parametrize(
    ("value", "decimals", "text", "number"),
    [
        (3.5814, 2, "3.58", 3.58),
        (3.5814, 3, "3.58", 3.58),
        (0.035814, 3, "0.036", 0.0358),
        (9.996, 2, "10.0", 10.0),
        (71.764708, 2, "71.8", 71.8),
        (154.340078, 3, "154", 154.0),
        (1543.4, 2, "1540", 1540.0),
        (99.96, 2, "100", 100.0),
        (0.0, 2, "0.00", 0.0),
    ],
)
def test_three_significant_digits(value, decimals, text, number):
    assert value_text("autolink_released/interocular", value, decimals) == text
    assert significant("autolink_released/interocular", value) == number


def test_the_ends_of_an_interval_have_the_decimals_of_its_value():
    assert value_text("autolink_released/pck6", 9.876, 3, of=12.34) == "9.9"
    assert value_text("autolink_released/pck6", 101.26, 2, of=99.5) == "101.3"


@given(value=st.floats(0, 1e6), decimals=st.integers(0, 4))
def test_all_other_protocols_and_unknown_ones_have_all_digits(value, decimals):
    for name in ("sk/side", "autolink/interocular", "of/another-package", None):
        assert value_text(name, value, decimals) == f"{value:.{decimals}f}"
    assert significant("sk/side", value) == significant("of/another-package", value) == value


@given(value=st.floats(1e-3, 1e6))
def test_a_printed_value_is_within_half_a_unit_of_its_third_digit(value):
    printed = float(value_text("autolink_released/side", value, 9))
    assert abs(printed - value) <= 0.5 * 10.0 ** (np.floor(np.log10(value)) - 2) * (1 + 1e-9)


def test_digits_that_are_not_printed_depend_on_the_order_of_images():
    # Keypoints that hardly move make the normal equations as badly conditioned as those of real predictions.
    fit, test = world(1, n=400, shown=1.0), world(51, shown=1.0)
    fit, test = (replace(some, keypoints=0.5 + 0.05 * (some.keypoints - 0.5)) for some in (fit, test))
    orders = [np.random.default_rng(seed).permutation(400) for seed in range(8)]

    def values(protocol):
        return [score(protocol, reordered(fit, order), test, interocular=(0, 1)).value for order in orders]

    assert np.ptp(values("autolink/interocular")) < 1e-9 * values("autolink/interocular")[0]
    assert np.ptp(values("autolink_released/interocular")) > 1e-9 * values("autolink/interocular")[0]
