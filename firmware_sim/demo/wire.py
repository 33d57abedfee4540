"""Reads a packet capture the way an eavesdropper would: which TCP streams there are and what stands in them."""

import struct
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.demo.step import StepFailed

_PCAP_MAGIC = 0xA1B2C3D4
_PCAP_HEADER_BYTES = 24
_RECORD_HEADER_BYTES = 16
_ETHERNET_BYTES = 14
_ETHERTYPE_IPV4 = 0x0800
_PROTOCOL_TCP = 6
_SYN = 0x02
TLS_HANDSHAKE = 22
TLS_APPLICATION_DATA = 23
TLS_RECORD_TYPES = (20, 21, TLS_HANDSHAKE, TLS_APPLICATION_DATA)
"""Change cipher spec, alert, handshake, application data (RFC 8446, 5.1)."""
_TLS_RECORD_HEADER_BYTES = 5
_HELLOS = (b"\x01", b"\x02")


@dataclass(frozen=True)
class Stream:
    """One direction of one TCP connection, put together in sequence order."""

    source: tuple[str, int]
    target: tuple[str, int]
    data: bytes


class Capture:
    """A classic pcap file as QEMU's `filter-dump` writes it: Ethernet frames, microseconds, the host's byte order."""

    def __init__(self, path: Path) -> None:
        """Read the whole file.

        Raises:
            StepFailed: it is no such capture.
        """
        raw = path.read_bytes()
        order = next((sign for sign in "<>" if raw[:4] == struct.pack(f"{sign}I", _PCAP_MAGIC)), None)
        if order is None:
            raise StepFailed(f"{path} is no packet capture")
        self.frames = list(_frames(raw, order))
        self.streams = _streams(self.frames)

    def contains(self, marker: bytes) -> bool:
        """Say whether `marker` stands in any frame or in any put-together stream."""
        return any(marker in frame for frame in self.frames) or any(marker in one.data for one in self.streams)

    def towards(self, port: int) -> list[Stream]:
        """Return the streams that go to `port`."""
        return [stream for stream in self.streams if stream.target[1] == port]

    def of_port(self, port: int) -> list[Stream]:
        """Return the streams to and from `port`."""
        return [stream for stream in self.streams if port in (stream.target[1], stream.source[1])]


def tls_records(data: bytes) -> list[tuple[int, bytes]] | None:
    """Split a stream into TLS records (type, body); None if anything in it is not one. The last may be cut short."""
    records: list[tuple[int, bytes]] = []
    at = 0
    while at + _TLS_RECORD_HEADER_BYTES <= len(data):
        kind, major, length = data[at], data[at + 1], int.from_bytes(data[at + 3 : at + 5], "big")
        if kind not in TLS_RECORD_TYPES or major != 3:
            return None
        at += _TLS_RECORD_HEADER_BYTES
        records.append((kind, data[at : at + length]))
        at += length
    return records


def begins_with_hello(data: bytes) -> bool:
    """Say whether a stream begins with a TLS ClientHello or ServerHello, so that all of its records are seen."""
    records = tls_records(data)
    if not records:
        return False
    kind, body = records[0]
    return kind == TLS_HANDSHAKE and body[:1] in _HELLOS


def _frames(raw: bytes, order: str) -> list[bytes]:
    frames = []
    at = _PCAP_HEADER_BYTES
    while at + _RECORD_HEADER_BYTES <= len(raw):
        length = struct.unpack_from(f"{order}I", raw, at + 8)[0]
        at += _RECORD_HEADER_BYTES
        frames.append(raw[at : at + length])
        at += length
    return frames


def _streams(frames: list[bytes]) -> list[Stream]:
    starts: dict[tuple[tuple[str, int], tuple[str, int]], int] = {}
    pieces: dict[tuple[tuple[str, int], tuple[str, int]], list[tuple[int, bytes]]] = defaultdict(list)
    finished: list[Stream] = []
    for frame in frames:
        parsed = _segment(frame)
        if parsed is None:
            continue
        ends, sequence, flags, payload = parsed
        if flags & _SYN:
            if pieces[ends]:  # the same two ports again, after a power cut for instance
                finished.append(Stream(*ends, _join(pieces.pop(ends))))
            starts[ends] = sequence + 1
        elif payload:
            start = starts.setdefault(ends, sequence)
            pieces[ends].append(((sequence - start) & 0xFFFFFFFF, payload))
    return finished + [Stream(*ends, _join(some)) for ends, some in pieces.items() if some]


def _segment(frame: bytes) -> tuple[tuple[tuple[str, int], tuple[str, int]], int, int, bytes] | None:
    """Take a TCP/IPv4 segment apart: ends, sequence number, flags, payload."""
    if len(frame) < _ETHERNET_BYTES + 20 or int.from_bytes(frame[12:14], "big") != _ETHERTYPE_IPV4:
        return None
    packet = frame[_ETHERNET_BYTES:]
    header_bytes, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    if packet[9] != _PROTOCOL_TCP or len(packet) < header_bytes + 20:
        return None
    segment = packet[header_bytes:total]
    source_port, target_port, sequence = struct.unpack_from("!HHI", segment)
    payload = segment[(segment[12] >> 4) * 4 :]
    source, target = (".".join(map(str, packet[at : at + 4])) for at in (12, 16))
    return ((source, source_port), (target, target_port)), sequence, segment[13], payload


def _join(pieces: list[tuple[int, bytes]]) -> bytes:
    """Put segments in order; what was sent twice is taken once, and the stream ends at the first gap."""
    data = bytearray()
    for offset, payload in sorted(pieces, key=lambda piece: piece[0]):
        if offset > len(data):
            break
        data += payload[len(data) - offset :]
    return bytes(data)
