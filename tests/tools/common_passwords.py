"""`python -m tests.tools.common_passwords SOURCE [FOLDER]`: makes the filters of common passwords from their list.

SOURCE is the list itself, or an archive that holds it (agent/core/common-passwords.txt says where it is to be had: two
public packages carry the same bytes). The same list gives the same files, byte for byte; they go into agent/core.
`--any-list` takes another list, one password a line, the commonest first: a manufacturer's own.
"""

import hashlib
import math
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import agent.core
from agent.core import guessing, word_filter

SOURCE_SHA256 = "eac6323842b3261da0ef4c180c8e23f4d056522ea97c2925b8687f453b40a2be"
SOURCE_NAMES = ("common-credentials-1M.txt", "10_million_password_list_top_1M.txt")
CORE = Path(agent.core.__file__).parent
MADE = {"common-10k.fuse": (10_000, 5, 3), "common-100k.fuse": (100_000, 6, 2)}
"""File: how many words, the fewest characters of one, and the bytes of a fingerprint.

Shorter words turn up in random texts by accident, and are too short to be a whole password under any profile. The
commoner words cost little more with three bytes, and two of them are enough to refuse a password.
"""

GROW = 1.02
"""How much larger a table gets when no window fits: not seen with lists of more than a hundred words."""


def words(lines: Iterable[str], count: int, min_chars: int) -> list[str]:
    """The first `count` different words, folded as the policy folds a password before it asks."""
    found: dict[str, None] = {}
    for line in lines:
        word = guessing.fold(line)
        if min_chars <= len(word) <= word_filter.MAX_WORD_CHARS:
            found[word] = None
        if len(found) == count:
            break
    return list(found)


def make(listed: list[str], min_chars: int, size: int, source_sha256: bytes) -> bytes:
    """The filter file of these words, all of them different; `size`: bytes of a fingerprint."""
    digests = [hashlib.sha256(word.encode()).digest() for word in listed]
    segment, segments = _shape(len(digests))
    while True:
        for window in range(word_filter.WINDOWS):
            table = _table(digests, window, size, (segment, segments))
            if table is not None:
                head = word_filter.MAGIC + len(digests).to_bytes(4, "big") + bytes((min_chars, window, size, 0))
                head += segment.to_bytes(4, "big") + (segment * segments).to_bytes(4, "big") + source_sha256
                body = head + table
                return body + hashlib.sha256(body).digest()
        segments = max(segments + 1, int(segments * GROW))


def _shape(count: int) -> tuple[int, int]:
    """Length of a segment and how many of them, as the paper's reference code has it for three places."""
    if count < 2:
        return 4, 3
    segment = 2 ** math.floor(math.log(count) / math.log(3.33) + 2.25)
    slots = count * max(1.125, 0.875 + 0.25 * math.log(1_000_000) / math.log(count))
    return segment, max(3, math.ceil(slots / segment))


def _table(digests: list[bytes], window: int, size: int, shape: tuple[int, int]) -> bytes | None:
    """Find an order in which each word has a slot of its own, and fill the slots backwards; None if there is none."""
    slots = shape[0] * shape[1]
    places = [tuple(_places(digest, window, *shape)) for digest in digests]
    users: list[int] = [0] * slots
    mixed: list[int] = [0] * slots  # of the words that use a slot, their numbers by exclusive or
    for number, three in enumerate(places):
        for place in three:
            users[place] += 1
            mixed[place] ^= number
    single = [place for place, count in enumerate(users) if count == 1]
    order: list[tuple[int, int]] = []
    while single:
        place = single.pop()
        if users[place] != 1:
            continue
        number = mixed[place]
        order.append((number, place))
        for other in places[number]:
            users[other] -= 1
            mixed[other] ^= number
            if users[other] == 1:
                single.append(other)
    if len(order) != len(digests):
        return None
    filled = [0] * slots
    print_at = window + word_filter.PLACES_BYTES
    for number, place in reversed(order):
        value = int.from_bytes(digests[number][print_at : print_at + size], "big")
        for other in places[number]:
            value ^= filled[other]
        filled[place] = value
    return b"".join(value.to_bytes(size, "big") for value in filled)


def _places(digest: bytes, window: int, segment: int, segments: int) -> Iterator[int]:
    numbers = [int.from_bytes(digest[at : at + 4], "big") for at in range(window, window + 16, 4)]
    first = numbers[0] % (segments - 2)
    for nth, number in enumerate(numbers[1:]):
        yield (first + nth) * segment + number % segment


def read_list(source: Path) -> bytes:
    """The list: the file itself, or from an archive that holds it.

    Raises:
        SystemExit: the archive does not hold it.
        OSError: the file cannot be read.
    """
    if not tarfile.is_tarfile(source):
        return source.read_bytes()
    with tarfile.open(source) as archive:
        for member in archive:
            if Path(member.name).name in SOURCE_NAMES and (file := archive.extractfile(member)) is not None:
                return file.read()
    raise SystemExit(f"{source} holds none of {', '.join(SOURCE_NAMES)}")


def files(body: bytes) -> dict[str, bytes]:
    """The filter files of a list."""
    source = hashlib.sha256(body).digest()
    lines = body.decode(errors="replace").splitlines()
    return {name: make(words(lines, count, least), least, size, source) for name, (count, least, size) in MADE.items()}


def main(arguments: list[str]) -> int:
    """Write the files; 1 if the list is not the one that they were first made of."""
    given = [word for word in arguments if word != "--any-list"]
    if not 1 <= len(given) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    body = read_list(Path(given[0]))
    found = hashlib.sha256(body).hexdigest()
    if found != SOURCE_SHA256 and "--any-list" not in arguments:
        print(f"this is another list: SHA-256 {found}, not {SOURCE_SHA256}", file=sys.stderr)
        return 1
    folder = Path(given[1]) if len(given) > 1 else CORE
    for name, made in files(body).items():
        (folder / name).write_bytes(made)
        print(f"{folder / name}: {len(made)} bytes, {word_filter.parse(made).count} words")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
