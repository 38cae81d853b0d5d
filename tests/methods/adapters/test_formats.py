"""What every adapter of the registry has in common."""

import pytest

from benchmarks.registry import FORMATS, output_format
from tests.methods.adapters.requests import refusal, request


@pytest.mark.parametrize("name", FORMATS.entries)
def test_every_format_says_what_it_is(name):
    card = output_format(name).card
    assert card.id == name
    assert card.files and card.summary and FORMATS.entry(name).summary


@pytest.mark.parametrize("name", FORMATS.entries)
def test_an_empty_folder_is_refused_in_a_line_that_names_it(name, tmp_path):
    assert str(tmp_path) in refusal(output_format(name), request(tmp_path))


@pytest.mark.parametrize("name", FORMATS.entries)
def test_a_file_that_is_of_no_format_is_refused_in_a_line_that_names_it(name, tmp_path):
    path = tmp_path / "notes.md"
    path.write_bytes(b"\x93nothing\x00 of the kind\n" * 20)
    assert str(tmp_path) in refusal(output_format(name), request(path))
