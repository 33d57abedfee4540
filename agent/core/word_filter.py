"""A set of words in 19 bits each: a binary fuse filter (Graf and Lemire, 2022). Pure.

It knows every word it was made of, and takes one in 65,536 of all others for one of them, with fingerprints of two
bytes; with three, one in 16 millions. The file is made by tests/tools/common_passwords.py; docs/password-policy.md
compares it with a Bloom filter.

    magic "CWF1" | words, 4 bytes | fewest characters of a word | window | bytes of a fingerprint | zero
    | segment, 4 | slots, 4 | SHA-256 of the list it was made of | slots, each a fingerprint | SHA-256 of all before

Numbers are big-endian. A word's SHA-256 says everything: from byte `window` on, 4 bytes that choose the first of three
neighbouring segments, 4 bytes for the place in each, and the fingerprint, which the three slots give when they are
combined by exclusive or.
"""

from hashlib import sha256
from struct import unpack_from

from agent.formats.errors import FormatError

MAGIC = b"CWF1"
HEADER_BYTES = 52
HASH_BYTES = 32
PLACES_BYTES = 16  # of a word's SHA-256: 4 for the segment, 4 for each of three places
FINGERPRINTS = (2, 3)  # bytes
WINDOWS = HASH_BYTES - PLACES_BYTES - FINGERPRINTS[-1] + 1  # several, because some make no filter of some lists
MAX_FILTER_BYTES = 1024 * 1024  # what the list may cost in memory; 100,000 words take 232 KiB
MAX_WORD_CHARS = 64


class WordFilter:
    """The parsed file; holds on to its bytes."""

    def __init__(self, body: bytes) -> None:
        """Check and take the bytes.

        Raises:
            FormatError: they are no filter, or damaged.
        """
        if not HEADER_BYTES + HASH_BYTES < len(body) <= MAX_FILTER_BYTES or body[:4] != MAGIC:
            raise FormatError("no word filter")
        end = len(body) - HASH_BYTES
        if sha256(memoryview(body)[:end]).digest() != body[end:]:
            raise FormatError("the word filter is damaged")
        self.count = _number(body, 4)
        self.min_chars = body[8]
        self._window = body[9]
        self._segment = _number(body, 12)
        self._size = body[10]
        slots = _number(body, 16)
        if self._window >= WINDOWS or self._size not in FINGERPRINTS or body[11]:
            raise FormatError("a word filter of another kind")
        if not 0 < self.min_chars <= MAX_WORD_CHARS:
            raise FormatError("the word filter has words of no length")
        if self._segment == 0 or slots % self._segment or slots < 3 * self._segment:
            raise FormatError("the segments of the word filter do not fit")
        if HEADER_BYTES + self._size * slots != end:
            raise FormatError("the word filter is not as long as it says")
        self._firsts = slots // self._segment - 2
        self._body = body

    def source_sha256(self) -> bytes:
        """Of the list that the filter was made of."""
        return self._body[20:HEADER_BYTES]

    def holds(self, digest: bytes) -> bool:
        """Whether the word with this SHA-256 is one of the list, or one of those few that are taken for one."""
        at, size, segment, body = self._window, self._size, self._segment, self._body
        chosen, one, two, three = unpack_from(">4I", digest, at)
        start = HEADER_BYTES + size * segment * (chosen % self._firsts)
        one = start + size * (one % segment)
        two = start + size * (segment + two % segment)
        three = start + size * (2 * segment + three % segment)
        for nth in range(size):
            if body[one + nth] ^ body[two + nth] ^ body[three + nth] != digest[at + PLACES_BYTES + nth]:
                return False
        return True


def parse(body: bytes) -> WordFilter:
    """Read a filter file.

    Raises:
        FormatError: it is no filter, or damaged.
    """
    return WordFilter(body)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
