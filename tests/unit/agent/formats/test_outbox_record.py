"""The outbox's files: what is whole is found, whatever lies around it; what is not, is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.formats import outbox_record
from agent.formats.errors import FormatError
from agent.formats.outbox_record import KINDS, MAX_NUMBER, encode, file_name, parse_name, read, scan

RECORDS = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.integers(1, MAX_NUMBER), st.integers(1, MAX_NUMBER), st.integers(0, 2**32 - 1),
        st.binary(max_size=60),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def found(data):
    return [(one.kind, one.number, one.seq, one.at, read(data[one.offset : one.end])[1]) for one in scan(data)]


@given(RECORDS)
def test_what_was_written_is_read(records):
    data = b"".join(encode(*one) for one in records)
    assert found(data) == records
    assert [one.offset for one in scan(data)][1:] == [one.end for one in scan(data)][:-1]


@given(RECORDS, st.data())
def test_a_torn_tail_costs_the_last_record_and_no_other(records, chosen):
    data = b"".join(encode(*one) for one in records)
    begin = len(data) - len(encode(*records[-1]))
    assert found(data[: chosen.draw(st.integers(begin, len(data) - 1))]) == records[:-1]


@given(RECORDS, st.data())
def test_damage_costs_the_records_it_touches_and_no_other(records, chosen):
    parts = [encode(*one) for one in records]
    hit = chosen.draw(st.integers(0, len(parts) - 1))
    at = chosen.draw(st.integers(0, len(parts[hit]) - 1))
    bit = 1 << chosen.draw(st.integers(0, 7))
    damaged = parts[hit][:at] + bytes([parts[hit][at] ^ bit]) + parts[hit][at + 1 :]
    left = found(b"".join([*parts[:hit], damaged, *parts[hit + 1 :]]))
    # A record inside the damaged one's body may come to light; nobody who cannot write the file puts one there.
    assert [one for one in left if one in records] == records[:hit] + records[hit + 1 :]


@given(RECORDS, st.binary(max_size=80))
def test_a_file_goes_on_behind_what_a_power_cut_has_left(records, rest):
    data = b"".join(encode(*one) for one in records)
    assert [one for one in found(rest + data) if one in records] == records


@given(st.binary(max_size=200))
def test_random_bytes_hold_no_record(data):
    assert found(data) == []
    with pytest.raises(FormatError):
        read(data)


@pytest.mark.parametrize(
    "fields",
    [
        ("gossip", 1, 1, 0, b""),
        ("alarm", 0, 1, 0, b""),
        ("alarm", MAX_NUMBER + 1, 1, 0, b""),
        ("alarm", 1, 0, 0, b""),
        ("alarm", 1, 1, -1, b""),
        ("alarm", 1, 1, 2**32, b""),
        ("alarm", 1, 1, 0, bytes(outbox_record.MAX_BODY_BYTES + 1)),
    ],
)
def test_what_could_not_be_read_is_not_written(fields):
    with pytest.raises(FormatError):
        encode(*fields)


@given(st.sampled_from(outbox_record.LANES), st.integers(1, MAX_NUMBER), st.integers(0, outbox_record.MAX_THINNED))
def test_a_file_name_says_what_it_is_made_of(lane, first, thinned):
    assert parse_name(file_name(lane, first, thinned)) == (lane, first, thinned)


@pytest.mark.parametrize(
    "name",
    [
        "outbox/00000001.alarm.300", "outbox/rubbish", "outbox/alarm-1-0", "outbox/alarm-0000000000-0", "outbox/",
        "outbox/alarm-0000000001-00", "outbox/alarm-0000000001-17", "outbox/gossip-0000000001-0",
        "outbox/alarm-9999999999-0", "outbox/alarm-000000000²-0", "outbox/alarm-0000000001-", "outbox/alarm--",
    ],
)  # fmt: skip
def test_other_names_are_none_of_ours(name):
    assert parse_name(name) is None
