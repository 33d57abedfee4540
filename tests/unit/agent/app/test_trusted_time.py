"""How often a camera asks what time it is, and who hears the answer."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.app.trusted_time import MOST_AWAY_S, RECEIPTS, TrustedTime
from agent.core.clock import RECEIPT_EVERY_S, RECEIPTS_AT_ONCE, ClockDoubt
from agent.formats.errors import Busy, CamwardError, Unavailable
from firmware_sim.world.repository import new_operator
from tests.scenario.makers import RealSigner, verify_signature
from tests.scenario.stage import NOW

BEGUN_S = 5000.0


class OneDesk:
    """Its calls are answered when the test says so."""

    def __init__(self) -> None:
        self.now = BEGUN_S
        self.device_id = "a" * 26
        self.asked: list[tuple[str, Any]] = []
        self.said: list[str] = []
        self.due: dict[str, Any] = {}
        self.operator = new_operator(RealSigner, NOW)
        self.operator.device_id = self.device_id
        self.config = SimpleNamespace(build_time=NOW - 1, ws_token=False)
        self.wall_at = NOW
        self.drawn = 0.0
        self.ports = SimpleNamespace(
            store=SimpleNamespace(read=lambda _name: None, write=lambda _name, _body: None),
            clock=SimpleNamespace(wall_s=lambda: self.wall_at, set_floor_s=int, set_wall_s=self.set_wall_s),
            entropy=SimpleNamespace(bytes=bytes),
            verify_signature=verify_signature,
        )

    def set_wall_s(self, at: int) -> None:
        self.wall_at = at

    def say(self, text: str) -> None:
        self.said.append(text)

    def random(self) -> float:
        return self.drawn

    def soon(self, name: str, due: Any) -> None:
        self.due[name] = due

    def call(self, _port: str, _method: str, arguments: tuple[str, int], then: Any) -> None:
        self.asked.append((arguments[0].removeprefix(RECEIPTS), then))

    def answer(self, error: CamwardError | None = None) -> None:
        nonce, then = self.asked[-1]
        then(None if error is not None else self.operator.receipt(nonce, NOW + 100), error)
        self.run_due()

    def run_due(self) -> None:
        due, self.due = self.due, {}
        for one in due.values():
            one()


class Asked:
    """Of one TrustedTime; `heard` are the answers, each with who asked."""

    def __init__(self) -> None:
        self.desk: Any = OneDesk()
        self.time = TrustedTime(self.desk)
        self.heard: list[tuple[str, bool, CamwardError | None]] = []

    def ask(self, who: str = "") -> bool:
        """Whether a request went out."""
        before = len(self.desk.asked)
        root = self.desk.operator.director.files["1.root.json"]
        self.time.put_right(root, lambda corrected, error: self.heard.append((who, corrected, error)))
        return len(self.desk.asked) > before


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_who_asks_while_a_receipt_is_on_its_way_hears_of_that_one(asked: Asked):
    assert asked.ask("look")
    assert not asked.ask("command")
    assert asked.heard == []
    asked.desk.answer()
    assert asked.heard == [("look", True, None), ("command", True, None)]
    assert asked.time.certain()
    assert asked.desk.wall_at == NOW + 100
    assert asked.ask("later"), "and then it may be asked again"


def test_all_hear_of_a_receipt_that_does_not_come_and_the_next_is_asked_for(asked: Asked):
    asked.ask("look")
    asked.ask("command")
    error = Unavailable("the connection was lost")
    asked.desk.answer(error)
    assert asked.heard == [("look", False, error), ("command", False, error)]
    assert not asked.time.certain()
    assert asked.ask("again")
    asked.desk.answer()
    assert asked.time.certain()


def test_who_asks_again_because_of_the_answer_has_a_request_of_its_own(asked: Asked):
    root = asked.desk.operator.director.files["1.root.json"]
    asked.time.put_right(root, lambda _corrected, _error: asked.ask("again") and None)
    asked.desk.answer(Unavailable("the connection was lost"))
    assert len(asked.desk.asked) == 2
    asked.desk.answer()
    assert asked.heard == [("again", True, None)]


def test_no_more_are_asked_for_than_is_bearable(asked: Asked):
    sent = 0
    for _second in range(7200):
        asked.desk.now += 1.0
        if asked.ask():
            sent += 1
            asked.desk.answer()
    assert sent == RECEIPTS_AT_ONCE + 7200 // RECEIPT_EVERY_S - 1
    assert {type(error) for _, _, error in asked.heard} == {type(None), ClockDoubt}, "too early is told at once"


def test_those_who_wait_are_bounded(asked: Asked):
    for _ in range(1000):
        asked.ask("many")
    told_at_once = len(asked.heard)
    assert told_at_once > 900
    asked.desk.answer()
    assert len(asked.heard) == 1000


def test_an_erase_that_a_receipt_permits_is_the_end_of_who_waited_beside_it(asked: Asked):
    root = asked.desk.operator.director.files["1.root.json"]
    asked.time.put_right(root, lambda _corrected, _error: asked.desk.due.clear())  # as Desk.drop
    asked.ask("look")
    asked.desk.answer()
    assert asked.heard == []


def test_a_receipt_that_was_asked_for_before_the_keys_were_taken_back_counts_no_more(asked: Asked):
    asked.ask()
    asked.time.reset(NOW)
    asked.desk.answer()
    ((_, corrected, error),) = asked.heard
    assert (corrected, type(error)) == (False, Unavailable)
    assert not asked.time.certain()
    assert asked.time.known().floor() == NOW
    assert asked.ask()
    asked.desk.answer()
    assert asked.time.certain()


def test_no_server_puts_us_off_for_longer_than_an_hour_and_a_half(asked: Asked):
    asked.desk.drawn = 0.999
    asked.ask()
    asked.desk.answer(Busy("come back tomorrow", 86400.0))
    asked.desk.now += 1.5 * MOST_AWAY_S
    assert asked.ask()


@pytest.mark.parametrize(("drawn", "waits_s"), [(0.0, 300.0), (0.5, 375.0)])
def test_a_server_that_is_busy_is_left_alone_as_long_as_it_said_and_a_share_on_top(
    asked: Asked, drawn: float, waits_s: float
):
    asked.desk.drawn = drawn
    asked.ask()
    asked.desk.answer(Busy("not now", 300.0))
    asked.desk.now += waits_s - 1.0
    assert not asked.ask()
    asked.desk.now += 1.0
    assert asked.ask()
