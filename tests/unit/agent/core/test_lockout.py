"""Brute force: how long attackers wait, and that owners do not."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import lockout
from agent.core.lockout import Lockout
from agent.formats.errors import FormatError


def fail(state: Lockout, count: int, source: str = "192.0.2.1", user: str = "owner", now: int = 0) -> int:
    """Fail as fast as the waits allow; returns the time at the end."""
    for _ in range(count):
        now += state.check(source, user, now)
        state.failed(source, user, now)
    return now


def test_the_first_tries_are_free_and_then_the_wait_doubles() -> None:
    state = Lockout()
    waits = []
    now = 0
    for _ in range(16):
        wait = state.check("192.0.2.1", f"user{now}", now)
        waits.append(wait)
        now += wait
        state.failed("192.0.2.1", f"user{now}", now)
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]


def test_one_source_gets_few_tries_per_day() -> None:
    state, now, tries = Lockout(), 0, 0
    while now < 86400:
        now += state.check("192.0.2.1", "owner", now)
        state.failed("192.0.2.1", "owner", now)
        tries += 1
    assert tries < 115


def test_many_sources_on_one_account_get_few_tries_per_day() -> None:
    """A botnet with a fresh address for every try waits for the account instead."""
    state, now, tries = Lockout(), 0, 0
    while now < 86400:
        source = f"10.{tries >> 16 & 255}.{tries >> 8 & 255}.{tries & 255}"
        now += state.check(source, "owner", now)
        state.failed(source, "owner", now)
        tries += 1
    assert tries < 86400 / lockout.MAX_ACCOUNT_WAIT_S + 20


def test_owner_at_a_known_address_is_not_held_up_by_strangers_however_long_ago() -> None:
    state = Lockout()
    state.succeeded("192.0.2.9", "owner", 0)
    for begin in (0, 400 * 86400):
        now = fail(state, 20, now=begin)
        assert state.check("192.0.2.9", "owner", now) == 0
        assert state.check("192.0.2.8", "owner", now) > 0


def test_success_forgets_own_failures_only() -> None:
    state = Lockout()
    now = fail(state, 8)
    fail(state, 8, "192.0.2.2", "other", now)
    state.succeeded("192.0.2.1", "owner", now)
    assert state.check("192.0.2.1", "owner", now) == 0
    assert state.check("192.0.2.2", "other", now) > 0


def test_a_recorder_that_logs_in_every_minute_gives_strangers_no_tries() -> None:
    """Its success says nothing about the many others who try the same account meanwhile."""
    state, tries = Lockout(), 0
    state.succeeded("192.0.2.9", "owner", 0)
    for now in range(0, 86400, 5):
        if now % 60 == 0:
            assert state.check("192.0.2.9", "owner", now) == 0
            state.failed("192.0.2.9", "owner", now)
            state.succeeded("192.0.2.9", "owner", now)
        source = f"10.0.{now >> 8 & 255}.{now & 255}"
        if state.check(source, "owner", now) == 0:
            state.failed(source, "owner", now)
            tries += 1
    assert tries < 86400 / lockout.MAX_ACCOUNT_WAIT_S + 20


def test_logins_of_an_owner_are_no_failures_of_the_account() -> None:
    state = Lockout()
    for now in range(40):
        state.failed("192.0.2.9", "owner", now)
        state.succeeded("192.0.2.9", "owner", now)
    assert state.check("198.51.100.1", "owner", 40) == 0


def test_who_has_a_login_of_their_own_buys_no_tries_at_another_account_with_it() -> None:
    """A viewer and the administrator behind one address: the viewer's logins end no wait at the administrator's."""
    state, now, tries = Lockout(), 0, 0
    state.succeeded("192.0.2.9", "owner", 0)
    state.succeeded("192.0.2.9", "viewer", 0)
    while now < 86400:
        now += state.check("192.0.2.9", "owner", now)
        state.failed("192.0.2.9", "owner", now)
        tries += 1
        now += state.check("192.0.2.9", "viewer", now)
        state.failed("192.0.2.9", "viewer", now)
        state.succeeded("192.0.2.9", "viewer", now)
    assert tries < 115
    assert state.check("192.0.2.9", "viewer", now) == 0


def test_nobody_pushes_an_owner_out_of_the_known_sources_with_an_account_of_their_own() -> None:
    state = Lockout()
    state.succeeded("192.0.2.9", "owner", 0)
    for number in range(4 * lockout.MAX_KNOWN):
        state.succeeded(f"10.0.{number >> 8}.{number & 255}", "viewer", 1 + number)
    now = fail(state, 20, now=5000)
    assert state.check("192.0.2.9", "owner", now) == 0


def test_counters_that_are_lost_make_strangers_wait_as_after_an_attack_and_then_are_forgotten() -> None:
    state = lockout.lost()
    assert state.check("198.51.100.1", "owner", 0) == lockout.MAX_ACCOUNT_WAIT_S
    now, tries = 0, 0
    while now < 3000:
        now += state.check(f"10.0.0.{tries}", "owner", now)
        state.failed(f"10.0.0.{tries}", "owner", now)
        tries += 1
    assert tries <= 3000 / lockout.MAX_ACCOUNT_WAIT_S + 1
    assert len(state.encode()) < lockout.MAX_STATE_BYTES
    assert lockout.parse(state.encode()).encode() == state.encode()
    assert lockout.lost().check("198.51.100.1", "owner", lockout.FORGET_S) == 0


def test_waits_end_and_failures_are_forgotten() -> None:
    state = Lockout()
    now = fail(state, 10)
    wait = state.check("192.0.2.1", "owner", now)
    assert state.check("192.0.2.1", "owner", now + wait) == 0
    assert state.check("192.0.2.1", "owner", now + wait - 1) == 1
    later = now + lockout.FORGET_S
    assert state.held(now) == 2
    assert state.held(later) == 0
    assert fail(state, 5, now=later) == later


def test_a_clock_set_back_never_opens_the_door() -> None:
    state = Lockout()
    now = fail(state, 12, now=10000)
    assert state.check("192.0.2.1", "owner", 0) >= state.check("192.0.2.1", "owner", now)


def test_flooding_the_tables_does_not_free_the_attacked_account() -> None:
    state = Lockout()
    now = fail(state, 12)
    for number in range(2000):
        state.failed(f"10.0.{number >> 8}.{number & 255}", f"u{number}", now)
    assert state.check("203.0.113.1", "owner", now) > 0
    assert state.check("192.0.2.1", "nobody", now) > 0
    for number in range(200):
        state.succeeded(f"10.0.0.{number}", "u", number)
    assert len(state.encode()) < lockout.MAX_STATE_BYTES


@pytest.mark.parametrize("letter", ["\U0001f600", "\x01", '"', "あ"])
def test_no_choice_of_names_makes_the_counters_too_long_to_be_read_again(letter: str) -> None:
    """The longest addresses and names everywhere; a state that is not read again would forget who is known."""
    state, now = Lockout(), 10**9
    addresses = [f"fd00:aaaa:bbbb:{0x1000 + number:x}::1" for number in range(lockout.MAX_SOURCES)]
    for number, address in enumerate(addresses):
        for _ in range(11):
            state.failed(address, 62 * letter + 2 * chr(0x1F600 + number), now)
    for number, address in enumerate(addresses[: lockout.MAX_KNOWN]):
        owner = f"{number:02d}" + 30 * "x"
        state.succeeded(address, owner, now)
        for _ in range(101):
            state.failed(address, owner, now)
    body = state.encode()
    assert len(body) <= lockout.MAX_STATE_BYTES
    again = lockout.parse(body)
    assert again.knows(addresses[0], "00" + 30 * "x")
    assert again.check(addresses[-1], "anybody", now) > 0


def test_names_tried_in_between_hide_no_try_at_the_account_that_is_meant() -> None:
    """A fresh address for every try, and fresh names to push the account out of its bounded table."""
    state, now, tries, address = Lockout(), 0, 0, 0

    def try_now(user: str) -> bool:
        nonlocal address
        address += 1
        source = f"10.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
        if state.check(source, user, now):
            return False
        state.failed(source, user, now)
        return True

    for number in range(2 * lockout.MAX_ACCOUNTS):  # the table is full before the account's first failure
        try_now(f"known{number % lockout.MAX_ACCOUNTS}")
    while now < 3600:
        tries += try_now("owner")
        for number in range(3):
            try_now(f"fresh{now}.{number}")
        now += 1
    assert tries < 3600 / lockout.MAX_ACCOUNT_WAIT_S + 20
    assert len(state.encode()) < lockout.MAX_STATE_BYTES


def test_accounts_have_places_again_when_failures_are_forgotten() -> None:
    state = Lockout()
    for number in range(4 * lockout.MAX_ACCOUNTS):
        state.failed(f"10.0.0.{number}", f"u{number}", 0)
    assert state.check("192.0.2.1", "owner", 0) > 0
    assert state.check("192.0.2.1", "owner", lockout.FORGET_S) == 0
    now = fail(state, 12, now=lockout.FORGET_S)
    assert state.check("203.0.113.1", "owner", now) > 0
    assert state.check("203.0.113.1", "somebody", now) == 0


def test_latest_is_the_newest_time_of_all_tables() -> None:
    state = Lockout()
    assert state.latest() == 0
    state.failed("192.0.2.1", "owner", 5)
    assert state.latest() == 5
    state.succeeded("192.0.2.1", "owner", 9)
    assert lockout.parse(state.encode()).latest() == 9


def test_case_of_the_user_name_does_not_multiply_tries() -> None:
    state = Lockout()
    for name in ("owner", "Owner", "OWNER", "oWner", "owneR"):
        state.failed("192.0.2.1", name, 0)
    assert state.check("198.51.100.1", "owner", 0) > 0


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:DB8:0001:0002::1", "2001:db8:1:2::/64"),
        ("2001:db8::1", "2001:db8:0:0::/64"),
        ("2001:db8:0:0:1::", "2001:db8:0:0::/64"),
        ("fe80::1%eth0", "fe80:0:0:0::/64"),
        ("::1", "0:0:0:0::/64"),
    ],
)
def test_sources(source: str, key: str) -> None:
    assert lockout.source_key(source) == key


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["failed", "succeeded"]), st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 9)
    ),
    max_size=60,
)


@given(EVENTS)
def test_state_survives_a_restart(events: list[tuple[str, str, str, int]]) -> None:
    state, now = Lockout(), 0
    for name, source, user, step in events:
        now += step
        getattr(state, name)(source, user, now)
    again = lockout.parse(state.encode())
    for source in "abc":
        for user in "xyz":
            assert again.check(source, user, now) == state.check(source, user, now)
    assert again.encode() == state.encode()


@settings(max_examples=300)
@given(
    st.binary(max_size=30)
    | st.from_regex(
        rb'\{"v":1,"sources":\[(\["a",[0-9]{1,4},[0-9]\])?\],"accounts":\[\],"known":\[(\["a",1\])?\]\}', fullmatch=True
    )
)
def test_damaged_state_only_format_errors(body: bytes) -> None:
    with contextlib.suppress(FormatError):
        lockout.parse(body)
