"""Predictions at an address: only what the card says is accepted, and no more is read than it says."""

import hashlib
import io

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from benchmarks.submit import files
from benchmarks.submit.card import Source
from tests.benchmarks.submit.folders import rows_of, submission, write_card, write_csv

URL = "https://example.org/files/points.csv"


class Server(BaseAdapter):
    """Answers with the pages it has; ``asked`` are the addresses that it was asked for, ``read`` the bytes taken."""

    def __init__(self, pages):
        super().__init__()
        self.pages, self.asked, self.read = pages, [], 0

    def send(self, request, *_given, **_options):
        self.asked.append(request.url)
        page = self.pages.get(request.url)
        answer = requests.Response()
        answer.request, answer.url = request, request.url
        if page is None:
            answer.status_code = 404
        elif isinstance(page, str):
            answer.status_code, answer.headers["location"] = 302, page
        elif isinstance(page, Exception):
            raise page
        else:
            answer.status_code = 200
        answer.raw = HTTPResponse(_Counted(self, page if isinstance(page, bytes) else b""), preload_content=False)
        return answer

    def close(self):
        """Nothing is open."""


class _Counted(io.BytesIO):
    def __init__(self, server, content):
        super().__init__(content)
        self._server = server

    def read(self, size=-1):
        found = super().read(size)
        self._server.read += len(found)
        return found


@pytest.fixture
def serve(monkeypatch):
    def start(pages):
        server = Server(pages)
        monkeypatch.setattr(requests.Session, "get_adapter", lambda self, url: server)
        return server

    return start


@pytest.fixture
def remote(toys, tmp_path):
    """A submission whose predictions are at ``URL``, and these as bytes; the card may say something else of them."""

    def make(**changed):
        folder = submission(tmp_path, toys)
        content = (folder / "points.csv").read_bytes()
        (folder / "points.csv").unlink()
        stated = {"url": URL, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} | changed
        quoted = {name: f'"{value}"' if isinstance(value, str) else value for name, value in stated.items()}
        source = ", ".join(f"{name} = {value}" for name, value in quoted.items())
        write_card(folder, {"toy_many": f"{{ {source} }}"})
        return folder, content

    return make


def test_what_is_at_the_address_is_scored(call, remote, serve, tmp_path):
    folder, content = remote()
    server = serve({URL: "https://cdn.example.org/1?key=2", "https://cdn.example.org/1?key=2": content})
    status, out, err = call("submit", folder, "--output", "runs")
    assert (status, err) == (0, "")
    assert "My method ◊" in out and len(server.asked) == 2
    kept = (tmp_path / "runs").glob("cells/*/result.json")
    assert [URL in path.read_text() for path in kept] == [True]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sha256": "1" * 64}, "expected " + "1" * 64 + "; correct the card, or publish the file again"),
        ({"bytes": 9}, "has more than 9 bytes, expected 9 as the card says"),
        ({"bytes": 99_999_999}, "bytes, expected 99,999,999 as the card says"),
    ],
)
def test_other_bytes_than_the_card_says_are_refused(call, remote, serve, tmp_path, changed, says):
    folder, content = remote(**changed)
    serve({URL: content})
    status, _, err = call("submit", folder, "--output", "runs")
    assert status == 2
    assert f"{URL}: " in err and says in err and err.startswith("1 mistake")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({}, "404 Client Error"),
        ({URL: requests.ConnectionError("no route")}, "cannot be read (no route)"),
        ({URL: "http://example.org/points.csv"}, "is no address that starts with https://"),
        ({URL: "https://169.254.169.254/latest"}, "names a machine by its number"),
        ({URL: "file:///etc/passwd"}, "is no address that starts with https://"),
        ({URL: URL}, "is redirected more than 5 times"),
    ],
)
def test_addresses_that_lead_nowhere_or_elsewhere_are_refused(call, remote, serve, pages, says):
    folder, _ = remote()
    serve(pages)
    status, _, err = call("submit", folder)
    assert status == 2
    assert f"{URL}: cannot be read (" in err and says in err and "check the address" in err


def test_no_more_is_read_than_the_card_says(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 1000)
    server = serve({URL: bytes(10_000_000)})
    source = Source(url=URL, sha256="0" * 64, bytes=1500)
    (problem,) = files.download(source, tmp_path / "points.csv")
    assert problem.got == "has more than 1,500 bytes"
    assert server.read <= 3000


def test_the_keypoints_of_an_address_are_checked_like_those_of_a_file(call, toys, remote, serve, tmp_path):
    ids, points = rows_of(toys)
    write_csv(tmp_path / "spoilt.csv", [*ids[:-1], "nobody"], points)
    content = (tmp_path / "spoilt.csv").read_bytes()
    folder, _ = remote(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    serve({URL: content})
    status, _, err = call("submit", folder)
    assert status == 2
    assert f"{URL}: 1 ids are of no image that is scored, first 'nobody'" in err
