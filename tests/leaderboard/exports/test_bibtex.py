"""BibTeX that a small parser of its own reads back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.exports.bibtex import Entry, of_citation, of_system, to_bibtex
from leaderboard.literature import systems


def parsed(text: str) -> dict[str, dict[str, str]]:
    """The entries by key, each with its type and fields; AssertionError if BibTeX could not read the text."""
    found, place = {}, 0
    while (place := text.find("@", place)) >= 0:
        head = re.compile(r"@(\w+)\{([^\s,{}%#\"'=()\\~@]+)").match(text, place)
        assert head, text[place : place + 80]
        assert head[2] not in found
        fields, place = {"": head[1]}, head.end()
        while field := re.compile(r"\s*,\s*(\w+)\s*=\s*\{").match(text, place):
            start = place = field.end()
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(text[place], 0)
                place += 1
            assert field[1] not in fields
            fields[field[1]] = text[start : place - 1]
        end = re.compile(r"\s*\}").match(text, place)
        assert end, text[place : place + 80]
        place = end.end()
        found[head[2]] = fields
    return found


def test_every_system_is_an_entry_with_what_is_known():
    found = parsed(to_bibtex(of_system(card) for card in systems().values()))
    assert list(found) == list(systems())
    for key, card in systems().items():
        fields = found[key]
        assert "unknown" not in " ".join(fields.values())
        assert fields.get("year") == (None if card.year == "unknown" else str(card.year))
        assert fields["title"].strip("{}").replace("\\", "") in (card.title, card.name)
    assert found["hedlin2024"] == {
        "": "inproceedings",
        "title": "{Unsupervised Keypoints from Pretrained Diffusion Models}",
        "author": "Hedlin and others",
        "year": "2024",
        "booktitle": "CVPR",
        "url": "https://arxiv.org/abs/2312.00065",
    }
    assert found["zhang2018"]["author"] == "Zhang and Guo and Jin and Luo and He and Lee"
    assert found["he2021"][""] == "misc" and "booktitle" not in found["he2021"]
    assert found["uld"].keys() <= {"", "title", "url"}


@pytest.mark.parametrize(
    ("citation", "fields"),
    [
        (
            "Liu, Luo: Faces. ICCV 2015. MAFL: Zhang: Landmarks. ECCV 2014",
            {
                "": "inproceedings",
                "title": "{Faces}",
                "author": "Liu and Luo",
                "year": "2015",
                "booktitle": "ICCV",
                "note": "A data set; MAFL: Zhang: Landmarks. ECCV 2014",
            },
        ),
        ("drawn by 100 % of us", {"": "misc", "title": "{A data set}", "note": r"drawn by 100 \% of us"}),
    ],
)
def test_citations_of_datasets(citation, fields):
    assert parsed(to_bibtex([of_citation("faces", "A data set", citation)])) == {"faces": fields}


def test_each_key_once_and_remarks_are_no_entries():
    twice = [Entry("misc", "a b", {"title": "one"}), Entry("misc", "a b", {"title": "two"})]
    assert parsed(to_bibtex(twice, ["no citation: x@misc{y}"])) == {"a-b": {"": "misc", "title": "{one}"}}


@given(st.text(min_size=1), st.text(), st.text())
def test_any_text_gives_one_entry(key, title, note):
    (fields,) = parsed(to_bibtex([Entry("misc", key, {"title": title, "note": note})])).values()
    assert fields.keys() <= {"", "title", "note"}
    assert "\n" not in "".join(fields.values())
