"""The moving test pattern: a river under a bridge gauge, drawn from few distinct tiles so that frames are cheap.

It stands for a sensor. Every frame differs from the last (the water flows, the level moves, the frame number counts),
so that a frozen picture shows.
"""

import threading

from firmware_sim.camera.jpeg import Scan, Tile, TileEncoder

WIDTH = 320
HEIGHT = 240
QUALITY = 70
COUNT_DIGITS = 6
"""The frame number wraps after a million frames."""

_COLUMNS = WIDTH // 8
_ROWS = HEIGHT // 8
_HORIZON = 14
_WATER_PHASES = 8
_GAUGE_COLUMN = 32

# 5x7 glyphs, one row per five bits, drawn in the middle of a tile.
_GLYPHS = {
    "0": "0e11131519110e", "1": "040c040404040e", "2": "0e11010204081f", "3": "1f02040201110e", "4": "02060a121f0202",
    "5": "1f101e0101110e", "6": "0608101e11110e", "7": "1f010204080808", "8": "0e11110e11110e", "9": "0e11110f01020c",
    "A": "0e11111f111111", "C": "0e11101010110e", "D": "1c12111111121c", "E": "1f10101e10101f", "I": "0e04040404040e",
    "M": "111b1515111111", "N": "11111915131111", "P": "1e11111e101010", "R": "1e11111e141211", "S": "0f10100e01011e",
    "T": "1f040404040404", "W": "11111115151b11", "K": "11121418141211", "-": "0000001f000000", " ": "00000000000000",
}  # fmt: skip


class TestPattern:
    """Makes frames by number; threads may share it, and all viewers of one moment share one encoded frame.

    Not remembered: any frame but the last.
    """

    __test__ = False  # the name is the trade's word, not pytest's

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._encoder: TileEncoder | None = None
        self._scene: list[list[Tile]] = []
        self._number = -1
        self._scan: Scan | None = None

    def frame(self, number: int) -> Scan:
        """The encoded frame of this number.

        Args:
            number: frames since an arbitrary start, >= 0.

        Raises:
            Nothing: every number has a frame.
        """
        with self._lock:
            if self._encoder is None:
                self._encoder = TileEncoder(WIDTH, HEIGHT, QUALITY)
                self._scene = _still_scene()
            if self._scan is None or number != self._number:
                self._scan = self._encoder.encode(_moving_scene(self._scene, number), _COLOURS)
                self._number = number
            return self._scan


def level(number: int) -> int:
    """How many of the gauge's marks stand under water in a frame, 0 to 3."""
    return (number // 4) % 4


def _still_scene() -> list[list[Tile]]:
    """What never moves: sky, far bank with hills, the gauge and the two captions."""
    rows = [[_flat(222 - 4 * row)] * _COLUMNS for row in range(_HORIZON)]
    for column in range(_COLUMNS):
        top = (11, 10, 9, 9, 10, 10, 11, 12, 12, 11)[column // 4]
        for row in range(top, _HORIZON):
            rows[row][column] = _slope(column) if row == top else _flat(96)
    rows.extend([_flat(96)] * _COLUMNS for _ in range(_ROWS - _HORIZON))
    for row in range(3, _ROWS - 3):
        for column in (_GAUGE_COLUMN, _GAUGE_COLUMN + 1):
            rows[row][column] = _gauge(row, column == _GAUGE_COLUMN)
    _write(rows, 1, 2, "CAMWARD KAWA-1")
    _write(rows, 2, 2, "TEST PATTERN")
    return rows


def _moving_scene(scene: list[list[Tile]], number: int) -> list[list[Tile]]:
    rows = [list(row) for row in scene]
    for row in range(_HORIZON, _ROWS):
        waves = [_wave((number + 3 * row + column) % _WATER_PHASES, row) for column in range(_WATER_PHASES)]
        wet = row >= 18 - level(number)
        for column in range(_COLUMNS):
            if column not in (_GAUGE_COLUMN, _GAUGE_COLUMN + 1) or wet:
                rows[row][column] = waves[column % _WATER_PHASES]
    _write(rows, 27, 2, f"{number % 10**COUNT_DIGITS:0{COUNT_DIGITS}d}")
    return rows


def _write(rows: list[list[Tile]], row: int, column: int, text: str) -> None:
    for offset, letter in enumerate(text):
        rows[row][column + offset] = _letter(letter)


def _flat(shade: int) -> Tile:
    return bytes((shade,)) * 64


_LETTERS: dict[str, Tile] = {}


def _letter(letter: str) -> Tile:
    tile = _LETTERS.get(letter)
    if tile is None:
        bits = bytes.fromhex(_GLYPHS[letter])
        lines = [*bits, 0]
        tile = _LETTERS[letter] = bytes(
            235 if 1 <= x <= 5 and lines[y] >> (5 - x) & 1 else 40 for y in range(8) for x in range(8)
        )
    return tile


def _slope(column: int) -> Tile:
    """The upper edge of a hill: light above the diagonal, dark below."""
    rising = column // 4 < 3 or column // 4 == 8
    return bytes(170 if (x + y < 8 if rising else y < x) else 96 for y in range(8) for x in range(8))


def _gauge(row: int, left: bool) -> Tile:
    """The level staff: white with a dark tick on every second tile."""
    tick = row % 2 == 0
    return bytes(
        30 if (left and x < 1) or (not left and x > 6) or (tick and y < 2 and (left or x < 4)) else 230
        for y in range(8)
        for x in range(8)
    )


_WAVES: dict[tuple[int, int], Tile] = {}


def _wave(phase: int, row: int) -> Tile:
    """One of 24 tiles of flowing water: a crest that moves one pixel per phase, darker near the viewer."""
    depth = 0 if row < 18 else 1 if row < 24 else 2
    tile = _WAVES.get((phase, depth))
    if tile is None:
        base = (132, 112, 92)[depth]
        tile = _WAVES[phase, depth] = bytes(
            base + (22, 14, 4, 0, 0, 0, 4, 14)[(x - phase + y // 3) % 8] * (1 if 2 <= y <= 5 else 0)
            for y in range(8)
            for x in range(8)
        )
    return tile


def _colour(row: int, column: int) -> tuple[int, int]:
    """(Cb, Cr) of a 16x16 unit."""
    if column == _GAUGE_COLUMN // 2 and 2 <= row < _ROWS // 2 - 1:
        return (128, 128) if row < 9 else (150, 112)
    if row >= _HORIZON // 2:
        return 150, 112
    if row >= 5:
        return 116, 112
    return 150, 116


_COLOURS = [[_colour(row, column) for column in range(_COLUMNS // 2)] for row in range(_ROWS // 2)]
