"""The feed of changed numbers, read as Atom (RFC 4287)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from benchmarks.publish.feed import FEED, MOST, NUMBERS, write_feed
from benchmarks.publish.results import Results
from benchmarks.publish.site import Site
from tests.leaderboard.synthetic import record

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def publish(tmp_path):
    """Write the feed of records into a new folder beside the one before; gives its entries."""
    folders = [tmp_path / "none"]

    def call(day, *records):
        folder = tmp_path / f"site{len(folders)}"
        folder.mkdir()
        now = datetime(2026, 1, day, tzinfo=UTC)
        write_feed(Site(folder, (), ""), Results(records, None, ()), folders[-1], now)
        folders.append(folder)
        return entries(folder / FEED)

    return call


def entries(path):
    """Titles and lines of the entries; AssertionError for a feed that is not valid."""
    feed = ElementTree.fromstring(path.read_text(encoding="utf-8"))

    def text(element, name):
        found = element.findtext(f"{ATOM}{name}")
        assert found
        return found

    assert feed.tag == f"{ATOM}feed"
    found = feed.findall(f"{ATOM}entry")
    for each in (feed, *found):
        assert all(len(each.findall(f"{ATOM}{name}")) == 1 for name in ("id", "title", "updated"))
        assert text(each, "title")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text(each, "updated"))
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", text(each, "id"))
    assert text(feed, f"author/{ATOM}name")
    assert {each.get("href") for each in feed.iter(f"{ATOM}link")} == {"feed.xml", "index.html"}
    ids = [text(each, "id") for each in found]
    assert len(set(ids)) == len(ids)
    assert text(feed, "updated") == max(text(each, "updated") for each in found)
    return [(text(each, "title"), text(each, "content").split("\n")) for each in found]


def test_changed_new_and_lost_numbers_are_told(publish):
    one, two = record("alpha", "cub_001", 4.0), record("beta", "cub_001", 5.0)
    first = publish(1, one, two)
    assert first == [("2 numbers", ["2 numbers"])]
    assert publish(2, one, two) == first
    changed = publish(3, record("alpha", "cub_001", 3.5), record("gamma", "cub_002", 7.0))
    assert changed[1:] == first
    assert changed[0][0] == "Numbers: 1 changed, 1 new, 1 gone"
    assert changed[0][1] == [
        "Alpha, cub_001, mini profile, sk/side: 3.50 % side, before 4.00 % side",
        "Gamma, cub_002, mini profile, sk/side: 7.00 % side, new",
        "Beta, cub_001, mini profile, sk/side: 5.00 % side, gone",
    ]


def test_a_change_beyond_the_printed_digits_is_none(publish):
    first = publish(1, record("alpha", "cub_001", 4.0))
    assert publish(2, record("alpha", "cub_001", 4.001)) == first


def test_names_are_text_and_old_changes_go(publish):
    for day in range(28):
        publish(day % 28 + 1, record("alpha", "cub_001", float(day)))
    for day in range(10):
        found = publish(28, record("alpha", "cub_001", 100.0 + day, method_label="<b>&amp;</b>"))
    assert len(found) == MOST
    assert found[0][1] == ["<b>&amp;</b>, cub_001, mini profile, sk/side: 109.00 % side, before 108.00 % side"]


@pytest.mark.parametrize("content", ["", "[]", '{"numbers": 1, "changes": []}', '{"numbers": {}}', "[" * 100_000])
def test_a_broken_file_of_numbers_begins_anew(tmp_path, content):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    (old / NUMBERS).write_text(content)
    write_feed(Site(new, (), ""), Results([record("alpha", "cub_001", 4.0)], None, ()), old)
    assert [title for title, _ in entries(new / FEED)] == ["1 numbers"]
    assert json.loads((new / NUMBERS).read_text())["numbers"] == {
        "Alpha, cub_001, mini profile, sk/side": "4.00 % side"
    }
