"""The log of writes is read as QEMU writes it, and every state that a power cut can leave is visited."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.qemu.write_log import (
    DISCARD,
    FLUSH,
    FUA,
    MAGIC,
    PREFIX,
    TORN,
    UNIT_BYTES,
    Entry,
    Replay,
    WriteLogError,
    parse,
)

SECTORS = 8


def log_of(entries: list[Entry], sector_bytes: int = 512) -> bytes:
    """A log as blklogwrites writes it."""
    body = struct.pack("<QQQI", MAGIC, 1, len(entries), sector_bytes).ljust(sector_bytes, b"\0")
    for entry in entries:
        sector, sectors = entry.offset_bytes // sector_bytes, len(entry.data) // sector_bytes
        body += struct.pack("<QQQQ", sector, sectors, entry.flags, 0).ljust(sector_bytes, b"\0")
        if not entry.flags & DISCARD:
            body += entry.data
    return body


def write(sector: int, letter: str, sectors: int = 1, flags: int = 0) -> Entry:
    return Entry(sector * UNIT_BYTES, letter.encode() * sectors * UNIT_BYTES, flags)


SYNC = Entry(0, b"", FLUSH)


@pytest.mark.parametrize("sector_bytes", [512, 4096])
def test_a_log_is_read_back(sector_bytes: int) -> None:
    entries = [
        Entry(8 * 4096, b"a" * 8192, 0),
        SYNC,
        Entry(4096, b"b" * 4096, FUA),
        Entry(0, bytes(4096), DISCARD),
        Entry(4096, b"c" * 4096, FLUSH | FUA),
    ]
    assert parse(log_of(entries, sector_bytes)) == entries
    assert parse(memoryview(log_of(entries, sector_bytes) + b"what was not counted yet")) == entries


def test_what_is_no_log_or_ends_early_is_refused() -> None:
    whole = log_of([write(0, "a", 3), SYNC])
    for wrong in (b"", whole[:20], b"x" + whole[1:], whole[:8] + b"\2" + whole[9:], whole[:24] + b"\1" + whole[25:]):
        with pytest.raises(WriteLogError):
            parse(wrong)
    for length in (512, 1024, 1500, len(whole) - 512):
        with pytest.raises(WriteLogError):
            parse(whole[:length])
    with pytest.raises(WriteLogError):
        parse(whole[:16] + struct.pack("<Q", 1 << 40) + whole[24:])


@given(st.binary(max_size=3000))
def test_rubbish_raises_only_its_own_error(body: bytes) -> None:
    for data in (body, log_of([])[:16] + body):
        try:
            parse(data)
        except WriteLogError:
            pass


def visited(entries: list[Entry], seed: int = 0) -> list[tuple[int, str, str]]:
    """Index, kind and content (a letter for each sector) of every state."""
    disk = bytearray(b"." * SECTORS * UNIT_BYTES)
    mirror = bytearray(disk)

    def touched(offset: int, length: int) -> None:
        mirror[offset : offset + length] = disk[offset : offset + length]

    found = []
    for crash in Replay(disk, touched, seed).crashes(entries):
        assert mirror == disk, "a change was not told"
        found.append((crash.number, crash.kind, bytes(disk[::UNIT_BYTES]).decode()))
    assert mirror == disk
    return found


def test_every_prefix_is_visited_and_flushed_writes_survive() -> None:
    entries = [write(0, "a", 2), write(1, "b"), SYNC, write(4, "c"), SYNC]
    found = visited(entries)
    prefixes = [content for _, kind, content in found if kind == PREFIX]
    assert prefixes == ["aa......", "ab......", "ab......", "ab..c...", "ab..c..."]
    assert [index for index, kind, _ in found if kind == TORN] == [0, 1, 3]
    assert all(content[:2] == "ab" for index, _, content in found if index >= 2)


def test_unflushed_writes_are_dropped_torn_and_overtaken() -> None:
    entries = [write(0, "a", 2), write(1, "b"), write(2, "c")]
    torn = {content[:3] for seed in range(200) for index, kind, content in visited(entries, seed) if index == 2}
    assert torn == {first + second + third for first in ".a" for second in ".ab" for third in ".c"}


def test_a_write_with_fua_survives_and_makes_nothing_else_durable() -> None:
    entries = [write(0, "a"), write(1, "b"), write(1, "d", flags=FUA), write(2, "c")]
    torn = {content[:3] for seed in range(100) for index, kind, content in visited(entries, seed) if index == 3}
    assert torn >= {".d.", "ad.", ".dc", "adc"}
    assert all(content[1] in "db" for content in torn)


def test_many_unflushed_writes_are_torn_now_and_then() -> None:
    entries = [write(at % SECTORS, "abcdefgh"[at % 8]) for at in range(100)]
    found = visited(entries)
    assert [index for index, kind, _ in found if kind == PREFIX] == list(range(100))
    assert [index for index, kind, _ in found if kind == TORN] == [*range(32), 47, 63, 79, 95]


@pytest.mark.parametrize(("flushed", "caught"), [(True, False), (False, True)])
def test_control_a_record_that_overtakes_its_content_is_caught(flushed: bool, caught: bool) -> None:
    """Content, then a record that points to it: without the flush between them, some state is wrong."""
    entries = [write(0, "x", 6), *([SYNC] if flushed else []), write(7, "R"), SYNC]
    states = [content for seed in range(20) for _, _, content in visited(entries, seed)]
    wrong = [content for content in states if content[7] == "R" and content[:6] != "xxxxxx"]
    assert bool(wrong) is caught
