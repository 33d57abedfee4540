"""How many keys an offline role has, and how many of them must sign."""

from dataclasses import dataclass
from typing import Self

from update_server.errors import BadInput

MIN_THRESHOLD = 2  # one stolen key must never be enough
MAX_KEYS = 16  # of one role; a root file has room for 64 keys


@dataclass(frozen=True)
class Quorum:
    """`threshold` of `keys` keys. At least two must sign, and at least one may be lost.

    Raises:
        BadInput: the numbers are out of these bounds.
    """

    threshold: int
    keys: int

    def __post_init__(self) -> None:
        if not MIN_THRESHOLD <= self.threshold < self.keys <= MAX_KEYS:
            raise BadInput(
                f"{self.threshold} of {self.keys} keys is out of bounds for an offline role.",
                f"At least {MIN_THRESHOLD} must sign, at least one may be lost, at most {MAX_KEYS} exist: such as 3/5.",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `3/5`.

        Raises:
            BadInput: it is malformed or out of bounds.
        """
        threshold, _, keys = text.partition("/")
        if not (threshold.isascii() and threshold.isdigit() and keys.isascii() and keys.isdigit()):
            raise BadInput(f"{text!r} is no number of keys.", "Write for example 3/5: three of five must sign.")
        return cls(int(threshold[:3]), int(keys[:3]))

    def __str__(self) -> str:
        return f"{self.threshold}/{self.keys}"
