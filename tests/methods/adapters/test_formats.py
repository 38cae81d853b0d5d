"""Properties of every adapter in the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.registry import FORMATS, output_format
from leaderboard.literature import systems
from tests.methods.adapters.requests import refusal, request


@pytest.mark.parametrize("name", FORMATS.entries)
def test_a_card_has_the_id_of_the_format_and_known_systems(name: str) -> None:
    card = output_format(name).card
    assert card.id == name
    assert set(card.systems) <= set(systems())


@pytest.mark.parametrize("name", FORMATS.entries)
def test_an_option_that_a_card_mentions_is_one_of_the_format(name: str) -> None:
    adapter = output_format(name)
    text = f"{adapter.card.files} {adapter.card.range} {adapter.card.pixels}"
    mentioned = {part.split("=")[0] for part in text.split("--option ")[1:]}
    assert mentioned <= set(adapter.options)


@pytest.mark.parametrize("name", FORMATS.entries)
def test_an_empty_folder_is_refused_in_a_line_that_names_it(name: str, tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(output_format(name), request(tmp_path))


@pytest.mark.parametrize("name", FORMATS.entries)
def test_a_file_that_is_of_no_format_is_refused_in_a_line_that_names_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_bytes(b"\x93nothing\x00 of the kind\n" * 20)
    assert str(tmp_path) in refusal(output_format(name), request(path))
