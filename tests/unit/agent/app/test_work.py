"""Long work, step by step."""

import gc
import weakref

from agent.app.work import Ticket, Work


class Body:
    """What a call brings; unlike `bytes` it can be watched."""


class OneDesk:
    """As much of a desk as one `Work` needs: its timer, and the call under way."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due = None
        self.then = None

    def cancel(self, _name):
        self.due = None

    def at(self, _name, _when, due):
        self.due = due

    def soon(self, name, due):
        self.at(name, self.now, due)

    def call(self, _port, _method, _arguments, then, _after=None):
        self.then = then

    def step(self):
        due, self.due = self.due, None
        due()


def test_what_has_arrived_and_been_used_is_gone_without_a_collection():
    desk, ended = OneDesk(), []
    work = Work(desk, "work")

    def steps():
        for _ in range(2):
            yield work.ask("downloader", "read", ())

    work.start(steps(), ended.append)
    desk.step()
    was_on = gc.isenabled()
    gc.disable()
    try:
        bodies = []
        for _ in range(2):
            body = Body()
            bodies.append(weakref.ref(body))
            then, desk.then = desk.then, None
            then(body, None)
            del body, then
        assert ended == [None]
        assert [one() for one in bodies] == [None, None]
    finally:
        if was_on:
            gc.enable()


def test_whoever_waits_is_woken_once():
    ticket, woken = Ticket(), []
    ticket.wait(lambda: woken.append(ticket.value))
    ticket.settle(1, None)
    assert woken == [1]
