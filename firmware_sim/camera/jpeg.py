"""A small baseline JPEG encoder for pictures made of tiles (ITU-T T.81, sequential DCT, 8 bit, 4:2:0).

It is not a general encoder: a picture is given as a map of 8x8 luminance tiles and flat chrominance, because a
distinct tile is then transformed once and an emulated Cortex-A53 encodes a frame in milliseconds. Its output is an
ordinary JPEG file, and `Scan.data` is what RFC 2435 puts on the wire.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

Tile = bytes
"""64 luminance samples of one 8x8 block, row by row."""

ZIGZAG = (
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
)  # fmt: skip

# T.81 annex K.1, row by row.
LUMINANCE_BASE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMINANCE_BASE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *([99]* 32),
)  # fmt: skip

# T.81 annex K.3: (number of codes of each length 1..16, symbols). RFC 2435 receivers assume exactly these.
DC_LUMINANCE = (bytes((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)), bytes(range(12)))
DC_CHROMINANCE = (bytes((0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0)), bytes(range(12)))
AC_LUMINANCE = (
    bytes((0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D)),
    bytes.fromhex(
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a"
        "434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aa"
        "b2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    ),
)
AC_CHROMINANCE = (
    bytes((0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77)),
    bytes.fromhex(
        "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a"
        "434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aa"
        "b2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
    ),
)

_COSINES = tuple(
    tuple(math.cos((2 * x + 1) * u * math.pi / 16) * (math.sqrt(0.125) if u == 0 else 0.5) for x in range(8))
    for u in range(8)
)


class Scan(NamedTuple):
    """One encoded picture without its file headers.

    Attributes:
        width: pixels, a multiple of 16.
        height: pixels, a multiple of 16.
        tables: the two quantisation tables, luminance then chrominance, 64 bytes each in zigzag order.
        data: entropy-coded data with byte stuffing, without markers.
    """

    width: int
    height: int
    tables: bytes
    data: bytes


def quantisation_tables(quality: int) -> bytes:
    """Two tables in zigzag order for an IJG quality factor, as RFC 2435 appendix A scales them.

    Args:
        quality: 1..99.

    Raises:
        ValueError: quality is out of range.
    """
    if not 1 <= quality <= 99:
        raise ValueError(f"JPEG quality {quality} is not within 1..99")
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return bytes(
        min(255, max(1, (base[i] * scale + 50) // 100)) for base in (LUMINANCE_BASE, CHROMINANCE_BASE) for i in ZIGZAG
    )


def jpeg_file(scan: Scan) -> bytes:
    """The scan as a complete JFIF file.

    Raises:
        Nothing: every scan has a file.
    """
    frame = bytes(
        (8, *scan.height.to_bytes(2, "big"), *scan.width.to_bytes(2, "big"), 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1)
    )
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xDB, b"\x00" + scan.tables[:64]),
            _segment(0xDB, b"\x01" + scan.tables[64:]),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + DC_LUMINANCE[0] + DC_LUMINANCE[1]),
            _segment(0xC4, b"\x10" + AC_LUMINANCE[0] + AC_LUMINANCE[1]),
            _segment(0xC4, b"\x01" + DC_CHROMINANCE[0] + DC_CHROMINANCE[1]),
            _segment(0xC4, b"\x11" + AC_CHROMINANCE[0] + AC_CHROMINANCE[1]),
            _segment(0xDA, b"\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00"),
            scan.data,
            b"\xff\xd9",
        )
    )


class TileEncoder:
    """Encodes pictures made of tiles; keeps every tile it has met, so give it a bounded set of them.

    Not safe for two threads at once.
    """

    def __init__(self, width: int, height: int, quality: int) -> None:
        """Prepare tables.

        Args:
            width: pixels, a multiple of 16.
            height: pixels, a multiple of 16.
            quality: 1..99.

        Raises:
            ValueError: a size that is no multiple of 16, or a quality out of range.
        """
        if width % 16 or height % 16 or not 0 < width <= 2040 or not 0 < height <= 2040:
            raise ValueError(f"a picture of {width}x{height} does not divide into 16x16 units of at most 2040 pixels")
        self._width = width
        self._height = height
        self._tables = quantisation_tables(quality)
        self._dc_luminance = _dc_strings(DC_LUMINANCE)
        self._dc_chrominance = _dc_strings(DC_CHROMINANCE)
        self._ac_luminance = _code_strings(AC_LUMINANCE)
        self._flat_end = _code_strings(AC_CHROMINANCE)[0]
        self._tiles: dict[Tile, tuple[int, str]] = {}

    def encode(self, luminance: Sequence[Sequence[Tile]], chrominance: Sequence[Sequence[tuple[int, int]]]) -> Scan:
        """Encode one picture.

        Args:
            luminance: rows of tiles, height/8 rows of width/8.
            chrominance: rows of flat (Cb, Cr) samples 0..255, height/16 rows of width/16.

        Raises:
            IndexError: a map is too small for the picture.
        """
        out: list[str] = []
        dc_y, dc_c, flat_end = self._dc_luminance, self._dc_chrominance, self._flat_end
        last_y = last_cb = last_cr = 0
        for unit_row in range(self._height // 16):
            upper, lower = luminance[2 * unit_row], luminance[2 * unit_row + 1]
            colours = chrominance[unit_row]
            for unit in range(self._width // 16):
                left = 2 * unit
                for tile in (upper[left], upper[left + 1], lower[left], lower[left + 1]):
                    value, ac_bits = self._tile(tile)
                    out.append(dc_y[value - last_y])
                    out.append(ac_bits)
                    last_y = value
                cb, cr = (self._flat_chrominance(sample) for sample in colours[unit])
                out += (dc_c[cb - last_cb], flat_end, dc_c[cr - last_cr], flat_end)
                last_cb, last_cr = cb, cr
        return Scan(self._width, self._height, self._tables, _stuffed("".join(out)))

    def _flat_chrominance(self, sample: int) -> int:
        return round((sample - 128) * 8 / self._tables[64])

    def _tile(self, tile: Tile) -> tuple[int, str]:
        known = self._tiles.get(tile)
        if known is None:
            known = self._tiles[tile] = self._transform(tile)
        return known

    def _transform(self, tile: Tile) -> tuple[int, str]:
        """Quantised DC value and the Huffman bits of the AC coefficients."""
        table = self._tables
        if tile.count(tile[0]) == 64:
            return round((tile[0] - 128) * 8 / table[0]), self._ac_luminance[0]
        coefficients = _dct(tile)
        quantised = [round(coefficients[position] / table[k]) for k, position in enumerate(ZIGZAG)]
        return quantised[0], self._ac_bits(quantised)

    def _ac_bits(self, quantised: list[int]) -> str:
        codes = self._ac_luminance
        bits: list[str] = []
        zeros = 0
        for value in quantised[1:]:
            if value == 0:
                zeros += 1
                continue
            while zeros > 15:
                bits.append(codes[0xF0])
                zeros -= 16
            size = abs(value).bit_length()
            bits.append(codes[zeros << 4 | size] + _magnitude(value, size))
            zeros = 0
        if zeros:
            bits.append(codes[0])
        return "".join(bits)


def _dct(tile: Tile) -> list[float]:
    rows = [[sum((tile[8 * y + x] - 128) * c[x] for x in range(8)) for c in _COSINES] for y in range(8)]
    return [sum(rows[y][u] * c[y] for y in range(8)) for c in _COSINES for u in range(8)]


def _magnitude(value: int, size: int) -> str:
    """T.81 F.1.2.1: the `size` low bits of the value, or of value - 1 when negative."""
    if size == 0:
        return ""
    return format(value if value > 0 else value + (1 << size) - 1, f"0{size}b")


def _code_strings(table: tuple[bytes, bytes]) -> dict[int, str]:
    """T.81 annex C: the Huffman code of each symbol, as a string of 0 and 1."""
    counts, symbols = table
    codes: dict[int, str] = {}
    code = position = 0
    for length, count in enumerate(counts, start=1):
        for _ in range(count):
            codes[symbols[position]] = format(code, f"0{length}b")
            code += 1
            position += 1
        code <<= 1
    return codes


class _DcStrings(dict[int, str]):
    """DC difference -> bits, filled as differences are met (at most 4095 of them)."""

    def __init__(self, codes: dict[int, str]) -> None:
        super().__init__()
        self._codes = codes

    def __missing__(self, difference: int) -> str:
        size = abs(difference).bit_length()
        bits = self[difference] = self._codes[size] + _magnitude(difference, size)
        return bits


def _dc_strings(table: tuple[bytes, bytes]) -> _DcStrings:
    return _DcStrings(_code_strings(table))


def _stuffed(bits: str) -> bytes:
    """Bits padded with ones to a byte boundary, each 0xFF byte followed by a zero byte (T.81 F.1.2.3)."""
    bits += "1" * (-len(bits) % 8)
    return int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\x00")


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content
