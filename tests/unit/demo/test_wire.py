"""Reading a capture: streams in order, TLS told from anything else, markers found where they are."""

import struct
from pathlib import Path

import pytest

from firmware_sim.demo.step import StepFailed
from firmware_sim.demo.wire import Capture, begins_with_hello, tls_records

CAMERA, BROKER = ("10.0.2.15", 40000), ("10.0.2.2", 8883)
SYN, ACK = 0x02, 0x10


def segment(source: tuple[str, int], target: tuple[str, int], sequence: int, flags: int, payload: bytes) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", source[1], target[1], sequence & 0xFFFFFFFF, 0, 5 << 4, flags, 0, 0, 0) + payload
    addresses = b"".join(bytes(map(int, one[0].split("."))) for one in (source, target))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses
    return bytes(12) + b"\x08\x00" + ip + tcp


def capture(path: Path, *frames: bytes) -> Capture:
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    return Capture(path)


def test_segments_are_put_in_order_taken_once_and_end_at_a_gap(tmp_path: Path):
    start = 0xFFFFFFFD  # the sequence number wraps
    frames = [
        segment(CAMERA, BROKER, start, SYN, b""),
        segment(CAMERA, BROKER, start + 4, ACK, b"lo "),
        segment(CAMERA, BROKER, start + 1, ACK, b"hel"),
        segment(CAMERA, BROKER, start + 1, ACK, b"hel"),
        segment(CAMERA, BROKER, start + 7, ACK, b"world"),
        segment(CAMERA, BROKER, start + 99, ACK, b"lost"),
    ]
    streams = capture(tmp_path / "c", *frames).towards(8883)
    assert [stream.data for stream in streams] == [b"hello world"]


def test_a_marker_split_over_two_segments_is_found_and_an_absent_one_is_not(tmp_path: Path):
    frames = [segment(CAMERA, BROKER, 10, ACK, b"camward/1/up/tele"), segment(CAMERA, BROKER, 27, ACK, b"metry")]
    seen = capture(tmp_path / "c", *frames)
    assert seen.contains(b"telemetry")
    assert not seen.contains(b"password")


def test_the_same_ports_again_are_another_stream(tmp_path: Path):
    frames = []
    for word in (b"one", b"two"):
        frames += [segment(CAMERA, BROKER, 100, SYN, b""), segment(CAMERA, BROKER, 101, ACK, word)]
    assert [stream.data for stream in capture(tmp_path / "c", *frames).of_port(8883)] == [b"one", b"two"]


def test_frames_that_are_no_tcp_are_passed_over(tmp_path: Path):
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    assert capture(tmp_path / "c", arp, b"short").streams == []


def test_tls_is_told_from_plain_text():
    hello = b"\x16\x03\x01\x00\x04\x01abc"
    data = b"\x17\x03\x03\x00\x02xy"
    assert begins_with_hello(hello + data)
    assert not begins_with_hello(data)
    assert not begins_with_hello(b"\x10\x1b\x00\x04MQTT\x05")
    assert not begins_with_hello(b"")
    assert tls_records(hello + b"plain text") is None
    assert tls_records(hello + data[:5]) == [(22, b"\x01abc"), (23, b"")]


def test_a_file_that_is_no_capture_is_refused(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"not a capture")
    with pytest.raises(StepFailed, match="no packet capture"):
        Capture(tmp_path / "x")
