from itertools import count

from agent.app.grants import GRANT_LIFE_S
from firmware_sim.camera.revocations import Revocations
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
    session = sessions.open("keeper", "administrator", "g", 0)
    uses = 0

    while sessions.find(session.identifier) is not None:
        uses += 1
        clock.now_s += LIVES_FOR_S / 4

    assert uses == 4 + 1


def test_a_session_outlives_no_grant() -> None:
    """The picture is shown to a session without asking the agent, who may have removed that user."""
    assert LIVES_FOR_S <= GRANT_LIFE_S


def test_the_table_is_bounded_and_the_idlest_makes_room() -> None:
    clock = Clock()
    sessions = sessions_at(clock)
    opened = []
    for _ in range(MAX_SESSIONS):
        clock.now_s += 1
        opened.append(sessions.open("keeper", "viewer", "g", 0))
    sessions.find(opened[0].identifier)

    newest = sessions.open("keeper", "viewer", "g", 0)

    assert sessions.find(newest.identifier) is not None
    assert sessions.find(opened[0].identifier) is not None
    assert sessions.find(opened[1].identifier) is None


def test_closing_ends_one_session_only() -> None:
    sessions = sessions_at(Clock())
    first, second = sessions.open("a", "viewer", "g", 0), sessions.open("a", "viewer", "g", 0)

    sessions.close(first.identifier)
    sessions.close("stranger")

    assert sessions.find(first.identifier) is None
    assert sessions.find(second.identifier) == second


def test_a_password_change_is_seen_by_that_user_alone() -> None:
    revocations = Revocations()
    before = revocations.mark("keeper"), revocations.mark("other")

    revocations.revoke("keeper")

    assert revocations.mark("keeper") != before[0]
    assert revocations.mark("other") == before[1]


def test_a_new_order_ends_every_login_once_and_its_end_ends_none() -> None:
    revocations = Revocations()
    marks = []
    for number in (0, 0, 7, 7, 8, 0, 8):
        revocations.turned_out(number)
        marks.append(revocations.mark("keeper"))

    assert marks == [0, 0, 1, 1, 2, 2, 3]
    revocations.revoke("keeper")
    assert (revocations.mark("keeper"), revocations.mark("other")) == (4, 3)
