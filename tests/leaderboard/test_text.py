"""Text from outside: names, tables, terminals and addresses."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from leaderboard.markdown import grid
from leaderboard.tables import render, rows
from leaderboard.text import LONGEST, fault, markdown, printable, without_passwords
from tests.leaderboard.synthetic import record

PIECES = [*"ab|`<>[]()!*_~\\&;:/.# -=w\n\r\t\x1b\u202e\u2028", "://", "www.", "&lt;", "<!--", "](x)"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def cells(table: str) -> list[list[str]]:
    """The HTML of each cell, by another reader of markdown than the one that wrote the table."""
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(table)
    lines = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line, re.DOTALL) for line in lines]


@given(TEXTS)
def test_a_text_in_a_table_is_shown_as_it_is(text):
    label = f"x{text}x"
    (heading, number), (shown, one) = cells(grid(["method", label], [[markdown(label), "1"]]))
    assert (heading, one) == ("method", "1")
    expected = " ".join(printable(" ".join(label.splitlines())).split())
    for found in (shown, number):
        assert " ".join(html.unescape(found).split()) == expected


@given(st.text(alphabet=st.characters(codec=None)))
def test_what_is_printed_has_no_control_characters_and_stays_json(text):
    shown = printable(text)
    assert all(each.isprintable() or each in "\n\t" for each in shown)
    assert printable(shown) == shown
    for escaped in (True, False):
        dumped = json.dumps([text], ensure_ascii=escaped)
        assert json.loads(printable(dumped)) == json.loads(dumped)


@pytest.mark.parametrize("name", ["Alpha", "DIFT + k-means", "a|b", "點", "é" * LONGEST, "<b>"])
def test_one_printable_line_is_a_name(name):
    assert fault(name) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a" * (LONGEST + 1), f"has {LONGEST + 1} characters, expected at most {LONGEST}"),
        ("a\nb", r"U\+000A"),
        ("\x1b]0;x\x07", r"U\+001B"),
        ("a\0", r"U\+0000"),
        ("a\x9b", r"U\+009B"),
        ("a\u202eb", r"U\+202E"),
        ("a\u2066b", r"U\+2066"),
        ("a\u2028b", r"U\+2028"),
        ("a\udcedb", r"U\+DCED"),
    ],
)
def test_other_texts_are_no_names(name, reason):
    assert re.search(reason, fault(name))


def test_a_label_cannot_end_the_block_of_a_page_or_add_a_column():
    label = "<!-- /leaderboard --> | ![x](http://a.org/b) <script>"
    table = render(rows([record("alpha", "cub_001", 7.0, method_label=label)], ["cub_001"], "mini"))
    assert "<" not in table.split("\n\n")[0] and "](" not in table and "http://" not in table
    assert {len(line) for line in cells(table)} == {4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at http://bob:URLSECRET@127.0.0.1:5000/#/x failed", "at http://***@127.0.0.1:5000/#/x failed"),
        ("postgresql://u:p@ss/w@db/x", "postgresql://***@db/x"),
        ("https://TOKEN@host", "https://***@host"),
        ("http://h/x?token=abc&y=1", "http://h/x?token=***&y=1"),
        ("http://a:b@c and http://d:e@f", "http://***@c and http://***@f"),
        ("https://host:5000/path and me@host.org", "https://host:5000/path and me@host.org"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ],
)
def test_addresses_are_shown_without_passwords(text, expected):
    assert without_passwords(text) == expected
