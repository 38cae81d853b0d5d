"""Bad input of a score, and protocols that make no sense: each is one clear error."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.errors import MetricError
from metrics.protocols import PROTOCOLS
from metrics.scoring import score
from tests.metrics.worlds import world


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": "visible"}, "exchangeable sides require"),
        ({"sides": "annotated", "drop_outliers": True}, "drop_outliers requires"),
        ({"sides": "annotated", "direction": "backward", "landmarks": (1,)}, "direction=backward requires"),
        ({"landmarks": (1,), "normaliser": "interocular"}, "the interocular normaliser requires"),
        ({"eyes": (0, 1)}, "eyes require the interocular normaliser"),
        ({"labelled": 300}, "labelled requires annotated sides and no curve"),
        ({"sides": "annotated", "labelled": 300, "curve": True}, "labelled requires annotated sides and no curve"),
    ],
)
def test_protocols_that_make_no_sense_cannot_be_made(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PROTOCOLS["sk/human36m"], **change)


@pytest.mark.parametrize(
    ("protocol", "spoil", "message"),
    [
        ("sk/sides", {}, "unknown protocol 'sk/sides'"),
        ("sk/human36m", {}, "needs left_right_pairs"),
        ("sk_released/human36m", {}, "fit has 5 landmarks, sk_released/human36m is for 32"),
        ("strict/human36m_17", {}, "fit has 5 landmarks, strict/human36m_17 is for 32"),
        ("sanchez/backward_mallis", {}, "fit has 5 landmarks, sanchez/backward_mallis is for 68"),
        ("sk/interocular", {}, "two eye landmarks"),
        ("sk/side", {"ids": ("a",) * 60}, "1 different ids"),
        ("sk/side", {"groups": ("a",) * 59}, "rows of keypoints, landmarks, groups and ids"),
        ("sk/side", {"keypoints": np.full((60, 3, 2), np.nan)}, "test keypoints are absent in all 180 places"),
        ("sk/side", {"keypoints": np.zeros((60, 4, 2))}, "4 keypoints, the regression was fitted on 3"),
        ("sk/side", {"visible": np.zeros((60, 5), dtype=bool)}, "test: no landmark is used by sk/side"),
        ("sk/cumulative", {"landmarks": np.zeros((60, 5, 2))}, "test: no landmark is used by sk/cumulative"),
        ("siarohin/relative", {"landmarks": np.zeros((60, 5, 2))}, "no test image has any"),
        ("sk/side", {"landmarks": np.zeros((60, 4, 2)), "visible": np.ones((60, 4))}, "5 landmarks to fit, 4 to test"),
        ("strict/box", {"boxes": None}, "strict/box needs the boxes of the test images"),
        ("sk/side", {"boxes": np.ones((60, 3))}, r"test boxes \(60, 3\), expected \(60, 4\)"),
        ("scops/box", {"boxes": np.zeros((60, 4))}, r"test image 00000.png: box \(0, 0, 0, 0\), expected"),
        ("scops/box", {"boxes": np.full((60, 4), np.inf)}, r"test image 00000.png: box \(inf, inf, inf, inf\)"),
    ],
)
def test_bad_input_is_one_clear_line(protocol, spoil, message):
    with pytest.raises(MetricError, match=message) as caught:
        score(protocol, world(1), replace(world(2), **spoil))
    assert "\n" not in str(caught.value)


def test_bad_cards_are_one_clear_line():
    fit = world(1)
    with pytest.raises(MetricError, match="each at most once"):
        score("sk/human36m", fit, fit, left_right_pairs=((0, 1), (1, 2)))
    with pytest.raises(MetricError, match="two indices below 5"):
        score("sk/interocular", fit, fit, interocular=(0, 5))
    blind = replace(fit, landmarks=np.full((60, 5, 2), 0.3))
    with pytest.raises(MetricError, match=r"test image 00000\.png: both eyes"):
        score("sk/interocular", fit, blind, interocular=(0, 1))
