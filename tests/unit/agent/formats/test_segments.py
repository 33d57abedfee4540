"""The index of a segment artifact."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats import segments
from agent.formats.errors import FormatError

HASH = bytes(range(32))


def index(runs, parts, encrypted=False):
    return segments.parse(segments.encode(runs, parts, encrypted))


def test_one_segment():
    found = index([(5, 3)], [(3, 700, 9, 12, HASH)])
    assert not found.encrypted
    assert found.segment_count == 1
    segment = found.segment(0)
    assert segment == segments.Segment(0, 3, 20 + 8 + 48, 700, 9, 12, HASH)
    assert found.length_bytes == 20 + 8 + 48 + 700
    assert list(found.blocks_of(0)) == [5, 6, 7]
    assert [found.segment_of(block) for block in (4, 5, 7, 8)] == [-1, 0, 0, -1]


def test_flag_of_encryption():
    assert index([(0, 1)], [(1, 30, 0, 0, HASH)], encrypted=True).encrypted


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 300)), min_size=1, max_size=12),
    st.lists(st.integers(1, segments.MAX_SEGMENT_BLOCKS), min_size=1, max_size=40),
)
def test_every_block_is_in_the_segment_that_unpacks_to_it(steps, cuts):
    runs, at = [], 0
    for gap, count in steps:
        runs.append((at + gap, count))
        at += gap + count
    blocks = [block for first, count in runs for block in range(first, first + count)]
    parts, left = [], len(blocks)
    for cut in itertools.cycle(cuts):
        if not left:
            break
        parts.append((min(cut, left), 100, 0, 0, HASH))
        left -= parts[-1][0]
    found = index(runs, parts)
    stream = [(block, number) for number in range(found.segment_count) for block in found.blocks_of(number)]
    assert [block for block, _ in stream] == blocks
    assert [len(list(found.blocks_of(n))) for n in range(found.segment_count)] == [part[0] for part in parts]
    for block, number in stream:
        assert found.segment_of(block) == number
    assert all(found.segment_of(block) == -1 for block in set(range(at + 2)) - set(blocks))


@pytest.mark.parametrize(
    ("runs", "parts"),
    [
        ([], [(1, 20, 0, 0, HASH)]),
        ([(0, 1)], []),
        ([(0, 0)], [(1, 20, 0, 0, HASH)]),
        ([(0, 2), (1, 1)], [(3, 20, 0, 0, HASH)]),
        ([(5, 1), (3, 1)], [(2, 20, 0, 0, HASH)]),
        ([(2**20, 1)], [(1, 20, 0, 0, HASH)]),
        ([(0, 2)], [(1, 20, 0, 0, HASH)]),
        ([(0, 1)], [(1, 0, 0, 0, HASH)]),
        ([(0, 257)], [(257, 20, 0, 0, HASH)]),
        ([(0, 1)], [(1, 4096 + 1025, 0, 0, HASH)]),
        ([(0, 1)], [(1, 20, 0, 513, HASH)]),
        ([(0, 1)], [(1, 20, 2**20, 1, HASH)]),
    ],
)
def test_impossible_ones_are_refused(runs, parts):
    with pytest.raises(FormatError):
        segments.encode(runs, parts)


def test_encrypted_segment_is_longer_than_its_tag():
    with pytest.raises(FormatError):
        segments.encode([(0, 1)], [(1, segments.TAG_BYTES, 0, 0, HASH)], encrypted=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"X" + data[1:],
        lambda data: data[:8] + b"\0\0\0\2" + data[12:],
        lambda data: data + b"\0",
        lambda data: data[:-1],
        lambda data: data[:10],
        lambda data: data.ljust(segments.MAX_INDEX_BYTES + 1, b"\0"),
    ],
)
def test_damaged_ones_are_refused(spoil):
    data = segments.encode([(0, 1)], [(1, 20, 0, 0, HASH)])
    segments.parse(data)
    with pytest.raises(FormatError):
        segments.parse(spoil(data))


def test_all_together_are_no_longer_than_a_slot():
    count = 4096
    parts = [(256, 256 * 4096 + 1024, 0, 0, HASH)] * count
    with pytest.raises(FormatError, match="longer than any slot"):
        segments.encode([(0, 2**20)], parts)
