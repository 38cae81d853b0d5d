"""Cards of formats: under the id of the table, of systems that are known, and options that do what they say."""

from __future__ import annotations

import pytest

from benchmarks.registry import output_format
from leaderboard.literature import systems
from methods.adapters import FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_card_names_the_systems_that_write_its_format(name: str) -> None:
    card = output_format(name).card
    assert card.id == name
    assert set(card.systems) <= set(systems())


@pytest.mark.parametrize("name", FORMATS)
def test_an_option_that_a_card_mentions_is_one_of_the_format(name: str) -> None:
    adapter = output_format(name)
    text = f"{adapter.card.files} {adapter.card.range} {adapter.card.pixels}"
    mentioned = {part.split("=")[0] for part in text.split("--option ")[1:]}
    assert mentioned <= set(adapter.options)
