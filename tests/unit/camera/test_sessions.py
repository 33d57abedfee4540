from itertools import count

from agent.app.grants import GRANT_LIFE_S
from firmware_sim.camera.web.sessions import LIVES_FOR_S, MAX_SESSIONS, Sessions


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def sessions_at(clock: Clock) -> Sessions:
    numbers = count()
    return Sessions(clock, lambda length: f"{next(numbers)}-{length}")


def test_a_session_ends_however_busy_it_is() -> None:
    clock = Clock()
    sessions = sessions_at(clock)
    session = sessions.open("keeper", "administrator", "g", "1")
    uses = 0

    while sessions.find(session.identifier) is not None:
        uses += 1
        clock.now_s += LIVES_FOR_S / 4

    assert uses == 4 + 1


def test_a_session_outlives_no_grant() -> None:
    assert LIVES_FOR_S <= GRANT_LIFE_S


def test_the_table_is_bounded_and_the_idlest_makes_room() -> None:
    clock = Clock()
    sessions = sessions_at(clock)
    opened = []
    for _ in range(MAX_SESSIONS):
        clock.now_s += 1
        opened.append(sessions.open("keeper", "viewer", "g", "1"))
    sessions.find(opened[0].identifier)

    newest = sessions.open("keeper", "viewer", "g", "1")

    assert sessions.find(newest.identifier) is not None
    assert sessions.find(opened[0].identifier) is not None
    assert sessions.find(opened[1].identifier) is None


def test_closing_ends_one_session_only() -> None:
    sessions = sessions_at(Clock())
    first, second = sessions.open("a", "viewer", "g", "1"), sessions.open("a", "viewer", "g", "1")

    sessions.close(first.identifier)
    sessions.close("stranger")

    assert sessions.find(first.identifier) is None
    assert sessions.find(second.identifier) == second
