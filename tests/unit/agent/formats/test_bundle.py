"""The index of an offline bundle: what is written is read, and whatever else arrives is refused, within bounds."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats import bundle
from agent.formats.errors import FormatError

NAMES = st.text("abcXYZ019._-%", min_size=1, max_size=40).filter(lambda name: name not in (".", ".."))
PATHS = st.one_of(
    NAMES.map(lambda name: bundle.IMAGE + name),
    st.tuples(NAMES, NAMES).map(lambda two: bundle.DIRECTOR + "/".join(two)),
    NAMES.map(lambda name: bundle.TARGETS + name),
)
FILES = st.dictionaries(PATHS, st.integers(0, 2**30), max_size=12)
RELEASE = "kawa-1-a-1.1.0.slot"


def read(body: bytes, device: str = "me") -> bundle.Bundle:
    head = bundle.parse_head(body[: bundle.HEAD_BYTES])
    return bundle.parse_index(body[bundle.HEAD_BYTES : bundle.HEAD_BYTES + head.index_bytes], head, device)


def indexed(index: bytes, total: int = 2**32) -> bundle.Bundle:
    return bundle.parse_index(index, bundle.Head(len(index), total, sha256(index).digest()), "me")


@settings(deadline=None)
@given(FILES, st.sampled_from(["me", "abc"]))
def test_what_was_written_is_read_and_only_what_concerns_the_device(files, device):
    listed = list(files.items())
    body = bundle.encode(RELEASE, listed)
    found = read(body, device)
    own = bundle.DIRECTOR + device + "/"
    concerned = {path for path in files if not path.startswith(bundle.DIRECTOR) or path.startswith(own)}
    assert found.release == RELEASE
    assert set(found.files) == concerned
    assert found.devices == len({path.split("/")[3] for path in files if path.startswith(bundle.DIRECTOR)})
    at = len(body)
    for path, length in listed:
        if path in concerned:
            assert found.files[path] == (at, length)
        at += length
    assert bundle.parse_head(body[: bundle.HEAD_BYTES]).total_bytes == at


def test_two_paths_may_share_their_bytes():
    one, two = bundle.DIRECTOR + "me/1.root.json", bundle.DIRECTOR + "other/1.root.json"
    body = bundle.encode(RELEASE, [(one, 7)], {two: one})
    assert read(body, "me").files[one] == read(body, "other").files[two] == (len(body), 7)
    assert read(body, "nobody").files == {}
    assert read(body, "nobody").devices == 2


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_lengths_that_make_no_sense_are_refused(total, length):
    head = bundle.MAGIC + length.to_bytes(4, "big") + total.to_bytes(8, "big") + bytes(32)
    if length <= bundle.MAX_INDEX_BYTES and bundle.HEAD_BYTES + length <= total <= bundle.MAX_BUNDLE_BYTES:
        assert bundle.parse_head(head).total_bytes == total
    else:
        with pytest.raises(FormatError):
            bundle.parse_head(head)


@given(st.data())
def test_a_bit_that_rotted_in_the_index_is_found(data):
    body = bytearray(bundle.encode(RELEASE, [(bundle.IMAGE + "timestamp.json", 5)]))
    at = data.draw(st.integers(20, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FormatError, match="damaged"):
        read(bytes(body))


def entry(path: str, offset: int = 4096, length: int = 1) -> bytes:
    return len(path).to_bytes(2, "big") + path.encode() + offset.to_bytes(8, "big") + length.to_bytes(8, "big")


def index(*entries: bytes, count: int | None = None, name: str = "a.slot") -> bytes:
    number = len(entries) if count is None else count
    return len(name).to_bytes(2, "big") + name.encode() + number.to_bytes(4, "big") + b"".join(entries)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (index(entry("/targets/a", 10)), "outside"),
        (index(entry("/targets/a", 2**32, 1)), "outside"),
        (index(entry("/targets/a", 2**64 - 1, 2**64 - 1)), "outside"),
        (index(entry("/targets/b"), entry("/targets/a")), "ascend"),
        (index(entry("/targets/a"), entry("/targets/a")), "ascend"),
        (index(entry("/etc/passwd")), "no such file"),
        (index(entry("/targets/../a")), "no such file"),
        (index(entry("/targets/a/b")), "no such file"),
        (index(entry("/tuf/director/a")), "no such file"),
        (index(entry("/tuf/director//a")), "no such file"),
        (index(entry("/tuf/image/")), "no such file"),
        (index(entry("/targets/a\n")), "characters"),
        (index(entry("/targets/" + "a" * 250)), "too long"),
        (index(entry("/targets/a"), count=2), "early"),
        (index(entry("/targets/a"), count=0), "longer"),
        (index(count=bundle.MAX_FILES + 1), "more than"),
        (index(name=""), "release"),
        (b"", "early"),
    ],
)
def test_an_index_that_is_none_is_refused(body, says):
    with pytest.raises(FormatError, match=says):
        indexed(body)


def test_a_bundle_that_no_camera_would_take_is_not_written():
    with pytest.raises(FormatError):
        bundle.encode(RELEASE, [("/etc/passwd", 1)])
    with pytest.raises(FormatError):
        bundle.encode(RELEASE, [("/targets/a", bundle.MAX_BUNDLE_BYTES)])
    many = [(f"{bundle.DIRECTOR}{number:026d}/timestamp.json", 1) for number in range(bundle.MAX_FILES)]
    with pytest.raises(FormatError, match="longer"):
        bundle.encode(RELEASE, many)


def test_five_hundred_cameras_fit():
    files = [(f"{bundle.DIRECTOR}{number:026d}/timestamp.json", 400) for number in range(500)]
    files += [
        (f"{bundle.DIRECTOR}{number:026d}/12.{role}.json", 900)
        for number in range(500)
        for role in ("targets", "snapshot")
    ]
    assert read(bundle.encode(RELEASE, files), f"{7:026d}").devices == 500
