"""A server that keeps a call waiting: by silence, or by sending a little now and then."""

import signal
import socket
import threading
import time

import pytest

from benchmarks.records import patience
from benchmarks.records.patience import NoAnswerError, patient


class Slow:
    """A client whose call reads from a peer until it hangs up."""

    def __init__(self, connection):
        self.connection = connection

    def read(self):
        while self.connection.recv(1):
            pass
        return "whole"

    def echo(self, text, *, more):
        return text + more


@pytest.fixture
def peer(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(patience, "PATIENCE", 0.05)
    monkeypatch.setattr(patience, "LIMIT", 0.2)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield patient(Slow(ours)), theirs


def test_a_call_that_gets_a_byte_now_and_then_ends_too(peer, capsys):
    client, theirs = peer
    ended = threading.Event()

    def trickle():
        while not ended.wait(0.01):
            theirs.send(b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    for _ in range(2):
        with pytest.raises(NoAnswerError, match="no answer within"):
            client.read()
    ended.set()
    thread.join()
    assert capsys.readouterr().err == "waiting for MLflow's answer; MLFLOW_TRACKING_URI names its server\n"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_call_that_is_answered_is_as_without_a_limit(peer, capsys):
    client, theirs = peer
    before = signal.getsignal(signal.SIGALRM)
    assert client.echo("a", more="b") == "ab"
    theirs.shutdown(socket.SHUT_WR)
    assert client.read() == "whole"
    time.sleep(0.3)  # no alarm rings later
    assert signal.getsignal(signal.SIGALRM) == before
    assert capsys.readouterr().err == ""


def test_without_a_server_and_outside_the_main_thread_nothing_is_limited(peer, monkeypatch):
    client, theirs = peer
    found = []
    thread = threading.Thread(target=lambda: found.append(client.read()))
    thread.start()
    theirs.shutdown(socket.SHUT_WR)
    thread.join()
    assert found == ["whole"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    slow = Slow(theirs)
    assert patient(slow) is slow
