"""The cards of the literature: complete, and one for every published row."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from benchmarks.registry import FORMATS, METHODS
from leaderboard.errors import LeaderboardError
from leaderboard.literature import UNKNOWN, SystemCard, systems
from leaderboard.published import published_facts, reported_rows

CARDS = systems()


def test_every_published_row_belongs_to_a_card_and_a_card_without_rows_says_why():
    counts = Counter(fact["system"] for fact in published_facts())
    assert counts.keys() <= CARDS.keys()
    without = {name for name in CARDS if not counts[name]}
    assert without == {"xia2024", "anand2024", "sun2023", "yang2024", "keydiff3d"}
    assert all(str(CARDS[name].remark).startswith("no row: ") for name in without)
    assert counts.total() == 243
    counts = Counter(fact["system"] for fact in published_facts() if fact["table"] in ("1", "2", "3"))
    # Counted by hand in the paper's tables.
    assert (counts["lorenz2019"], counts["thewlis2017"], counts["he2021"]) == (6, 3, 14)
    assert (counts["hung2019"], counts["newell2016"], counts["sun2022"], counts["uld"]) == (9, 1, 1, 3)


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.id)
def test_a_card_says_who_when_where_and_under_which_licence(card: SystemCard):
    for field in ("name", "title", "authors", "venue", "paper", "supervision", "code", "code_licence"):
        text = getattr(card, field)
        assert text, field
        assert text == text.strip(), field
    for link in (card.paper, card.code):
        assert link == UNKNOWN or link.startswith("https://")
    assert (card.code == UNKNOWN) == (card.code_licence == UNKNOWN)
    years = re.findall(r"\d{4}", card.id)
    assert not years or years == [str(card.year)]
    assert card.summary


def test_authors_years_and_licences_that_the_sources_state():
    assert (CARDS["lorenz2019"].year, CARDS["lorenz2019"].venue) == (2019, "CVPR")
    assert CARDS["hung2019"].code_licence == "CC BY-NC-SA 4.0"
    assert CARDS["siarohin2020"].code_licence == "CC BY-NC 4.0"
    assert CARDS["he2022autolink"].code_licence == "MIT"
    assert CARDS["zhang_videos"].summary == "Zhang et al."
    assert CARDS["uld"].summary.startswith("unsupervised landmark discovery")
    assert CARDS["lorenz2019"].summary.startswith("Lorenz, Bereska, Milbich and Ommer, 2019 CVPR: Unsupervised Part")


def test_methods_trained_here_and_systems_that_formats_name_exist():
    trained = {card.trained_here for card in CARDS.values() if card.trained_here}
    assert trained <= METHODS.entries.keys()
    for name in FORMATS.entries:
        assert set(FORMATS.load(name).card.systems) <= CARDS.keys(), name


def test_a_reported_row_carries_the_id_of_its_system():
    found = {(row.label, row.method) for row in reported_rows(["human36m", "celeba_wild_k8_fit100"])}
    assert ("Lorenz (2019)", "lorenz2019") in found
    assert ("Stable Keypoints", "hedlin2024") in found
    assert ("AutoLink, thickness tuned (2022)", "he2022autolink") in found


def test_one_system_saw_landmarks_and_its_published_row_says_so():
    assert [card.id for card in CARDS.values() if card.saw_landmarks] == ["newell2016"]
    assert {row.method for row in reported_rows(["human36m"]) if row.supervised} == {"newell2016"}


GOOD = """
[{id}]
name = "A"
title = "T"
authors = "B"
year = 2020
venue = "V"
paper = "unknown"
supervision = "unsupervised"
code = "unknown"
code_licence = "unknown"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.format(id="one") + "saw_landmarks = 'maybe'\n", "card one: saw_landmarks"),
        (GOOD.format(id="one").replace("year = 2020", "year = 'soon'"), "card one: year"),
        (GOOD.format(id="one") + 'colour = "blue"\n', "card one: colour"),
        (GOOD.format(id="one").replace('name = "A"\n', ""), "card one: name"),
        ("[one", "is not a list of cards"),
        ("one = 3\n", "is not a list of cards"),
    ],
)
def test_a_broken_list_of_cards_is_one_line_that_says_where(tmp_path, text, message):
    path = tmp_path / "cards.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LeaderboardError, match=message) as caught:
        systems(path)
    assert "\n" not in str(caught.value)
