"""Seeded randomness, equal on both interpreters: SHA-256 of a counter."""

from hashlib import sha256


class Chance:
    """A stream of bytes that depends on the seed alone. Implements the port Entropy; fit for nothing but tests."""

    def __init__(self, seed: "int | str") -> None:
        self._seed = str(seed).encode()
        self._counter = 0
        self._rest = b""

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes of the stream."""
        while len(self._rest) < count:
            self._rest += sha256(self._seed + b"/" + str(self._counter).encode()).digest()
            self._counter += 1
        out = self._rest[:count]
        self._rest = self._rest[count:]
        return out

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        return int.from_bytes(self.bytes(4), "big") % limit
