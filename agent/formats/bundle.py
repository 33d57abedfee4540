"""The index of an offline bundle (docs/offline-bundle.md): one file that carries what a repository would serve.

A bundle is no authority and is not signed: it is a mirror that fits into a pocket. Its index says where in the file
each of a server's files lies, by the path at which the server would serve it; what is read there is verified exactly as
if it had been fetched. Big endian:

    magic (8) | index length u32 | length of the whole file u64 | SHA-256 of the index (32) | index | files
    index: name | count u32 | count times: path, offset u64, length u64
    name, path: length u16, then so many characters

`name` is the target's path of the release that the bundle is about. The hash finds a copy that was cut off or has
rotted before anything is begun; it proves nothing. Paths ascend, so none is there twice; two may share their bytes.
"""

from hashlib import sha256

from agent.formats import fields
from agent.formats.errors import FormatError, Rejected
from agent.formats.value import Value

MAGIC = b"CWBNDL1\n"
HEAD_BYTES = 8 + 4 + 8 + 32
MAX_INDEX_BYTES = 256 * 1024  # orders for about 500 cameras; read into memory once, and forgotten but for one camera's
MAX_FILES = 4096
MAX_PATH_CHARS = 256
MAX_BUNDLE_BYTES = 6 * 2**30  # the largest slot has 4 GiB; artifacts come on top

IMAGE = "/tuf/image/"
DIRECTOR = "/tuf/director/"
TARGETS = "/targets/"
_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-%"


class BundleGone(Rejected):
    """The bundle cannot be read, or not any more: a stick was pulled out, say. Whoever brings it again goes on."""

    code = "bundle_gone"


class NoRoom(Rejected):
    """The data partition has no room for an upload of this length."""

    code = "no_room"


class Head(Value):
    """The first HEAD_BYTES: lengths of the index and of the whole file, and the index's hash."""

    FIELDS = ("index_bytes", "total_bytes", "index_sha256")
    index_bytes: int
    total_bytes: int
    index_sha256: bytes


class Bundle(Value):
    """The index.

    Fields:
        release: the path of the target that the bundle is about.
        files: offset and length in bytes by path; of director's files only those of the device that was named.
        devices: how many devices' director files there are.
    """

    FIELDS = ("release", "files", "devices")
    release: str
    files: "dict[str, tuple[int, int]]"
    devices: int


def parse_head(body: bytes) -> Head:
    """Read the first HEAD_BYTES of the file.

    Raises:
        FormatError: it is no bundle, or one that is longer than any can be.
    """
    if len(body) != HEAD_BYTES or body[:8] != MAGIC:
        raise FormatError("this is no update bundle")
    index_bytes = int.from_bytes(body[8:12], "big")
    total_bytes = int.from_bytes(body[12:20], "big")
    if index_bytes > MAX_INDEX_BYTES:
        raise FormatError("the bundle's index is longer than " + str(MAX_INDEX_BYTES) + " bytes")
    if not HEAD_BYTES + index_bytes <= total_bytes <= MAX_BUNDLE_BYTES:
        raise FormatError("the bundle's length makes no sense")
    return Head(index_bytes, total_bytes, bytes(body[20:52]))


def parse_index(body: bytes, head: Head, device: str) -> Bundle:
    """Read the index, and keep what concerns one device.

    Raises:
        FormatError: it is not the one that the head announces, or is malformed.
    """
    if len(body) != head.index_bytes or sha256(body).digest() != head.index_sha256:
        raise FormatError("the bundle's index is damaged")
    reader = _Reader(body)
    release = fields.as_name(reader.text(), "the release of the bundle")
    count = reader.number(4)
    if count > MAX_FILES:
        raise FormatError("the bundle has more than " + str(MAX_FILES) + " files")
    own = DIRECTOR + device + "/"
    files: "dict[str, tuple[int, int]]" = {}
    devices: "set[str]" = set()
    before = ""
    for _ in range(count):
        path, offset, length = reader.text(), reader.number(8), reader.number(8)
        if path <= before:
            raise FormatError("the paths of the bundle do not ascend")
        before = path
        _check_path(path)
        if offset < HEAD_BYTES + head.index_bytes or offset + length > head.total_bytes:
            raise FormatError("a file of the bundle lies outside of it: " + path)
        if path.startswith(DIRECTOR):
            devices.add(path[len(DIRECTOR) :].partition("/")[0])
        if not path.startswith(DIRECTOR) or path.startswith(own):
            files[path] = (offset, length)
    reader.end()
    return Bundle(release, files, len(devices))


def encode(release: str, files: "list[tuple[str, int]]", same: "dict[str, str] | None" = None) -> bytes:
    """Head and index of a bundle whose files follow one after the other, in this order.

    Args:
        release: the path of the target that it is about.
        files: path and length of each.
        same: further paths, each with the one of `files` whose bytes it shares.

    Raises:
        FormatError: no camera would take it.
    """
    names = sorted([path for path, _ in files] + list(same or {}))
    size = 2 + len(release) + 4 + sum(2 + len(path) + 16 for path in names)
    at = HEAD_BYTES + size
    places = {}
    for path, length in files:
        places[path] = (at, length)
        at += length
    for path, shared in (same or {}).items():
        places[path] = places[shared]
    index = _text(release) + len(names).to_bytes(4, "big")
    for path in names:
        index += _text(path) + places[path][0].to_bytes(8, "big") + places[path][1].to_bytes(8, "big")
    head = MAGIC + len(index).to_bytes(4, "big") + at.to_bytes(8, "big") + sha256(index).digest()
    parse_index(index, parse_head(head), "")
    return head + index


def target_path(sha256_hex: str, name: str) -> str:
    """Where a target is served."""
    return TARGETS + sha256_hex + "." + name


def _text(text: str) -> bytes:
    body = text.encode()
    return len(body).to_bytes(2, "big") + body


def _check_path(path: str) -> None:
    parts = path.split("/")
    wanted = 4 if path.startswith(IMAGE) else 5 if path.startswith(DIRECTOR) else 3 if path.startswith(TARGETS) else 0
    if len(parts) != wanted or any(part in ("", ".", "..") for part in parts[1:]):
        raise FormatError("a bundle has no such file: " + path)


class _Reader:
    """Takes numbers and texts off the front, and never more than there is."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def text(self) -> str:
        length = self.number(2)
        if length > MAX_PATH_CHARS:
            raise FormatError("a name in the bundle is too long")
        body = self._take(length)
        text = "".join(chr(one) for one in body)
        if any(character != "/" and character not in _PLAIN for character in text):
            raise FormatError("a name in the bundle has characters that none has")
        return text

    def end(self) -> None:
        if self._at != len(self._body):
            raise FormatError("the bundle's index is longer than its content")

    def _take(self, size: int) -> bytes:
        piece = self._body[self._at : self._at + size]
        if len(piece) != size:
            raise FormatError("the bundle's index ends early")
        self._at += size
        return piece
