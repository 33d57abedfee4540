"""The numbers of docs/guessing.md, found again with the agent's own counters and a clock that the test moves."""

import re
from pathlib import Path

import pytest

from agent.app.claiming import CLAIM_ACCOUNT
from agent.core import attack, lockout
from agent.core.lockout import Lockout

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "guessing.md").read_text(encoding="utf-8")
DAY_S = 86_400
OWNER, HOME = "keiko", "192.0.2.10"


def told(row: str) -> int:
    """The number in a row of the document's tables."""
    found = re.search(rf"^\| {re.escape(row)} \| ([\d,]+)", DOCUMENT, re.MULTILINE)
    assert found, f"no row {row!r}"
    return int(found[1].replace(",", ""))


def day(state: Lockout, sources: list[str], users: list[str], succeed: str = "") -> int:
    """Wrong tries in a day by who tries whatever may be tried, as soon as it may; with `succeed` logs in in between."""
    now, tries = 0, 0
    while now < DAY_S:
        waits = []
        for user in users:
            for source in sources:
                if not state.check(source, user, now):
                    state.failed(source, user, now)
                    tries += 1
                    if succeed and not state.check(source, succeed, now):
                        state.failed(source, succeed, now)
                        state.succeeded(source, succeed, now)
                waits.append(state.check(source, user, now))
        now += max(1, min(waits))
    return tries


def many(count: int) -> list[str]:
    return [f"10.0.{number >> 8}.{number & 255}" for number in range(count)]


def fresh_sources(users: list[str], state: Lockout | None = None, end: int = DAY_S) -> int:
    """A day, or less, of an attacker who never uses a source twice."""
    state, tries, now = state or Lockout(), 0, 0
    while now < end:
        waits = []
        for user in users:
            source = f"2001:db8:{tries >> 16:x}:{tries & 65535:x}::1"
            while not (wait := state.check(source, user, now)):
                state.failed(source, user, now)
                tries += 1
                source = f"2001:db8:{tries >> 16:x}:{tries & 65535:x}::1"
            waits.append(wait)
        now += min(waits)
    return tries


class Hurried(Lockout):
    """A control: its waits pass ten times as fast."""

    def check(self, source: str, user: str, now: int) -> int:
        """As that of a real one, later."""
        return -(-super().check(source, user, 10 * now) // 10)

    def failed(self, source: str, user: str, now: int) -> None:
        """As that of a real one, later."""
        super().failed(source, user, 10 * now)


def test_one_source() -> None:
    assert day(Lockout(), many(1), [OWNER]) == told("one source, one account")
    assert day(Lockout(), many(1), [f"u{n}" for n in range(40)]) == told("one source, as many accounts as it likes")


def test_several_sources_at_one_account() -> None:
    assert day(Lockout(), many(10), [OWNER]) == told("10 sources, one account")
    assert day(Lockout(), many(30), [OWNER]) == told("30 sources, one account")


def test_ever_new_sources_at_one_account_and_at_the_labels_code() -> None:
    most = told("any number of sources, one account")
    assert fresh_sources([OWNER]) == most
    assert fresh_sources([CLAIM_ACCOUNT]) == told("any number of sources, the label's code") == most


def test_ever_new_sources_at_every_account_of_a_full_camera() -> None:
    """Accounts hide nothing of each other: an hour of all is as an hour of one, as often as there are accounts."""
    users, hour_s = [f"user{n}" for n in range(32)], 3600
    assert fresh_sources(users, end=hour_s) == 32 * fresh_sources([OWNER], end=hour_s)
    assert told("any number of sources, all of 32 accounts") == 32 * told("any number of sources, one account")


def test_who_has_a_login_of_their_own_at_the_owners_place() -> None:
    state = Lockout()
    for user in (OWNER, "viewer"):
        state.succeeded(HOME, user, 0)
    assert day(state, [HOME], [OWNER], "viewer") == told(
        "a viewer where the owner has logged in before, the owner's account"
    )


def attacked(sources: int = 500) -> tuple[Lockout, int]:
    state, now = Lockout(), 0
    state.succeeded(HOME, OWNER, 0)
    for number in range(sources):
        source = f"10.1.{number >> 8}.{number & 255}"
        now += state.check(source, OWNER, now)
        state.failed(source, OWNER, now)
    return state, now


def test_the_owners_wait() -> None:
    state, now = attacked()
    assert state.check(HOME, OWNER, now) == told("at a place where they have logged in before") == 0
    alone = state.check("192.0.2.99", OWNER, now)
    assert alone == told("at a new place, attackers cut off (direct cable)") == lockout.MAX_ACCOUNT_WAIT_S
    assert state.check("192.0.2.99", OWNER, now + alone) == 0
    for _ in range(40):
        now += state.check(HOME, OWNER, now)
        state.failed(HOME, OWNER, now)
    assert (
        state.check(HOME, OWNER, now)
        == told("after many wrong tries from their own place")
        == lockout.MAX_SOURCE_WAIT_S
    )


def test_the_owner_at_a_known_place_gets_in_at_every_moment_of_an_attack_of_a_year() -> None:
    state, _ = attacked()
    for now in range(0, 365 * DAY_S, 6 * 3600):
        for number in range(6):
            state.failed(f"2001:db8:{now >> 16:x}:{number:x}::1", OWNER, now)
        assert state.check(HOME, OWNER, now) == 0


def test_the_document_names_the_alarms_thresholds_as_they_are() -> None:
    for number, what in (
        (attack.START_TRIES, "wrong tries beyond the free ones"), (attack.MANY_SOURCES, "sources: it is distributed"),
        (attack.LOGIN_AFTER, "wrong tries in a row before a login"),
        (attack.MAX_ALARMS_PER_DAY, "alarms a day at most"),
    ):  # fmt: skip
        assert f"{number} {what}" in DOCUMENT


@pytest.mark.parametrize("row", ["one source, one account", "any number of sources, one account"])
def test_control_with_shorter_waits_the_numbers_are_others(row: str) -> None:
    if row.startswith("any"):
        found = 10 * fresh_sources([OWNER], Hurried(), DAY_S // 10)
    else:
        found = day(Hurried(), many(1), [OWNER])
    assert found > 2 * told(row)
