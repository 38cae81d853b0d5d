"""Whether two published rows rank with each other, in plain words.

Two rows rank if they were computed by the same formula, by a regression of the same kind, with the same number of
keypoints, on the same test images. The solver of the regression does not count, and neither do the images that
keypoints were learned on, which belong to the method; both are named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from leaderboard.published import AS_PRINTED
from metrics.protocols import PROTOCOLS, Protocol

Fact = Mapping[str, str]

NOT_STATED = "not stated"
NOTHING_NOTED = "those of the task"
LEVEL = 0.01  # values on one scale that are this close, as a share, are called level
_NO_BIAS = "without a bias"
_ASPECTS: Mapping[str, Callable[[Protocol], str]] = {
    "error": lambda p: _error(p),
    "unit": lambda p: p.unit,
    "divided by": lambda p: {
        "interocular": "the distance between the eyes",
        "side": "the width and height of the object's box" if p.frame == "box" else "the side of the image",
        "positive_landmarks": "the side of the image",
    }[p.normaliser],
    "average": lambda p: {
        "macro": "mean over images",
        "micro": "mean over all landmarks of all images",
        "per_landmark": "mean over images for each landmark",
    }[p.aggregate],
    "landmarks": lambda p: (
        {"all": "all", "visible": "visible ones", "positive": "visible ones inside the image"}[p.rows]
        + (f", {len(p.landmarks)} of them" if p.landmarks else "")
    ),
    "regression": lambda p: _regression(p),
    "images to regress on": lambda p: f"{p.labelled} at a time" if p.labelled else "all",
    "left and right": lambda p: "exchanged where that fits better" if p.either_side else "as annotated",
    "outlying images": lambda p: "left out of the regression" if p.drop_outliers else "kept",
}
# Factors from the first protocol's scale to the second's. The sum of absolute differences is 1.31 to 1.37 times the
# distance on constant poses of Tai-Chi; 128 pixels are 100 % of the side.
_ABSOLUTE = (1.31, 1.37)
_FACTORS = {
    ("sk/cumulative", "siarohin/cumulative"): _ABSOLUTE,
    ("sk/relative", "siarohin/relative"): _ABSOLUTE,
    ("sk/human36m", "autolink/human36m"): (100 / 128, 100 / 128),
}


def aspects(fact: Fact) -> dict[str, str]:
    """Everything that must agree for two rows to rank, in words; without a known protocol only K and the unit."""
    found = {"K": fact["K"] or NOT_STATED, "test images": test_images(fact), "frame": _frame(fact)}
    if fact["protocol"] == AS_PRINTED:
        return {"unit": fact["unit"], **found}
    protocol = PROTOCOLS[fact["protocol"]]
    return {name: words(protocol) for name, words in _ASPECTS.items()} | found


def is_known(fact: Fact) -> bool:
    """Whether the formula of a row and its number of keypoints are known."""
    return fact["protocol"] != AS_PRINTED and bool(fact["K"])


def test_images(fact: Fact) -> str:
    """What is noted about the test images of a row, or those of its task."""
    noted = [part for part in clauses(fact) if _TEST_IMAGES.search(part) and not _LEARNED.match(part)]
    if any(_NOT_KNOWN.search(part) for part in noted):
        return NOT_STATED
    return f"{_images_of(fact)}: {'; '.join(noted) or NOTHING_NOTED}"


def _images_of(fact: Fact) -> str:
    """The task of a row without its number of keypoints and of images to learn on."""
    return _NUMBERS.sub("", fact["task"])


def learned_on(fact: Fact) -> str:
    """What is noted about the images that a row's keypoints were learned on."""
    found = [_LEARNED.sub("", part) for part in clauses(fact) if _LEARNED.match(part)]
    return "; ".join(found) or NOT_STATED


def _frame(fact: Fact) -> str:
    """What is noted about the part of the image that a row's errors are measured in."""
    found = [part for part in clauses(fact) if _FRAME.search(part)]
    return "; ".join(found) or "as the task has it"


def further(fact: Fact) -> list[str]:
    """The statements of a row's note that are about none of the aspects above."""
    told = (_LEARNED.match, _TEST_IMAGES.search, _FRAME.search)
    return [part for part in clauses(fact) if not any(match(part) for match in told)]


def clauses(fact: Fact) -> list[str]:
    """The statements of a row's note, without what they say of other rows."""
    parts = re.split(r";\s*(?![^()]*\))", fact["differs"])
    return [re.split(r", (?:where|as) ", part)[0].strip() for part in parts if part.strip()]


_NUMBERS = re.compile(r"(_k\d+)?(_fit\d+)?$")  # of keypoints, and of images to learn on, in the id of a task
_FRAME = re.compile(r"another frame|in pixels of a crop")
_NOT_KNOWN = re.compile(r"not (known|stated)")
_LEARNED = re.compile(r"(?:the file it )?learned on ")
_TEST_IMAGES = re.compile(r"test images|to test on|fixed test set|crops were drawn anew|crops drawn at every access")


def differences(one: Fact, other: Fact) -> list[str]:
    """The aspects in which two rows are known to differ, each as one line such as 'K: 4 against 8'."""
    first, second = aspects(one), aspects(other)
    whose = f"{_images_of(one)}: "
    if second["test images"].startswith(whose):
        first, second = ({**each, "test images": each["test images"].removeprefix(whose)} for each in (first, second))
    return [
        f"{name}: {first[name]} against {second[name]}"
        for name in first
        if name in second and first[name] != second[name] and NOT_STATED not in (first[name], second[name])
    ]


def verdict(one: Fact, other: Fact) -> str:
    """One or two sentences on whether two rows rank."""
    found = differences(one, other)
    unknown = [fact for fact in (one, other) if not is_known(fact)]
    if found:
        more = [on_one_scale(one, other), _of_origin(one, other, found), _of_learning(one, other)]
        return " ".join([f"These two do not rank: {'; '.join(found)}.", *filter(None, more)])
    if unknown:
        values = " and ".join(dict.fromkeys(f"{fact['label']} ({fact['value']})" for fact in unknown))
        return f"Whether these two rank cannot be told: how {values} was computed is not known."
    text = "These two rank: same formula, same number of keypoints, same test images as far as is known."
    return " ".join(filter(None, [text, _of_learning(one, other), _of_rest(one, other)]))


def _of_rest(one: Fact, other: Fact) -> str:
    """A sentence with what else is noted of one row and not of the other."""
    first, second = further(one), further(other)
    parts = [
        f"of {fact['label']} ({fact['value']}): {'; '.join(rest)}"
        for fact, own, beside in ((one, first, second), (other, second, first))
        if (rest := [part for part in own if part not in beside])
    ]
    return f"Noted besides {'; '.join(parts)}." if parts else ""


def _of_learning(one: Fact, other: Fact) -> str:
    """A sentence on the images that keypoints were learned on, if these are noted and differ."""
    first, second = learned_on(one), learned_on(other)
    return f"They learned on different images: {first} against {second}." if first != second else ""


def on_one_scale(one: Fact, other: Fact) -> str:
    """A sentence that converts one value to the scale of the other, or '' if no factor is known."""
    for first, second in ((one, other), (other, one)):
        pair = tuple(fact["protocol"].replace("_released/", "/") for fact in (first, second))
        if first["task"] == second["task"] and (factors := _FACTORS.get(pair)):  # type: ignore[arg-type]
            low, high = (float(first["value"]) * factor for factor in factors)
            fixed = float(second["value"])
            digits = 0 if high >= 100 else 2
            between = f"{low:.{digits}f}" if low == high else f"about {low:.{digits}f} to {high:.{digits}f}"
            about = low * (1 - LEVEL) <= fixed <= high * (1 + LEVEL)
            then = "so on one scale the two are about level" if about else f"so {_better(first, second, high, fixed)}"
            return f"On the scale of {second['value']}, {first['value']} would be {between}, {then}."
    return ""


def _of_origin(one: Fact, other: Fact, found: list[str]) -> str:
    """A sentence on how much the origin of the regression matters, if two rows differ in nothing else."""
    if len(found) > 1 or not found[0].startswith("regression: ") or found[0].count(_NO_BIAS) < 2:
        return ""
    low, high = sorted((float(one["value"]), float(other["value"])))
    return (
        "Where it was measured, on one set of aligned faces, the origin changed the error by about 2 %; these two "
        f"differ by {100 * (high / low - 1):.2g} %."
    )


def _better(first: Fact, second: Fact, high: float, fixed: float) -> str:
    """Which of two rows is the better one on the scale of the second; lower is better under all factors."""
    better, worse = (first, second) if high < fixed else (second, first)
    return f"on one scale {better['label']} is still better than {worse['label']}"


def _landmarks(protocol: Protocol) -> str:
    rows = {"all": "all", "visible": "visible ones", "positive": "visible ones inside the image"}[protocol.rows]
    parts = [rows, f"of {protocol.num_landmarks}" if protocol.num_landmarks else ""]
    return ", ".join([*filter(None, parts), *([f"{len(protocol.landmarks)} of them"] if protocol.landmarks else [])])


def _error(protocol: Protocol) -> str:
    if protocol.threshold is not None:
        return f"share of landmarks less than {protocol.threshold:g} pixels off"
    kind = {"l2": "distance", "l1": "sum of the absolute differences in x and y"}[protocol.error]
    what = "landmarks" if protocol.direction == "forward" else "keypoints"
    summed = protocol.over_landmarks == "sum" or (protocol.aggregate, protocol.normaliser) == ("per_landmark", "side")
    return f"{kind}, {'summed' if summed else 'averaged'} over {what}"


def _regression(protocol: Protocol) -> str:
    about = "with a bias" if protocol.intercept else f"{_NO_BIAS}, about the image's {protocol.origin}"
    return about if protocol.direction == "forward" else f"of keypoints on landmarks, {about}"
