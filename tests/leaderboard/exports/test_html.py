"""Tables as HTML, read back by Python's parser."""

from html.parser import HTMLParser

from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record


class Reader(HTMLParser):
    """The cells of every line, and those that are bold; AssertionError for tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.lines: list[list[str]] = []
        self.bold: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in {"table", "caption", "thead", "tbody", "tr", "th", "td", "strong", "ul", "li", "p"}
        self.open.append(tag)
        if tag == "tr":
            self.lines.append([])
        elif tag in ("th", "td"):
            self.lines[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "th" in self.open or "td" in self.open:
            self.lines[-1][-1] += data
        if "strong" in self.open:
            self.bold.append(data)


def test_the_cells_are_those_of_the_table():
    records = [record("alpha", "cub_001", 4.0), record("beta", "cub_001", 5.0), record("grid", "cub_001", 9.0)]
    found = Reader(render(rows(records, ["cub_001"], "mini"), "html", "wild"))
    assert found.lines[0][:2] == ["method", "cub_001 (% side) ↓"]
    assert [line[:2] for line in found.lines[1:]] == [
        ["Alpha", "4.00 ±0.50"],
        ["Beta", "5.00 ±0.50"],
        ["floors"],
        ["Grid", "9.00 ±0.50"],
    ]
    assert found.bold == ["4.00"]


def test_names_are_escaped():
    label = """<script>alert("1")</script> & <b onclick='x'>"""
    text = render(rows([record("alpha", "cub_001", 4.0, method_label=label)], ["cub_001"], "mini"), "html", "<i>")
    assert "<script" not in text and "<b" not in text.replace("<body", "") and "<i>" not in text
    assert Reader(text).lines[1][0] == label


def test_published_rows_have_a_table_of_their_own():
    text = render(rows([], ["cub_001"], "paper"), "html", "wild")
    assert text.count("<table>") == 1 and "nothing measured yet" in text
    assert any("Stable Keypoints" in line[0] for line in Reader(text).lines)
