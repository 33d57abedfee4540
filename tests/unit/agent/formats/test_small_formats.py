"""Value, fields, times, base64, block trees and versions."""

import base64 as stdlib_base64
import binascii
import contextlib
import hashlib
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats import base64, block_tree, boot_record, fields, utc
from agent.formats.errors import CamwardError, FormatError, Unavailable
from agent.formats.value import Value


class Point(Value):
    FIELDS = ("x", "y")
    x: int
    y: int


class Twin(Value):
    FIELDS = ("x", "y")


def test_value_equality_is_typed() -> None:
    assert Point(1, 2) == Point(x=1, y=2)
    assert Point(1, 2) != Twin(1, 2)
    assert Point(1, 2) != (1, 2)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2).replace(y=3) == Point(1, 3)
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"
    assert Point(1, 2).as_dict() == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Point(1),
        lambda: Point(1, 2, 3),
        lambda: Point(1, x=2),
        lambda: Point(1, 2, z=3),
        lambda: Point(1, 2).replace(z=3),
    ],
)
def test_value_wants_each_field_once(make: Any) -> None:
    with pytest.raises(TypeError):
        make()


def test_value_is_read_only() -> None:
    with pytest.raises(AttributeError):
        Point(1, 2).x = 5
    with pytest.raises(AttributeError):
        _ = Point(1, 2).z


def test_errors_have_codes() -> None:
    assert str(Unavailable("cable")) == "unavailable: cable"
    assert str(CamwardError()) == "error"


@given(st.integers(0, 253402300799))
def test_times_are_those_of_datetime(at: int) -> None:
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    assert utc.render(at) == text
    assert utc.parse(text) == at


@given(st.text(max_size=24) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", fullmatch=True))
def test_a_time_that_is_read_is_written_the_same(text: str) -> None:
    try:
        at = utc.parse(text)
    except FormatError:
        return
    assert utc.render(at) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:60:00Z",
        "2026-12-31T23:59:60Z",
        "1969-12-31T23:59:59Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.0Z",
        "２026-01-01T00:00:00Z",
    ],
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(FormatError):
        utc.parse(text)


@pytest.mark.parametrize("at", [-1, 253402300800, 10**18])
def test_times_that_cannot_be_written(at: int) -> None:
    with pytest.raises(FormatError):
        utc.render(at)


@pytest.mark.parametrize(
    "text", ["", "2026-1-01", "2026-01-01x", "1969-12-31", "2026-02-29", "2026-04-31", "2026-00-10"]
)
def test_dates_that_are_none(text: str) -> None:
    with pytest.raises(FormatError):
        utc.parse_date(text)


@given(st.binary(max_size=100))
def test_base64_round_trip(data: bytes) -> None:
    assert base64.encode(data) == stdlib_base64.b64encode(data).decode()
    assert base64.decode(base64.encode(data)) == data
    assert base64.decode_url(base64.encode_url(data)) == data


@given(st.text("ABCab01+/-_= \n", max_size=12) | st.text(max_size=6))
def test_base64_has_one_form(text: str) -> None:
    for encode, decode in ((base64.encode, base64.decode), (base64.encode_url, base64.decode_url)):
        try:
            data = decode(text)
        except FormatError:
            continue
        assert encode(data) == text


LEAF = bytes(range(32))


@settings(max_examples=30)
@given(st.integers(1, 40000), st.integers(1, 5000))
def test_tree_root_does_not_depend_on_the_pieces(count: int, piece: int) -> None:
    leaves = LEAF * count
    hasher = block_tree.TreeHasher()
    for at in range(0, len(leaves), piece * 7):
        hasher.feed(leaves[at : at + piece * 7])
    assert hasher.root() == block_tree.root_of(leaves) == reference_root(leaves)
    assert hasher.root() == hasher.root()
    assert hasher.count == count


@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 256, 128 * 128 - 1, 128 * 128, 128 * 128 + 1, 128 * 129])
def test_tree_root_at_the_edges(count: int) -> None:
    assert block_tree.root_of(LEAF * count) == reference_root(LEAF * count)


def reference_root(leaves: bytes) -> bytes:
    """The definition, written down directly."""
    if len(leaves) == 32:
        return leaves
    nodes = [leaves[at : at + 4096].ljust(4096, b"\0") for at in range(0, len(leaves), 4096)]
    level = b"".join(hashlib.sha256(node).digest() for node in nodes)
    return level if len(nodes) == 1 else reference_root(level)


def test_tree_root_is_the_one_that_veritysetup_computes(tmp_path: Path) -> None:
    program = shutil.which("veritysetup", path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert program, "cryptsetup-bin is one of the packages that make setup installs"
    for count in (1, 5, 129, 300):
        data = tmp_path / "data"
        data.write_bytes(b"".join(number.to_bytes(4096, "little") for number in range(count)))
        command = [program, "format", "--no-superblock", "--salt=-", "--hash=sha256", str(data), str(tmp_path / "tree")]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        root = next(line.split()[-1] for line in out.splitlines() if line.startswith("Root hash"))
        leaves = b"".join(block_tree.leaf(number.to_bytes(4096, "little")) for number in range(count))
        assert block_tree.root_of(leaves).hex() == root


@pytest.mark.parametrize("leaves", [b"", b"x", b"x" * 33])
def test_no_tree_without_whole_leaves(leaves: bytes) -> None:
    with pytest.raises(FormatError):
        block_tree.root_of(leaves)


@pytest.mark.parametrize("size", [0, 4095, 4097])
def test_leaf_needs_a_whole_block(size: int) -> None:
    with pytest.raises(FormatError):
        block_tree.leaf(bytes(size))


RECORDS = st.builds(
    boot_record.BootRecord,
    generation=st.integers(0, boot_record.NUMBER_MAX),
    active=st.sampled_from("ab"),
    trial=st.sampled_from("ab-"),
    left=st.integers(0, 10),
    fails=st.integers(0, 10),
    tries=st.integers(0, 10),
    resets=st.integers(0, 10),
    gave=st.sampled_from("-rs"),
    said=st.integers(0, 1),
    rollback_index=st.integers(0, boot_record.NUMBER_MAX),
)


@given(RECORDS)
def test_boot_record_round_trip(record: boot_record.BootRecord) -> None:
    sector = boot_record.encode(record)
    assert len(sector) == boot_record.RECORD_BYTES
    assert boot_record.decode(sector) == record


@given(RECORDS, st.integers(0, 511), st.integers(1, 255))
def test_damaged_boot_record_is_refused(record: boot_record.BootRecord, at: int, change: int) -> None:
    sector = bytearray(boot_record.encode(record))
    sector[at] ^= change
    with pytest.raises(FormatError):
        boot_record.decode(bytes(sector))


@given(st.binary(max_size=508))
def test_any_content_under_a_good_checksum(content: bytes) -> None:
    data = content.ljust(508, b"\0")
    sector = binascii.crc32(data).to_bytes(4, "little") + data
    with pytest.raises(FormatError):
        boot_record.decode(sector)


GOOD_RECORD = boot_record.BootRecord(7, "a", "b", 3, 1, 0, 2, "r", 1, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"gen=0x7", b"gen=7"),
        (b"gen=0x7", b"gen=0x"),
        (b"gen=0x7", b"gen=0x123456789"),
        (b"gen=0x7", b"gen=0xg"),
        (b"gen=0x7", b"gen=\xff"),
        (b"left=3", b"left=33"),
        (b"left=3", b"left=b"),
        (b"fails=1", b"fails="),
        (b"gave=r", b"gave=x"),
        (b"said=1", b"said=2"),
        (b"act=a", b"act=c"),
        (b"try=b", b"try="),
        (b"act=a\0", b"act=a\0act=a\0"),
        (b"act=a\0", b"act=a\0bootcmd=x\0"),
        (b"act=a\0", b""),
    ],
)
def test_values_under_a_good_checksum(old: bytes, new: bytes) -> None:
    data = boot_record.encode(GOOD_RECORD)[4:]
    assert old in data
    data = data.replace(old, new).ljust(508, b"\0")[:508]
    with pytest.raises(FormatError):
        boot_record.decode(binascii.crc32(data).to_bytes(4, "little") + data)


@pytest.mark.parametrize(
    "change",
    [
        {"active": "c"},
        {"trial": ""},
        {"left": 11},
        {"tries": -1},
        {"fails": 11},
        {"resets": -1},
        {"gave": ""},
        {"said": 2},
        {"generation": 2**32},
        {"rollback_index": -1},
    ],
)
def test_records_that_cannot_be_written(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        boot_record.encode(GOOD_RECORD.replace(**change))


@given(RECORDS, RECORDS)
def test_the_newer_copy_counts_and_the_other_is_written(
    one: boot_record.BootRecord, two: boot_record.BootRecord
) -> None:
    found, write = boot_record.newer(boot_record.encode(one), boot_record.encode(two))
    assert (found, write) == ((two, 0) if two.generation > one.generation else (one, 1))
    assert boot_record.newer(b"", boot_record.encode(two)) == (two, 0)
    assert boot_record.newer(boot_record.encode(one), b"") == (one, 1)
    assert boot_record.newer(b"", b"")[0] is None


READERS = (
    lambda source: fields.obj(source, "a"),
    lambda source: fields.array(source, "a", 2),
    lambda source: fields.integer(source, "a", 0, 9),
    lambda source: fields.number(source, "a", 0, 9),
    lambda source: fields.boolean(source, "a"),
    lambda source: fields.text(source, "a", 4),
    lambda source: fields.choice(source, "a", ("x",)),
    lambda source: fields.hexadecimal(source, "a", 1),
    lambda source: fields.name(source, "a", 4),
    lambda source: fields.row(source.get("a"), "a", 2),
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from("ab"), ANY, max_size=2), st.sampled_from(READERS))
def test_readers_return_or_raise_format_error(source: dict[str, Any], read: Any) -> None:
    with contextlib.suppress(FormatError):
        read(source)


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None])
def test_integers_are_integers(value: Any) -> None:
    with pytest.raises(FormatError):
        fields.integer({"a": value}, "a")


@pytest.mark.parametrize("value", ["", ".", "..", ".a", "-a", "a/b", "a\0", "あ", "a b"])
def test_names_are_safe_in_paths(value: str) -> None:
    with pytest.raises(FormatError):
        fields.as_name(value, "a")


def test_surplus_members() -> None:
    fields.only({"a": 1}, ("a", "b"))
    with pytest.raises(FormatError, match="unexpected member c"):
        fields.only({"a": 1, "c": 2}, ("a", "b"))
