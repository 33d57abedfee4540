"""Receipts are gathered: few of them for each camera, and every answer in one."""

import threading
import types

from agent.formats import taken
from update_server.errors import SigningFailed
from update_server.fleet.ingest import Answer
from update_server.serving.gather import GATHER_S, MAX_WAITING, Gathered, Gatherer

A, B = "a" * 26, "b" * 26
WAIT_S = 30


def answers(device, *numbers):
    return [Answer(device, taken.One(number, f"{number:064x}", "")) for number in numbers]


def test_what_comes_within_a_moment_goes_out_together():
    gathered = Gathered()
    assert (gathered.wait_s(5.0), gathered.take(5.0)) == (None, [])
    gathered.add(answers(A, 1), 10.0)
    gathered.add(answers(B, 7), 10.1)
    gathered.add(answers(A, 2, 1), 10.1)
    assert gathered.take(10.1) == []
    assert gathered.take(10.0 + GATHER_S) == answers(A, 1, 2)
    assert 0 < gathered.wait_s(10.25) < GATHER_S
    assert gathered.take(10.1 + GATHER_S) == answers(B, 7)
    assert gathered.wait_s(11.0) is None


def test_more_than_fits_goes_out_a_moment_later_and_nothing_twice():
    gathered = Gathered()
    gathered.add(answers(A, *range(taken.MAX_MESSAGES + 1)), 0.0)
    assert gathered.take(GATHER_S) == answers(A, *range(taken.MAX_MESSAGES))
    gathered.add(answers(A, 99), GATHER_S)
    assert gathered.take(1.9 * GATHER_S) == []
    assert gathered.take(2 * GATHER_S) == answers(A, taken.MAX_MESSAGES, 99)
    assert gathered.take(9.0) == []


def test_what_waits_is_bounded_and_there_is_room_again_later():
    gathered = Gathered()
    gathered.add(answers(A, *range(MAX_WAITING + 5)), 0.0)
    gathered.add(answers(B, 1), 0.0)
    found, at = [], 0.0
    while gathered.wait_s(at) is not None:
        at += GATHER_S
        found += gathered.take(at)
    assert found == answers(A, *range(MAX_WAITING))
    gathered.add(answers(B, 1), at)
    assert gathered.take(at + GATHER_S) == answers(B, 1)


def test_a_key_that_is_out_of_reach_loses_a_receipt_and_no_other(caplog):
    sent, keys = threading.Event(), types.SimpleNamespace(away=True)

    def sign(due):
        if keys.away:
            keys.away = False
            gatherer.add(answers(B, 2))
            raise SigningFailed("no answer")
        yield from ((answer.device_id, b"signed") for answer in due)

    def publish(topic, receipt):
        if (topic, receipt) == (B, b"signed"):
            sent.set()
        return True

    gatherer = Gatherer(sign, publish)
    gatherer.start()
    gatherer.add(answers(A, 1))
    assert sent.wait(WAIT_S)
    assert "no answer" in caplog.text
    assert not gatherer.died()
    gatherer.stop()
