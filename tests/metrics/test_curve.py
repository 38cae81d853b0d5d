from dataclasses import replace

import numpy as np
import pytest

from metrics.curve import label_curve
from metrics.scoring import score
from tests.metrics import oracle
from tests.metrics.worlds import world


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1]), (7, [1, 5, 7]), (100, [1, 5, 10, 100]), (101, [1, 5, 10, 100, 101])]
)
def test_every_number_of_labels_below_all_is_drawn_ten_times(count, expected):
    drawn: list[np.ndarray] = []

    def value_of(rows):
        drawn.append(rows)
        return float(len(rows))

    curve = label_curve(count, value_of, seed=1)
    assert curve == tuple((labelled, float(labelled), 0.0) for labelled in expected)
    assert [len(rows) for rows in drawn] == [labelled for labelled in expected[:-1] for _ in range(10)] + [count]
    for rows in drawn:
        assert len(set(rows.tolist())) == len(rows)
        assert set(rows.tolist()) <= set(range(count))
    if count > 10:
        assert len({tuple(rows) for rows in drawn}) > len(drawn) - 5


def test_mean_and_spread_over_the_draws():
    values = np.random.default_rng(0).normal(size=21)
    left = iter(values)
    curve = label_curve(7, lambda rows: float(next(left)))
    assert [labelled for labelled, _, _ in curve] == [1, 5, 7]
    assert [mean for _, mean, _ in curve] == pytest.approx([values[:10].mean(), values[10:20].mean(), values[20]])
    assert [spread for *_, spread in curve] == pytest.approx([values[:10].std(ddof=1), values[10:20].std(ddof=1), 0.0])


def test_the_curve_falls_to_the_value_with_all_labels():
    fit, test = world(1, n=700, shown=1.0), world(51, shown=1.0)
    found = score("sanchez/forward", fit, test, seed=4, interocular=(0, 1))
    labelled, means, spreads = zip(*found.curve, strict=True)
    assert labelled == (1, 5, 10, 100, 500, 700)
    assert found.curve[-1] == (700, found.value, 0.0)
    assert means[0] > means[2] > means[3] > 0.9 * means[5]
    assert spreads[1] > spreads[3] > 0
    assert score("sanchez/forward", fit, test, seed=4, interocular=(0, 1)).curve == found.curve
    assert score("sanchez/forward", fit, test, seed=5, interocular=(0, 1)).curve[0] != found.curve[0]
    # Every image is the same but one, which ten draws of one image hardly meet.
    alike = replace(fit, keypoints=fit.keypoints.copy(), landmarks=fit.landmarks.copy())
    alike.keypoints[1:], alike.landmarks[1:] = fit.keypoints[1], fit.landmarks[1]
    first = score("sanchez/forward", alike, test, interocular=(0, 1)).curve[0]
    lone = oracle.interocular([fit.landmarks[1].tolist()] * 60, test.landmarks.tolist(), test.visible.tolist())
    assert first[1] == pytest.approx(lone, rel=1e-9)
    assert score("sk/interocular", fit, test, interocular=(0, 1)).curve == ()
