"""The order of columns in tables of points, visibility and boxes, by their headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from methods.adapters.base import OutputError

Point = tuple[str, int]  # a name and a number; -1 for a point without a number

_AXIS = "[xyXY]"
_SEEN = "[vV]|(?:[vV]is|VIS)(?:ible|ibility|IBLE|IBILITY)?"
_SURE = "(?:[lL]ikelihood|[sS]core|[cC]onf(?:idence)?|[pP]rob(?:ability)?)"


def _forms(axis: str) -> tuple[re.Pattern[str], ...]:
    """Forms of headings in which every run of other characters than letters and digits is one _."""
    return (
        re.compile(rf"(?P<name>(?:.*_)?|p)(?P<axis>{axis})_?(?P<number>\d+)"),  # x0, kp_x_0, px0
        re.compile(rf"(?P<name>.+)_(?P<axis>{axis})"),  # nose_x, 0_x
        re.compile(rf"(?P<name>.*\d)(?P<axis>{axis})"),  # kp0x
        re.compile(rf"(?P<name>.*[a-z])(?P<axis>(?=[A-Z])(?:{axis}))"),  # noseX
        re.compile(rf"(?P<axis>{axis})_(?P<name>.+)"),  # x_nose
        re.compile(rf"(?P<name>)(?P<axis>{axis})"),  # x
    )


_FORMS = _forms(_AXIS)
_MARKS = {"v": _forms(_SEEN), "s": _forms(_SURE)}  # visibility, and how sure a detector is
_BOX = {"x": 0, "y": 1, "w": 2, "width": 2, "h": 3, "height": 3}


@dataclass(frozen=True)
class PointColumns:
    """The points that headings name, and the places of their columns: x and y of each point in turn.

    ``y_first`` says that the headings name y before x. ``visible`` are the places of the columns with the visibility of
    each point, and ``scores`` those of its score or likelihood; None without such columns. ``unused`` are headings of
    scores that are not one for each point.
    """

    points: tuple[Point, ...]
    places: tuple[int, ...]
    y_first: bool
    visible: tuple[int, ...] | None = None
    scores: tuple[int, ...] | None = None
    unused: tuple[str, ...] = ()

    def left_out(self, source: str, landmarks: bool = False) -> list[str]:
        """Notes on the columns of a table of keypoints, or of landmarks, that are not used."""
        count = len((self.scores if landmarks else self.visible) or ()) + len(self.unused)
        return [f"{source}: columns that are not used, of visibility or likelihood: {count}"] * bool(count)

    @property
    def moved(self) -> bool:
        """Whether the file has the columns in another order."""
        return list(self.places) != sorted(self.places)


def point_columns(source: str, headings: Sequence[str] | None) -> PointColumns | None:
    """The points that the headings of a table name, or None for headings that name none.

    Points with numbers are in the order of their numbers, others in the order of the file. A heading names a point with
    x or y and a number or a name: x0, kp_x_0, nose_x, x_nose, noseX; a lone x, or y, stands for the next point. Columns
    of visibility (v0, nose_visible) and of likelihoods (nose_score) may stand beside them. Raises OutputError for
    headings that contradict each other: only some name points, a point has no x or no y, or two of one.
    """
    found = [_axis_and_point(heading, _FORMS) for heading in headings or ()]
    if headings is None or not any(found):
        return None
    marks = {
        kind: {place: _axis_and_point(heading, forms) for place, heading in enumerate(headings) if not found[place]}
        for kind, forms in _MARKS.items()
    }
    seen, sure = ({place: each[1] for place, each in marks[kind].items() if each} for kind in "vs")
    for column, (heading, each) in enumerate(zip(headings, found, strict=True)):
        if each is None and column not in seen and column not in sure:
            raise OutputError(
                f"{source}: column '{heading[:40]}' is neither x nor y of a point, as others are; leave it out (a "
                "column of names needs the heading image_id)"
            )
    kept = [place for place, each in enumerate(found) if each]
    columns = dict(zip(kept, _numbered([each for each in found if each]), strict=True))
    counts = Counter(columns.values())
    for axis, point in counts:
        other = "y" if axis == "x" else "x"
        if counts[axis, point] > 1 or not counts[other, point]:
            heading = headings[next(place for place, each in columns.items() if each == (axis, point))]
            wrong = "stands there twice" if counts[axis, point] > 1 else f"has no {other} beside it"
            raise OutputError(f"{source}: column '{heading[:40]}' {wrong}; expected one x and one y for each point")
    points = list(dict.fromkeys(point for _, point in columns.values()))
    if len({name for name, _ in points}) == 1:
        points.sort()
    place = {each: column for column, each in columns.items()}
    places = tuple(place[axis, point] for point in points for axis in "xy")
    return PointColumns(
        points=tuple(points),
        places=places,
        y_first=place["y", points[0]] < place["x", points[0]],
        visible=_of_points(source, headings, seen, points) if seen else None,
        scores=(scores := _scores(headings, sure, points)),
        unused=() if scores else tuple(headings[column] for column in sure),
    )


def _scores(headings: Sequence[str], columns: Mapping[int, Point], points: Sequence[Point]) -> tuple[int, ...] | None:
    """The place of the score of each point; None unless there is one for each."""
    try:
        return _of_points("", headings, columns, points) if columns else None
    except OutputError:
        return None


def _of_points(
    source: str, headings: Sequence[str], columns: Mapping[int, Point], points: Sequence[Point]
) -> tuple[int, ...]:
    """The place of the column of each point; lone headings such as v stand for the points in turn.

    Points are compared by their names and numbers, or else by their numbers alone. Raises OutputError unless there is
    one column for each point.
    """
    lone = [column for column, point in columns.items() if point == ("", -1)]
    if len(lone) == len(columns) == len(points):
        return tuple(lone)
    numbered = _numbered([("v", point) for point in columns.values()])
    numbers = [("", number) for _, number in points if number >= 0]
    for wanted, short in ((list(points), False), (numbers, True)):
        place = {
            ("", point[1]) if short else point: column for column, (_, point) in zip(columns, numbered, strict=True)
        }
        if len(place) == len(columns) == len(points) == len(wanted) and set(place) == set(wanted):
            return tuple(place[point] for point in wanted)
    named = ", ".join(headings[column] for column in list(columns)[:4])
    raise OutputError(
        f"{source}: has {len(columns)} columns of visibility ({named}) for {len(points)} points, expected one for "
        "each, named like its x and y"
    )


def visible_columns(source: str, headings: Sequence[str] | None, points: Sequence[Point] | None) -> list[int] | None:
    """The places of a table's columns of visibility in the order of named ``points``, None if nothing says the order.

    Raises OutputError for headings that name other points.
    """
    if headings is None or points is None or all(name == "" and number >= 0 for name, number in points):
        return numbered_columns(headings)
    found = [_axis_and_point(heading, _MARKS["v"]) or ("v", _point_of(heading)) for heading in headings]
    return list(_of_points(source, headings, {place: point for place, (_, point) in enumerate(found)}, points))


def _point_of(name: str) -> Point:
    """The name and number of a point by a heading without x, y or visibility."""
    plain = re.sub(r"[\W_]+", "_", name).strip("_").lower()
    end = re.fullmatch(r"(.*?)_?(\d+)", plain)
    return (end[1], int(end[2])) if end else (plain, -1)


def _axis_and_point(heading: str, forms: Sequence[re.Pattern[str]]) -> tuple[str, Point] | None:
    """The axis and the point of a heading in one of the forms, or None."""
    plain = re.sub(r"[\W_]+", "_", heading).strip("_")
    for form in forms:
        if match := form.fullmatch(plain):
            parts = match.groupdict()
            name, number = parts["name"].strip("_").lower(), parts.get("number")
            if number is None and (end := re.fullmatch(r"(.*?)_?(\d+)", name)):
                name, number = end.groups()
            return parts["axis"].lower(), (name, -1 if number is None else int(number))
    return None


def _numbered(named: Sequence[tuple[str, Point]]) -> list[tuple[str, Point]]:
    """The same with numbers for lone x and y: 0 beside x.1 and y.1, or else counted."""
    lone = ("", -1)
    if any(name == "" and number >= 0 for _, (name, number) in named):
        return [(axis, ("", 0) if point == lone else point) for axis, point in named]
    seen: Counter[str] = Counter()
    found = []
    for axis, point in named:
        found.append((axis, ("", seen[axis]) if point == lone else point))
        seen[axis] += point == lone
    return found


def box_columns(source: str, headings: Sequence[str] | None) -> list[int] | None:
    """The places of x, y, width and height, or None for headings that name none of them.

    Raises OutputError for headings of another kind of box, such as two corners.
    """
    plain = [heading.strip().lower() for heading in headings or ()]
    places = [_BOX.get(name) for name in plain]
    if headings is None or not (set(plain) & _BOX.keys() or point_columns(source, headings)):
        return None
    if sorted(-1 if place is None else place for place in places) != [0, 1, 2, 3]:
        raise OutputError(f"{source}: has the columns {', '.join(headings[:8])}, expected x, y, width, height")
    return [places.index(part) for part in range(4)]


def numbered_columns(headings: Sequence[str] | None) -> list[int] | None:
    """The places of columns in the order of the numbers in their headings (v0, v1, ...), or None without numbers."""
    ends = [re.fullmatch(r"(.*?)(\d+)\D*", heading.strip()) for heading in headings or ()]
    matches = [end for end in ends if end]
    numbers = [int(end[2]) for end in matches]
    if not matches or len(matches) < len(ends) or len({end[1] for end in matches}) > 1 or len(set(numbers)) < len(ends):
        return None
    return sorted(range(len(numbers)), key=numbers.__getitem__)
