"""Any text as a card: it is used or refused with lines, and never raises."""

import json
import tomllib
from string import printable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.submit.card import Card, parse_card
from benchmarks.submit.problems import listed
from tests.benchmarks.submit.folders import CARD, PREDICTIONS

RIGHT = "\n".join(f"{name} = {value}" for name, value in CARD.items())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.recursive(
    st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def toml(value):
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(name)} = {toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool | float) else str(value)


def check(text):
    card, problems = parse_card(text, "my_method", ["Stable Keypoints"])
    lines = listed(problems)
    assert card is not None or lines
    assert all(line.isprintable() and len(line) < 1000 for line in lines)
    return card, lines


@given(st.text(printable, max_size=200) | st.text(max_size=50))
def test_any_text_is_used_or_refused_with_printable_lines(text):
    check(text)


@given(st.dictionaries(st.sampled_from(list(Card.model_fields)) | TEXT, PLAIN, max_size=6))
def test_any_fields_are_used_or_refused_with_printable_lines(fields):
    check("\n".join(f"{toml(name)} = {toml(value)}" for name, value in fields.items()))


@given(st.sampled_from(list(Card.model_fields)), PLAIN)
def test_one_field_of_another_kind_is_refused_by_its_name(name, value):
    """A right card with one field changed is wrong there or right."""
    fields = tomllib.loads(RIGHT) | {"predictions": {"toy_many": "points.csv"}}
    lines = [f"{each} = {CARD[each]}" for each in fields if each in CARD and each != name]
    lines += [f"{name} = {toml(value)}"] + (
        [] if name == "predictions" else [f"predictions = {toml(fields['predictions'])}"]
    )
    card, found = check("\n".join(lines))
    assert card is not None or any(f"card.toml, {name}" in line for line in found)


@pytest.mark.parametrize(
    ("predictions", "names"),
    [
        ('"a.csv"', ["a.csv"]),
        ('["a.csv", "b.npz"]', ["a.csv", "b.npz"]),
        ('{ file = "a.parquet" }', ["a.parquet"]),
        (
            f'["a.csv", {{ url = "https://a.org/b.csv", sha256 = "{"0" * 64}", bytes = 1 }}]',
            ["a.csv", "https://a.org/b.csv"],
        ),
    ],
)
def test_files_are_named_in_three_ways(predictions, names):
    card, problems = parse_card(f"{RIGHT}\n[predictions]\ntoy_many = {predictions}", "my_method", [])
    assert problems == [] and card is not None
    assert [source.name for source in card.sources()] == names and set(card.predictions) == set(PREDICTIONS)
