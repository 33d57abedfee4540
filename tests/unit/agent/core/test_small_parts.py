"""Slots, time floor and backoff."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import backoff, clock, slots
from agent.formats import data_area
from agent.formats.boot_record import FRESH, NO_TRIAL, NUMBER_MAX
from agent.formats.errors import FormatError


@given(st.integers(-5, 100), st.floats(0, 1, exclude_max=True))
def test_backoff_is_bounded(attempt: int, fraction: float) -> None:
    delay = backoff.delay_s(attempt, 2, 600, fraction)
    assert 0 <= delay <= 600
    assert delay <= 2 * 2 ** max(0, attempt - 1)


def test_backoff_doubles() -> None:
    assert [backoff.delay_s(n, 2, 60, 0.5) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_wait_that_was_asked_for_is_never_shorter_and_a_random_share_longer() -> None:
    assert [backoff.spread_s(60.0, fraction) for fraction in (0.0, 0.5, 0.999)] == [60.0, 75.0, 89.97]
    assert backoff.spread_s(0.0, 0.999) == 0.0, "nobody has asked"


def test_time_floor_only_rises() -> None:
    assert clock.raised(10, 5) == 10
    assert clock.raised(10, 15) == 15
    assert not clock.worth_saving(0, clock.SAVE_STEP_S - 1)
    assert clock.worth_saving(0, clock.SAVE_STEP_S)


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_stored_floor_is_never_below_the_build_time(floor_at: int, build_at: int) -> None:
    assert clock.parse(clock.encode(floor_at), build_at) == max(floor_at, build_at)


@given(st.binary(max_size=30) | st.sampled_from([b'{"v":2,"floor_at":5}', b'{"v":1,"floor_at":-5}', b'{"v":1}', b"{}"]))
def test_damaged_floor_only_format_errors(body: bytes) -> None:
    with pytest.raises(FormatError):
        clock.parse(body, 0)


LAYOUT: dict[str, Any] = {
    "name": "ab-1",
    "device": "/dev/vda",
    "erase_bytes": 4096,
    "boot_record": [65536, 131072],
    "slots": {"a": {"offset": 1 << 20, "length": 8192}, "b": {"offset": (1 << 20) + 8192, "length": 8192}},
    "fit_offset": 4096,
    "data": {"offset": 2 << 20, "length": 4096},
}

THIRDS = {name: {"offset": offset, "length": 12288} for name, offset in (("a", 1179648), ("b", 1191936))}


def test_layout() -> None:
    layout = slots.parse_layout(LAYOUT)
    assert layout.slot("a").offset == 1 << 20
    assert layout.slot("b").offset == (1 << 20) + 8192
    assert layout.boot_record == (65536, 131072)
    with pytest.raises(ValueError, match="no slot"):
        layout.slot("c")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../x"},
        {"device": "/etc/passwd"},
        {"erase_bytes": 0},
        {"erase_bytes": 3000},
        {"erase_bytes": 6144},
        {"erase_bytes": 12288, "boot_record": [12288, 24576], "slots": THIRDS},
        {"erase_bytes": 2 << 20},
        {"erase_bytes": 16384},
        {"erase_bytes": 8192, "boot_record": [65536, 65536 + 4096]},
        {"erase_bytes": 4096, "boot_record": [65536, 65536 + 512]},
        {"erase_bytes": 512, "boot_record": [512, 1024]},
        {"erase_bytes": 512, "boot_record": [65536, 65536 + 3584]},
        {"erase_bytes": 1, "boot_record": [65536, 65536 + 512]},
        {"erase_bytes": 8192, "boot_record": [65536, 131072], "data": {"offset": 135168, "length": 4096}},
        {"erase_bytes": 8192, "boot_record": [65536, 135168], "data": {"offset": 122880, "length": 12288}},
        {"boot_record": [65536]},
        {"boot_record": [65536, 65536]},
        {"boot_record": [65536, 65537]},
        {"boot_record": [65536, True]},
        {"boot_record": [65536, -512]},
        {"boot_record": [65536, 1 << 20]},
        {"slots": {"a": LAYOUT["slots"]["a"]}},
        {"slots": {"a": LAYOUT["slots"]["a"], "b": LAYOUT["slots"]["a"]}},
        {"slots": {"a": LAYOUT["slots"]["a"], "b": {"offset": 3 << 20, "length": 4096}}},
        {"fit_offset": 8192},
        {"data": {"offset": 1 << 20, "length": 4096}},
        {"data": {"offset": 2 << 20, "length": 0}},
        {"data": {"offset": (2 << 20) + 1, "length": 4096}},
        {"data": {"offset": 2 << 20, "length": data_area.AREA_BYTES, "encrypted": True}},
        {"data": {"offset": 2 << 20, "length": 16 << 20, "encrypted": 1}},
    ],
)
def test_layouts_that_would_overwrite_something(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        slots.parse_layout(LAYOUT | change)


def test_a_data_partition_is_encrypted_where_the_layout_says_so() -> None:
    assert not slots.parse_layout(LAYOUT).encrypted
    data = {"offset": 2 << 20, "length": data_area.AREA_BYTES + 4096}
    assert slots.parse_layout(LAYOUT | {"data": data | {"encrypted": True}}).encrypted
    assert not slots.parse_layout(LAYOUT | {"data": data | {"encrypted": False}}).encrypted


@pytest.mark.parametrize(
    "change",
    [
        {"erase_bytes": 512},
        {"erase_bytes": 512, "boot_record": [512, 4096]},
        {"erase_bytes": 8192, "boot_record": [65536, 139264], "data": {"offset": 122880, "length": 12288}},
    ],
)
def test_layouts_in_which_each_copy_of_the_boot_record_has_room_of_its_own(change: dict[str, Any]) -> None:
    layout = slots.parse_layout(LAYOUT | change)
    assert layout.erase_bytes == change["erase_bytes"]


MAIN, SMALL = LAYOUT["slots"]["a"], {"offset": (1 << 20) + 8192, "length": 4096, "fit_offset": 0}
WITH_RECOVERY: dict[str, Any] = LAYOUT | {"kind": "recovery", "slots": {"a": MAIN, "b": SMALL}}


def test_two_slots_take_turns_and_a_recovery_system_is_never_written() -> None:
    turns, recovery = slots.parse_layout(LAYOUT), slots.parse_layout(WITH_RECOVERY)
    assert (turns.kind, turns.target("a"), turns.target("b")) == ("ab", "b", "a")
    assert turns == slots.parse_layout(LAYOUT | {"kind": "ab"})
    assert (recovery.target("a"), recovery.target("b")) == ("a", "a")
    assert (recovery.fit_offset, recovery.fit_offset_b, recovery.slot_b.length) == (4096, 0, 4096)
    assert [layout.in_recovery(slot) for layout in (turns, recovery) for slot in "ab"] == [False, False, False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "abc"},
        {"kind": "ab"},
        {"kind": None},
        {"slots": {"a": MAIN, "b": SMALL | {"fit_offset": 4096}}},
        {"slots": {"a": MAIN, "b": SMALL | {"fit_offset": -1}}},
        {"slots": {"a": MAIN, "b": {"offset": (1 << 20) + 8192, "length": 4096}}},
        {"slots": {"a": MAIN, "b": SMALL | {"offset": (1 << 20) + 4096}}},
        {"erase_bytes": 8192},
    ],
)
def test_recovery_layouts_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        slots.parse_layout(WITH_RECOVERY | change)


def test_the_change_over_is_announced_and_safe_to_repeat() -> None:
    switched = slots.switch_over(RECORD.replace(gave="r"), "b")
    assert (switched.active, switched.trial, switched.tries, switched.resets, switched.gave) == ("b", "-", 0, 0, "-")
    assert switched.said == 1
    assert slots.switch_over(switched, "b") == switched


RECORD = FRESH.replace(generation=5, tries=4, resets=2, rollback_index=1)


def test_the_life_of_an_update() -> None:
    armed = slots.arm(RECORD, slots.inactive("a"))
    assert (armed.trial, armed.left, armed.active) == ("b", slots.SILENT_ENDS, "a")
    assert slots.on_trial(armed, "b")
    assert not slots.on_trial(armed, "a")
    assert slots.trial_due(armed)
    committed = slots.commit(armed.replace(left=2, fails=2, gave="r"), "b")
    assert committed == RECORD.replace(active="b", tries=0, resets=0)
    back = slots.roll_back(armed)
    assert (back.active, back.trial, back.left) == ("a", NO_TRIAL, 0)
    assert not slots.trial_due(back)


def test_a_healthy_boot_forgets_silent_ends_and_a_long_quiet_time_the_resets() -> None:
    assert slots.seen_healthy(RECORD) == RECORD.replace(tries=0)
    settled = slots.settle(RECORD.replace(trial="b", left=0, fails=3, gave="s"), "b")
    assert settled == RECORD.replace(active="b", tries=0)
    assert slots.quiet(settled).resets == 0


def test_a_failure_is_recorded_once_per_boot_and_three_end_the_trial() -> None:
    record = slots.arm(RECORD, "b")
    for count in (1, 2, 3):
        assert slots.trial_due(record)
        record = slots.fail(record, "b")
        assert (record.fails, record.said, record.resets) == (count, 1, RECORD.resets)
        assert slots.fail(record, "b") == record
        record = record.replace(said=0)  # as the boot script does
    assert not slots.trial_due(record)
    assert slots.fail(RECORD, "a") == RECORD.replace(resets=3, said=1)
    assert slots.fail(RECORD.replace(active="b", trial="b"), "b").resets == 3


@pytest.mark.parametrize(
    "decide",
    [
        lambda r: slots.arm(r, "b"),
        lambda r: slots.commit(r, "b"),
        slots.roll_back,
        slots.seen_healthy,
        slots.quiet,
        slots.announce,
        lambda r: slots.settle(r, "a"),
        lambda r: slots.fail(r, "a"),
    ],
)
def test_every_decision_may_be_repeated(decide: Any) -> None:
    once = decide(RECORD)
    if once.active == "b":
        assert slots.commit(once, "b") == once
    else:
        assert decide(once) == once


def test_index_never_falls() -> None:
    assert slots.raise_index(RECORD, 0).rollback_index == 1
    assert slots.raise_index(RECORD, 7).rollback_index == 7
    for epoch in (-1, NUMBER_MAX + 1):
        with pytest.raises(ValueError, match="epoch"):
            slots.raise_index(RECORD, epoch)


@pytest.mark.parametrize(
    "make",
    [
        lambda: slots.arm(RECORD, "a"),
        lambda: slots.arm(RECORD, "-"),
        lambda: slots.commit(RECORD, "-"),
        lambda: slots.other("c"),
    ],
)
def test_slots_that_cannot_be(make: Any) -> None:
    with pytest.raises(ValueError, match="slot"):
        make()
