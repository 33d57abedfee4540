"""Deterministic CBOR: the vectors of RFC 8949, and that nothing but the one form is read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats import cbor
from agent.formats.cbor import Tag
from agent.formats.errors import FormatError

MAX = 4096
# RFC 8949, Appendix A, as far as this module knows the values.
VECTORS = [
    (0, "00"), (1, "01"), (10, "0a"), (23, "17"), (24, "1818"), (25, "1819"), (100, "1864"), (1000, "1903e8"),
    (1000000, "1a000f4240"), (1000000000000, "1b000000e8d4a51000"), (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"), (-1, "20"), (-10, "29"), (-100, "3863"), (-1000, "3903e7"),
    (False, "f4"), (True, "f5"), (None, "f6"),
    (b"", "40"), (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"), ("a", "6161"), ("IETF", "6449455446"), ('"\\', "62225c"), ("\u00fc", "62c3bc"), ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"), ([1, 2, 3], "83010203"), ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"), ({1: 2, 3: 4}, "a201020304"), ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
    ({"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}, "a56161614161626142616361436164614461656145"),
]  # fmt: skip
TAGGED = [
    (Tag(0, "2013-03-21T20:04:00Z"), "c074323031332d30332d32315432303a30343a30305a"),
    (Tag(1, 1363896240), "c11a514b67b0"),
    (Tag(23, b"\x01\x02\x03\x04"), "d74401020304"),
    (Tag(24, b"dIETF"), "d818456449455446"),
    (Tag(32, "http://www.example.com"), "d82076687474703a2f2f7777772e6578616d706c652e636f6d"),
]
TAGS = (0, 1, 23, 24, 32)
# The other vectors of the appendix, none of which is read: bignums are tags that nobody expects; then floats,
# undefined, simple values; then indefinite lengths.
OTHERS = [
    "c249010000000000000000", "c349010000000000000000",
    "f90000", "f98000", "f93c00", "fb3ff199999999999a", "f93e00", "f97bff", "fa47c35000", "fa7f7fffff",
    "fb7e37e43c8800759c", "f90001", "f90400", "f9c400", "fbc010666666666666", "f97c00", "f97e00", "f9fc00",
    "fa7f800000", "fa7fc00000", "faff800000", "fb7ff0000000000000", "fb7ff8000000000000", "fbfff0000000000000",
    "f7", "f0", "f818", "f8ff", "c1fb41d452d9ec200000",
    "5f42010243030405ff", "7f657374726561646d696e67ff", "9fff", "9f018202039f0405ffff", "9f01820203820405ff",
    "83018202039f0405ff", "83019f0203ff820405", "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
    "bf61610161629f0203ffff", "826161bf61626163ff", "bf6346756ef563416d7421ff",
]  # fmt: skip


@pytest.mark.parametrize(("value", "wire"), VECTORS)
def test_the_vectors_of_the_rfc(value: Any, wire: str) -> None:
    found = cbor.parse(bytes.fromhex(wire), MAX)
    assert (found, type(found)) == (value, type(value))
    assert cbor.encode(value).hex() == wire


@pytest.mark.parametrize(("value", "wire"), TAGGED)
def test_tagged_vectors_where_the_tag_is_expected_and_nowhere_else(value: Tag, wire: str) -> None:
    assert cbor.parse(bytes.fromhex(wire), MAX, TAGS) == value
    assert cbor.encode(value).hex() == wire
    with pytest.raises(FormatError, match="tag"):
        cbor.parse(bytes.fromhex(wire), MAX)
    with pytest.raises(FormatError, match="tag"):
        cbor.parse(bytes.fromhex(wire), MAX, (value.number + 1,))


@pytest.mark.parametrize("wire", OTHERS)
def test_the_vectors_that_are_not_read(wire: str) -> None:
    with pytest.raises(FormatError):
        cbor.parse(bytes.fromhex(wire), MAX, (0, 1))


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        ("", "cut off"), ("18", "cut off"), ("1900", "cut off"), ("42ff", "cut off"), ("6161ff", "data after"),
        ("8101ff", "data after"), ("82", "cut off"), ("a1", "cut off"), ("a101", "cut off"), ("d8", "cut off"),
        ("9bffffffffffffffff", "cut off"), ("5bffffffffffffffff", "cut off"), ("bbffffffffffffffff", "cut off"),
        ("1c", "reserved"), ("1f", "reserved"), ("3f", "reserved"), ("ff", "float"), ("fc", "float"),
        ("1800", "longer"), ("1817", "longer"), ("190018", "longer"), ("1900ff", "longer"), ("1a0000ffff", "longer"),
        ("1b00000000ffffffff", "longer"), ("3817", "longer"), ("580161", "longer"), ("780161", "longer"),
        ("9800", "longer"), ("b800", "longer"),
        ("a2010a010b", "repeats"), ("a2020a010b", "wrong place"), ("a2616201616102", "wrong place"),
        ("a2626161016162 02", "wrong place"), ("a220010102", "wrong place"),
        ("a1f501", "key"), ("a1f601", "key"), ("a14101f5", "key"), ("a18001", "key"), ("a1c00101", "key"),
        ("61ff", "UTF-8"), ("62c080", "UTF-8"), ("63eda080", "UTF-8"), ("a161ff01", "UTF-8"),
        ("81" * 20 + "00", "nested"), ("c1" * 20 + "00", "nested"),
    ],
)  # fmt: skip
def test_what_is_not_in_its_one_form_is_refused(wire: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        cbor.parse(bytes.fromhex(wire), MAX, (1,))


def test_the_limits() -> None:
    assert cbor.parse(b"\x40", 1) == b""
    with pytest.raises(FormatError, match="more than 1 bytes"):
        cbor.parse(b"\x41a", 1)
    deep: list[Any] = []
    for _ in range(cbor.MAX_DEPTH):
        deep = [deep]
    assert cbor.parse(cbor.encode(deep), MAX) == deep
    for write in (lambda: cbor.encode([deep]), lambda: cbor.parse(b"\x81" + cbor.encode(deep), MAX)):
        with pytest.raises(FormatError, match="nested"):
            write()
    most = [0] * (cbor.MAX_ITEMS - 1)
    assert cbor.parse(cbor.encode(most), 2 * MAX) == most
    with pytest.raises(FormatError, match="too many"):
        cbor.parse(cbor.encode([*most, 0]), 2 * MAX)


@pytest.mark.parametrize(
    "value",
    [1.5, {1.5: 1}, {None: 1}, {True: 1}, {b"a": 1}, object(), 2**64, -(2**64) - 1, "\ud800", {"\ud800": 1}, {1: 0.5}],
)
def test_what_has_no_form_is_not_written(value: Any) -> None:
    with pytest.raises(FormatError):
        cbor.encode(value)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=30) | st.text(max_size=30),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.integers(-(2**64), 2**64 - 1) | st.text(max_size=5), below, max_size=4)
        | st.builds(Tag, st.sampled_from(TAGS), below)
    ),
    max_leaves=10,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(values)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert cbor.parse(cbor.encode(value), 1 << 20, TAGS) == value


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(st.binary(max_size=24))
def test_what_is_read_has_no_other_form(wire: bytes) -> None:
    try:
        value = cbor.parse(wire, MAX, TAGS)
    except FormatError:
        return
    assert cbor.encode(value) == wire
