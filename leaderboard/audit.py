"""The audit of published rows: which protocol made each, how that is known, and which rows rank with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, product

from leaderboard.comparable import NOT_STATED, aspects, differences, is_known, learned_on, on_one_scale, verdict
from leaderboard.errors import LeaderboardError
from leaderboard.markdown import grid
from leaderboard.plain import to_csv, to_json
from leaderboard.published import AS_PRINTED, HIGHER_IS_BETTER, belongs, published_facts, saw_landmarks
from leaderboard.row_kinds import LEGEND, SUPERVISED_MARK

FIELDS = (
    *("table", "method", "supervision", "task", "K", "metric", "value", "unit", "protocol", "basis", "differs"),
    *("test_images", "regression", "learned_on", "comparable_with"),
)
COMPARED = ("task", "metric", "method", "value", "other_task", "other_metric", "other_method", "other_value", "verdict")
MOST_PAIRS = 12
_BASES = {
    "code": "the code that made it was read",
    "reproduced": "the formula gives the printed digits",
    "inferred": "from rows beside it or from its source, not verified",
    "unknown": "nothing says how it was computed",
}
_METRICS = {
    "IOD%": "error in % of the distance between the eyes",
    "norm L2%": "error in % of the image's or the box's side",
    "Cum": "error summed over the landmarks of an image",
    "Rel": "error averaged over landmarks",
    "L2": "error averaged over landmarks",
    "PCK%": "percentage of correct landmarks",
    "forward NME %": "landmarks regressed from keypoints",
    "backward NME %": "keypoints regressed from landmarks",
    "Kp": "landmarks regressed from parts",
    "NMI": "normalised mutual information of parts and landmarks",
    "ARI": "adjusted Rand index of parts and landmarks",
}
_SOURCES = {"text": "section 4.3", "later": "Tourani 2025"}
_SUPERVISION = {"unsup": "none", "-": "none"}
_LEGEND = (
    "printed in: Tables 1 to 5 and section 4.3 of Hedlin et al., CVPR 2024 (Stable Keypoints), Tourani et al., CVPR "
    "2025, which collects values of several papers, or the document of another system",
    "comparable with: rows with the same letter rank with each other by formula, number of keypoints and test images, "
    "subject to their notes; rows with different letters do not; of a row with ? too little is known",
)


def audit(tasks: Sequence[str] | None = None, format: str = "md", protocol: str | None = None) -> str:
    """The published rows of the tasks (None: of all) as markdown, csv or json.

    ``protocol`` is the id of a protocol or a family; None and 'all' keep every row.

    Raises LeaderboardError for an unknown format.
    """
    chosen = _chosen(tasks, protocol)
    if format == "md":
        return _markdown(chosen)
    return _plain([_fields(fact, chosen) for fact in chosen], FIELDS, format)


def compare(
    one: str, other: str, tasks: Sequence[str] | None = None, format: str = "md", protocol: str | None = None
) -> str:
    """Whether published rows rank with each other, as markdown, csv or json.

    Each row is named by its printed value, or by a method, in which case every pair of one task and metric is compared.
    Raises LeaderboardError for a name without a row, for too many pairs, and for an unknown format.
    """
    chosen = _chosen(tasks, protocol)
    pairs = [pair for pair in product(_named(one, chosen), _named(other, chosen)) if pair[0] is not pair[1]]
    alike = [pair for pair in pairs if _place(pair[0]) == _place(pair[1])]
    found = alike or pairs
    if not found:
        raise LeaderboardError(f"'{one}' and '{other}' name the same published row; name two")
    if len(found) > MOST_PAIRS:
        raise LeaderboardError(
            f"'{one}' and '{other}' name {len(found)} pairs of published rows, expected at most {MOST_PAIRS}; choose "
            "with --task, or name printed values such as 316.10"
        )
    if format == "md":
        return "\n\n".join(_pair(*pair) for pair in found) + "\n"
    names = ("task", "metric", "label", "value")
    lines = [
        dict(zip(COMPARED, [*(a[name] for name in names), *(b[name] for name in names), verdict(a, b)], strict=True))
        for a, b in found
    ]
    return _plain(lines, COMPARED, format)


def _plain(lines: Sequence[dict[str, str]], fields: Sequence[str], format: str) -> str:
    if format == "csv":
        return to_csv(lines, fields)
    if format == "json":
        return to_json(lines)
    raise LeaderboardError(f"unknown format '{format}', expected one of md, csv, json")


def _chosen(tasks: Sequence[str] | None, protocol: str | None) -> list[dict[str, str]]:
    return [
        fact
        for fact in published_facts()
        if (tasks is None or fact["task"] in tasks)
        and (protocol in (None, "all") or belongs(fact["protocol"], str(protocol)))
    ]


def _named(name: str, facts: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The rows with this printed value, label or system; if there are none, those whose label contains the name."""
    wanted = name.casefold()
    called: list[Callable[[dict[str, str]], bool]] = [
        lambda fact: fact["value"] == name,
        lambda fact: wanted in (fact["label"].casefold(), fact["label"].casefold().rpartition(" (")[0], fact["system"]),
        lambda fact: wanted in fact["label"].casefold(),
    ]
    for is_called in called:
        if wanted and (found := [fact for fact in facts if is_called(fact)]):
            return found
    raise LeaderboardError(
        f"no published row has the value or method '{name}'; leaderboard --audit lists them (with the same --task)"
    )


def _fields(fact: dict[str, str], facts: Sequence[dict[str, str]]) -> dict[str, str]:
    """A row as csv and json have it."""
    same = [other for other in facts if other is not fact and _place(other) == _place(fact) and _rank(fact, other)]
    words = aspects(fact)
    return {
        **{name: fact["label" if name == "method" else name] for name in FIELDS[:11]},
        "test_images": words["test images"],
        "regression": words.get("regression", ""),
        "learned_on": learned_on(fact),
        "comparable_with": "; ".join(other["label"] for other in same),
    }


def _rank(one: dict[str, str], other: dict[str, str]) -> bool:
    return is_known(one) and is_known(other) and not differences(one, other)


def _pair(one: dict[str, str], other: dict[str, str]) -> str:
    """Two rows side by side, under what is to be said of them."""
    title = " and ".join(f"{fact['label']} {fact['value']}" for fact in (one, other))
    first, second = aspects(one), aspects(other)
    lines = [
        ["printed", *(f"{fact['value']} {fact['unit']}" for fact in (one, other))],
        ["printed in", *map(_source, (one, other))],
        ["task, metric", *(", ".join(_place(fact)) for fact in (one, other))],
        *([name, first.get(name, "not known"), second.get(name, "not known")] for name in first | second),
        ["learned on", learned_on(one), learned_on(other)],
        ["protocol", one["protocol"], other["protocol"]],
        ["known from", *(f"{fact['basis']}: {_BASES[fact['basis']]}" for fact in (one, other))],
    ]
    table = grid(["", one["label"], other["label"]], lines)
    notes = "  \n".join(f"{fact['label']} {fact['value']}: {fact['differs']}" for fact in (one, other))
    return "\n\n".join([f"### {title}", verdict(one, other), table, notes])


def _markdown(facts: Sequence[dict[str, str]]) -> str:
    marked = any(saw_landmarks(fact) for fact in facts)
    known = sum(fact["protocol"] != AS_PRINTED for fact in facts)
    bases = [f"known from {name}: {meaning}" for name, meaning in _BASES.items()]
    legend = [*_LEGEND, *bases, *[LEGEND[SUPERVISED_MARK]] * marked]
    parts = [
        "### Published rows, and what is known of how they were computed",
        f"{len(facts)} rows; {known} carry a protocol that `describe` explains, the others stand as printed.  \n"
        + "  \n".join(legend),
    ]
    ordered = sorted(facts, key=_place)  # stable: within a task and metric, the order of the tables
    for (task, metric), group in groupby(ordered, key=_place):
        meaning = f" ({_METRICS[metric]})" if metric in _METRICS else ""
        parts += [f"#### {task}, {metric}{meaning}", _table(list(group))]
    return "\n\n".join(parts) + "\n"


def _place(fact: dict[str, str]) -> tuple[str, str]:
    return fact["task"], fact["metric"]


def _source(fact: dict[str, str]) -> str:
    table = fact["table"]
    return f"Table {table}" if table.isdigit() else _SOURCES.get(table, table)


def _table(facts: Sequence[dict[str, str]]) -> str:
    """The rows of one task and metric, with numbered footnotes for what differs, and which groups of rows rank."""
    notes = list(dict.fromkeys(fact["differs"] for fact in facts))
    header = ["method", "supervision", "printed in", "K", "printed", "unit", "comparable with", "protocol"]
    groups = _groups(facts)
    lines = [
        [
            *(f"{fact['label']}{_mark(fact)}", _SUPERVISION.get(fact["supervision"], fact["supervision"])),
            *(_source(fact), fact["K"] or NOT_STATED, fact["value"], fact["unit"]),
            next((letter for letter, group in groups.items() if fact in group), "?"),
            *(fact["protocol"], fact["basis"], f"({notes.index(fact['differs']) + 1})"),
        ]
        for fact in facts
    ]
    table = grid([*header, "known from", "note"], lines)
    below = [f"({i}) {note}" for i, note in enumerate(notes, start=1)]
    return "\n\n".join([table, "  \n".join([*_verdicts(groups), *below])])


def _groups(facts: Sequence[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """The rows that rank with each other, by letters."""
    found: list[list[dict[str, str]]] = []
    for fact in filter(is_known, facts):
        group = next((group for group in found if _rank(group[0], fact)), None)
        if group is None:
            found.append([fact])
        else:
            group.append(fact)
    return {chr(ord("a") + index): group for index, group in enumerate(found)}


def _verdicts(groups: dict[str, list[dict[str, str]]]) -> list[str]:
    """A line for each pair of groups on why they do not rank, and how their best rows stand on one scale."""
    letters, lines = list(groups), []
    for index, letter in enumerate(letters):
        for other in letters[index + 1 :]:
            why = "; ".join(differences(groups[letter][0], groups[other][0]))
            best = [_best(groups[each]) for each in (letter, other)]
            scale = on_one_scale(best[0], best[1])
            so = f" So {best[0]['value']} and {best[1]['value']} do not rank. {scale}" if scale else ""
            lines.append(f"{letter} and {other} do not rank: {why}.{so}")
    return lines


def _best(facts: Sequence[dict[str, str]]) -> dict[str, str]:
    pick = max if facts[0]["metric"] in HIGHER_IS_BETTER else min
    return pick(facts, key=lambda fact: float(fact["value"]))


def _mark(fact: dict[str, str]) -> str:
    return f" {SUPERVISED_MARK}" if saw_landmarks(fact) else ""
