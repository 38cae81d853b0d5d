"""Which columns are which point: headings as OpenFace, pandas and others write them, in any order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.adapters.base import OutputError
from methods.adapters.headings import box_columns, numbered_columns, point_columns, visible_columns

FORMS = [
    *("{axis}{k}", "{axis}_{k}", "{axis}.{k}", "{axis}[{k}]", "p{axis}{k}", "kp_{axis}{k}", "lm {axis} {k}"),
    *("{k}_{axis}", "kp{k}_{axis}", "kp{k}{axis}", "point {k}: {axis}"),
]


@given(
    st.sampled_from(FORMS),
    st.permutations([(axis, k) for axis in "xy" for k in range(12)]),
    st.sampled_from([0, 1, 36]),
)
def test_numbered_points_are_found_wherever_their_columns_stand(form, columns, start):
    headings = [form.format(axis=axis, k=k + start) for axis, k in columns]
    found = point_columns("a.csv", headings)
    assert found is not None
    assert [columns[place] for place in found.places] == [(axis, k) for k in range(12) for axis in "xy"]


@pytest.mark.parametrize(
    "headings",
    [
        *("nose_x nose_y tail_x tail_y", "noseX noseY tailX tailY", "x_nose y_nose x_tail y_tail", "x y x y"),
        *("x y x.1 y.1", "nose.X nose.Y tail.X tail.Y", "x0 y0 x1 y1"),
    ],
)
def test_columns_that_are_in_order_stay(headings):
    found = point_columns("a.csv", headings.split())
    assert found is not None
    assert found.places == (0, 1, 2, 3) and not found.moved and not found.y_first


def test_points_with_names_keep_the_order_of_the_file():
    found = point_columns("a.csv", ["tail_y", "nose_x", "nose_y", "tail_x"])
    assert found is not None
    assert (found.points, found.places) == ((("tail", -1), ("nose", -1)), (3, 0, 1, 2))
    assert found.y_first and found.moved


@pytest.mark.parametrize(
    "headings", [None, [], ["a", "b", "c", "d"], ["box_1", "max0", "ray", "index"], ["width", "height"], ["v0", "v1"]]
)
def test_headings_that_name_no_point_say_nothing(headings):
    assert point_columns("a.csv", headings) is None


@pytest.mark.parametrize(
    ("headings", "says"),
    [
        ("x0 y0 x1", "column 'x1' has no y beside it"),
        ("x0 y0 y1 x2", "column 'y1' has no x beside it"),
        ("x0 y0 x0 y1", "column 'x0' stands there twice"),
        ("x0 y0 z0 x1 y1 z1", "column 'z0' is neither x nor y of a point"),
        ("frame x0 y0 x1 y1", "column 'frame' is neither"),
        ("x y x0 y0", "column 'x' stands there twice"),
    ],
)
def test_headings_that_contradict_each_other_are_refused(headings, says):
    with pytest.raises(OutputError, match=f"^a.csv: {says}"):
        point_columns("a.csv", headings.split())


def test_boxes_by_their_headings():
    assert box_columns("b.csv", ["x", "y", "width", "height"]) == [0, 1, 2, 3]
    assert box_columns("b.csv", ["y", "x", "H", "W"]) == [1, 0, 3, 2]
    assert box_columns("b.csv", ["a", "b", "c", "d"]) is box_columns("b.csv", None) is None
    for corners in (["x1", "y1", "x2", "y2"], ["xmin_x", "y", "x", "w"], ["x_min", "y_min", "x_max", "y_max"]):
        with pytest.raises(OutputError, match="b.csv: has the columns .*, expected x, y, width, height"):
            box_columns("b.csv", corners)


def test_visibility_by_the_numbers_of_its_headings():
    assert numbered_columns(["v2", "v0", "v1"]) == [1, 2, 0]
    assert numbered_columns(["v10", "v9"]) == [1, 0]
    for unknown in (None, [], ["nose", "tail"], ["v0", "seen"], ["v0", "w1"], ["v0", "v0"]):
        assert numbered_columns(unknown) is None


VISIBLE = ["v{k}", "v_{k}", "vis{k}", "visible_{k}", "kp_v_{k}", "kp{k}_visibility", "V{k}"]


@given(st.sampled_from(VISIBLE), st.permutations([(axis, k) for axis in "xyv" for k in range(5)]))
def test_visibility_beside_points_goes_by_its_heading(form, columns):
    headings = [form.format(k=k) if axis == "v" else f"{axis}{k}" for axis, k in columns]
    found = point_columns("a.csv", headings)
    assert found is not None and found.visible is not None
    assert [columns[place] for place in found.visible] == [("v", k) for k in range(5)]
    assert [columns[place] for place in found.places] == [(axis, k) for k in range(5) for axis in "xy"]


@pytest.mark.parametrize(
    ("headings", "visible", "scores", "unused"),
    [
        ("tail_v nose_x nose_y nose_v tail_x tail_y", (3, 0), None, ()),
        ("x y v x.1 y.1 v.1", (2, 5), None, ()),
        ("nose_x nose_y v tail_x tail_y v", (2, 5), None, ()),
        ("noseX noseY noseV tailX tailY tailV", (2, 5), None, ()),
        ("nose_x nose_y nose_likelihood tail_x tail_y tail_likelihood", None, (2, 5), ()),
        ("tail_score nose_x nose_y nose_v tail_x tail_y tail_v nose_score", (3, 6), (7, 0), ()),
        ("x0 y0 score0 x1 y1 score1", None, (2, 5), ()),
        ("x0 y0 score x1 y1 score", None, (2, 5), ()),
        ("score1 x0 y0 score0 x1 y1", None, (3, 0), ()),
        ("x0 y0 c0 x1 y1 conf_1 score", None, None, None),
        ("x0 y0 conf_0 x1 y1 conf_1 score", None, None, ("conf_0", "conf_1", "score")),
        ("x0 y0 conf_0 x1 y1", None, None, ("conf_0",)),
        ("x0 y0 v0 x1 y1", "columns of visibility \\(v0\\) for 2 points", None, None),
        ("x0 y0 v0 x1 y1 v2", "columns of visibility \\(v0, v2\\) for 2 points", None, None),
        ("nose_x nose_y eye_v", "columns of visibility \\(eye_v\\) for 1 points", None, None),
    ],
)
def test_columns_of_visibility_and_likelihood(headings, visible, scores, unused):
    if isinstance(visible, str) or unused is None:
        with pytest.raises(OutputError, match=visible or "column 'c0' is neither"):
            point_columns("a.csv", headings.split())
        return
    found = point_columns("a.csv", headings.split())
    assert found is not None
    assert (found.visible, found.scores, found.unused, found.moved) == (visible, scores, unused, False)


def test_visibility_of_a_file_of_its_own_goes_by_the_names_of_the_points():
    nose, tail = points = (("nose", -1), ("tail", -1))
    for headings in (["tail", "nose"], ["tail_v", "nose_v"], ["Tail visible", "Nose visible"]):
        assert visible_columns("v.csv", headings, points) == [1, 0]
    assert visible_columns("v.csv", ["v1", "v0"], (("kp", 0), ("kp", 1))) == [1, 0]
    assert visible_columns("v.csv", ["tail", "nose"], None) is None
    for headings in (["tail", "eye"], ["v0", "v1"], ["tail"]):
        with pytest.raises(OutputError, match="v.csv: has . columns of visibility"):
            visible_columns("v.csv", headings, (nose, tail))
