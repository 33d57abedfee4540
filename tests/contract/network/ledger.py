"""What a camera has got of each target, byte by byte: read from what the line has carried to it, with the front's keys.

A record of TLS counts once it has come whole: before that nobody can read it. So this is exactly what the agent could
have kept, whatever the server had sent, and whatever still lay in a buffer when a line was cut.
"""

import re
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from agent.formats.block_tree import BLOCK_BYTES

TARGETS = "/targets/"
IMAGE = ".slot"
HELLO_RANDOM = slice(11, 43)
"""Of a first record: behind its head (5), the message's (4) and the version (2)."""
SESSION_AT = 43
"""In it: one byte of length, the session's id; then, in a server's hello, the suite."""
MAX_SESSION_BYTES = 34
"""Its longest id, its length before it, and half of the suite behind it: a whole hello is longer in any case."""
HEAD = struct.Struct("!BHH")
APPLICATION, IV_BYTES = 23, 12
SUITES = {
    0x1301: (AESGCM, 16, hashes.SHA256()),
    0x1302: (AESGCM, 32, hashes.SHA384()),
    0x1303: (ChaCha20Poly1305, 32, hashes.SHA256()),
}


@dataclass(frozen=True)
class Piece:
    """Bytes of a target that have come in one answer, without a gap, by `at` (monotonic seconds)."""

    path: str
    first: int
    length: int
    at: float

    @property
    def end(self):
        return self.first + self.length


def answers(recordings, keys):
    """What came of each answer with a part of a target; each a list of pieces, one for each record of TLS.

    Args:
        recordings: (to_camera, to_server, moments) of each connection; moments: see `Carried`.
        keys: the file that the front has written.
    """
    secrets = _secrets(keys)
    found = []
    for to_camera, to_server, moments in recordings:
        hello = bytes(to_server[HELLO_RANDOM])
        if "SERVER_TRAFFIC_SECRET_0" not in secrets.get(hello, {}) or "CLIENT_TRAFFIC_SECRET_0" not in secrets[hello]:
            continue  # its keys are not agreed on yet, or it ended before
        if len(to_camera) <= SESSION_AT + MAX_SESSION_BYTES:
            continue  # nor has the camera heard of it
        (suite,) = struct.unpack_from("!H", to_camera, SESSION_AT + 1 + to_camera[SESSION_AT])
        requests = b"".join(text for _, text in _opened(to_server, secrets[hello]["CLIENT_TRAFFIC_SECRET_0"], suite))
        records = list(_opened(to_camera, secrets[hello]["SERVER_TRAFFIC_SECRET_0"], suite))
        found += _matched(_paths(requests), records, moments)
    return found


def again(found):
    """What came more than once: (path, first, end), of an image only blocks that each time came whole.

    A block that a cut has left in two parts could not be verified by either.
    """
    spans = {}
    for answer in found:
        path, first, end = whole(answer)
        if first < end:
            spans.setdefault(path, []).append((first, end))
    repeated = []
    for path in spans:
        known = 0
        for first, end in sorted(spans[path]):
            if first < known:
                repeated.append((path, first, min(end, known)))
            known = max(known, end)
    return repeated


def whole(answer):
    """What of an answer could be used: (path, first, end); whole blocks of an image, all bytes of anything else."""
    path = answer[0].path
    step = BLOCK_BYTES if path.endswith(IMAGE) else 1
    return path, -(-answer[0].first // step) * step, answer[-1].end // step * step


def blocks(found):
    """The numbers of the blocks of the image that have come whole."""
    spans = [whole(answer) for answer in found if answer[0].path.endswith(IMAGE)]
    return {at // BLOCK_BYTES for _, first, end in spans for at in range(first, end, BLOCK_BYTES)}


def until(found, at):
    """What had come by then."""
    return [early for answer in found if (early := [piece for piece in answer if piece.at <= at])]


def received(found):
    """How many bytes of targets have come, again or not."""
    return sum(piece.length for answer in found for piece in answer)


def _secrets(keys):
    found = {}
    text = keys.read_text()
    for line in text[: text.rfind("\n") + 1].splitlines():
        if not line.startswith("#"):
            label, hello, secret = line.split()
            found.setdefault(bytes.fromhex(hello), {})[label] = bytes.fromhex(secret)
    return found


def _expand(secret, label, length, algorithm):
    """HKDF-Expand-Label without a context (RFC 8446, 7.1)."""
    name = b"tls13 " + label
    info = struct.pack("!HB", length, len(name)) + name + b"\0"
    return HKDFExpand(algorithm, length, info).derive(secret)


def _opened(stream, secret, suite):
    """The application's bytes of each whole record (RFC 8446, 5.2), and where in the stream that record ends."""
    cipher, key_bytes, algorithm = SUITES[suite]
    aead = cipher(_expand(secret, b"key", key_bytes, algorithm))
    iv = int.from_bytes(_expand(secret, b"iv", IV_BYTES, algorithm))
    at = number = 0
    while at + HEAD.size <= len(stream):
        kind, _, length = HEAD.unpack_from(stream, at)
        head, body = bytes(stream[at : at + HEAD.size]), bytes(stream[at + HEAD.size : at + HEAD.size + length])
        at += HEAD.size + length
        if len(body) < length:
            return
        if kind != APPLICATION:
            continue
        try:
            inner = aead.decrypt((iv ^ number).to_bytes(IV_BYTES), body, head).rstrip(b"\0")
        except InvalidTag:
            assert number == 0, "a record that does not open"
            continue  # of the handshake, which has keys of its own
        number += 1
        if inner[-1] == APPLICATION:
            yield at, inner[:-1]


def _paths(requests):
    """The paths that were asked for, in their order."""
    found = []
    while b"\r\n\r\n" in requests:
        head, _, requests = requests.partition(b"\r\n\r\n")
        found.append(head.split()[1].decode())
        length = _header(head, "content-length", rb"(\d+)")
        requests = requests[int(length[1]) if length else 0 :]
    return found


def _matched(paths, records, moments):
    """The pieces of answers with a part of a target; answers come in the order of their requests."""
    found, paths = [], iter(paths)
    head, answer, path, first, left = b"", [], "", 0, 0
    for end, came in records:
        rest = came
        while rest:
            if not left:
                head += rest
                if b"\r\n\r\n" not in head:
                    break
                head, _, rest = head.partition(b"\r\n\r\n")
                status, path = int(head.split()[1]), next(paths)
                length = _header(head, "content-length", rb"(\d+)")
                assert length or status in {204, 304}, head
                left, part = int(length[1]) if length else 0, _header(head, "content-range", rb"bytes (\d+)-")
                first, head, answer = int(part[1]) if part else 0, b"", []
                if status == 206 and path.startswith(TARGETS):
                    found.append(answer)
                continue
            count = min(left, len(rest))
            answer.append(Piece(path, first, count, next(moment for moment, carried in moments if carried >= end)))
            first, left, rest = first + count, left - count, rest[count:]
    return [answer for answer in found if answer]


def _header(head, name, value):
    return re.search(rb"(?im)^" + name.encode() + rb": *" + value, head)
