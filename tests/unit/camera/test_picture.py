import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.camera.jpeg import Scan, TileEncoder, jpeg_file, quantisation_tables
from firmware_sim.camera.pattern import HEIGHT, WIDTH, TestPattern
from firmware_sim.camera.rtp_jpeg import MAX_PAYLOAD_BYTES, RtpSender, interleaved


def decoded_grey(jpeg: bytes, folder: Path) -> bytes:
    """Luminance samples as ffmpeg decodes them."""
    source = folder / "picture.jpg"
    source.write_bytes(jpeg)
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(source), "-f", "rawvideo", "-vf", "extractplanes=y", "-"]
    result = subprocess.run(command, capture_output=True, check=True, timeout=30)
    return result.stdout


def reassembled(packets: list[bytes]) -> tuple[bytes, bytes]:
    """(tables, scan data) as a receiver puts them together (RFC 2435 section 3.1.6)."""
    tables = data = b""
    for packet in packets:
        offset = int.from_bytes(packet[13:16], "big")
        body = packet[20:]
        if offset == 0:
            length = int.from_bytes(body[2:4], "big")
            tables, body = body[4 : 4 + length], body[4 + length :]
        assert offset == len(data)
        data += body
    return tables, data


def test_an_independent_decoder_sees_the_tiles_that_were_drawn(tmp_path: Path) -> None:
    ramp = bytes(16 * x + 4 * y for y in range(8) for x in range(8))
    stripes = bytes(200 if y % 2 else 60 for y in range(8) for x in range(8))
    corner = bytes(255 if x == y == 0 else 0 for y in range(8) for x in range(8))
    flat = bytes([77]) * 64
    tiles = [[ramp, stripes], [corner, flat]]

    scan = TileEncoder(16, 16, 95).encode(tiles, [[(90, 200)]])
    grey = decoded_grey(jpeg_file(scan), tmp_path)

    expected = b"".join(bytes(tiles[y // 8][x // 8][y % 8 * 8 + x % 8] for x in range(16)) for y in range(16))
    assert len(grey) == 256
    assert max(abs(a - b) for a, b in zip(grey, expected, strict=True)) <= 12


def test_every_frame_of_the_pattern_decodes_and_differs_from_the_last(tmp_path: Path) -> None:
    pattern = TestPattern()
    frames = [pattern.frame(number) for number in (0, 1, 2, 999_999, 1_000_003)]

    pictures = [decoded_grey(jpeg_file(frame), tmp_path) for frame in frames]

    assert all(len(picture) == WIDTH * HEIGHT for picture in pictures)
    assert len(set(pictures)) == len(pictures)


def test_the_same_number_is_the_same_frame() -> None:
    assert TestPattern().frame(5) == TestPattern().frame(5)


@pytest.mark.parametrize(
    ("width", "height", "quality"), [(8, 16, 50), (0, 16, 50), (16, 2048, 50), (16, 16, 0), (16, 16, 100)]
)
def test_impossible_pictures_are_refused(width: int, height: int, quality: int) -> None:
    with pytest.raises(ValueError, match=r"does not divide|not within"):
        TileEncoder(width, height, quality)


def test_quantisation_follows_the_rfc_at_the_middle_and_the_ends() -> None:
    assert quantisation_tables(50)[:4] == bytes((16, 11, 12, 14))
    assert set(quantisation_tables(99)) <= set(range(1, 4))
    assert max(quantisation_tables(1)) == 255


def test_packets_carry_the_whole_picture_and_the_last_is_marked() -> None:
    scan = TestPattern().frame(3)
    sender = RtpSender(ssrc=0x01020304, sequence=0xFFFE)

    packets = sender.packets(scan, timestamp=2**32 + 7)

    assert reassembled(packets) == (scan.tables, scan.data)
    assert [packet[1] >> 7 for packet in packets] == [0] * (len(packets) - 1) + [1]
    assert {packet[1] & 0x7F for packet in packets} == {26}
    assert [int.from_bytes(packet[2:4], "big") for packet in packets][:3] == [0xFFFE, 0xFFFF, 0]
    assert {packet[4:8] for packet in packets} == {(7).to_bytes(4, "big")}
    assert {packet[16:20] for packet in packets} == {bytes((1, 255, WIDTH // 8, HEIGHT // 8))}


@settings(max_examples=50)
@given(st.integers(min_value=1, max_value=20_000))
def test_any_length_is_cut_into_packets_within_the_limit(length: int) -> None:
    scan = Scan(16, 16, bytes(128), bytes(length))

    packets = RtpSender(1, 1).packets(scan, 0)

    assert reassembled(packets)[1] == scan.data
    assert max(len(packet) for packet in packets) <= 20 + MAX_PAYLOAD_BYTES
    assert interleaved(2, packets[0])[:2] == b"$\x02"
