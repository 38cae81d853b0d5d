"""The order of columns in tables of points, visibility and boxes, by their headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from methods.adapters.base import OutputError

Point = tuple[str, int]  # a name and a number; -1 for a point without a number

_FORMS = (  # of a heading in which every run of other characters than letters and digits is one _
    re.compile(r"(?P<name>(?:.*_)?|p)(?P<axis>[xyXY])_?(?P<number>\d+)"),  # x0, kp_x_0, px0
    re.compile(r"(?P<name>.+)_(?P<axis>[xyXY])"),  # nose_x, 0_x
    re.compile(r"(?P<name>.*\d)(?P<axis>[xyXY])"),  # kp0x
    re.compile(r"(?P<name>.*[a-z])(?P<axis>[XY])"),  # noseX
    re.compile(r"(?P<axis>[xyXY])_(?P<name>.+)"),  # x_nose
    re.compile(r"(?P<name>)(?P<axis>[xyXY])"),  # x
)
_BOX = {"x": 0, "y": 1, "w": 2, "width": 2, "h": 3, "height": 3}


@dataclass(frozen=True)
class PointColumns:
    """The points that headings name, and the places of their columns: x and y of each point in turn.

    ``y_first`` says that the headings name y before x.
    """

    points: tuple[Point, ...]
    places: tuple[int, ...]
    y_first: bool

    @property
    def moved(self) -> bool:
        """Whether the file has the columns in another order."""
        return self.places != tuple(range(len(self.places)))


def point_columns(source: str, headings: Sequence[str] | None) -> PointColumns | None:
    """The points that the headings of a table name, or None for headings that name none.

    Points with numbers are in the order of their numbers, others in the order of the file. A heading names a point with
    x or y and a number or a name: x0, kp_x_0, nose_x, x_nose, noseX; a lone x, or y, stands for the next point. Raises
    OutputError for headings that contradict each other: only some name points, a point has no x or no y, or two of one.
    """
    found = [_axis_and_point(heading) for heading in headings or ()]
    named = [each for each in found if each]
    if headings is None or not named:
        return None
    for heading, each in zip(headings, found, strict=True):
        if each is None:
            raise OutputError(
                f"{source}: column '{heading[:40]}' is neither x nor y of a point, as others are; leave it out (a "
                "column of names needs the heading image_id)"
            )
    columns = dict(enumerate(_numbered(named)))
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
    return PointColumns(tuple(points), places, place["y", points[0]] < place["x", points[0]])


def _axis_and_point(heading: str) -> tuple[str, Point] | None:
    """The axis and the point of a heading, or None."""
    plain = re.sub(r"[\W_]+", "_", heading).strip("_")
    for form in _FORMS:
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
