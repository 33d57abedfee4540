"""The segment artifact of an update for this camera: where its segments are, and its content key."""

from hashlib import sha256

from agent.formats import segments
from agent.formats.errors import FormatError, Rejected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from agent.app.work import Work
    from agent.formats.delivery import Artifact

INDEX = "update/index.bin"


class ArtifactError(Rejected):
    """An encrypted release whose artifact does not give what it should: there is no other way to it."""

    code = "artifact"


class Packed:
    """An artifact with its parsed index."""

    def __init__(self, artifact: "Artifact", index: segments.Index) -> None:
        """Made by `packed`."""
        self.index = index
        self.path = "/targets/" + artifact.sha256 + "." + artifact.name
        self._artifact = artifact
        self._key = b""

    def end_of_run(self, number: int, needed: "set[int]") -> int:
        """Where the last of the segments ends that are needed one after the other from this one on."""
        while number + 1 in needed:
            number += 1
        last = self.index.segment(number)
        return last.offset + last.stored_bytes

    def key(self, work: "Work") -> "Generator[Any, Any, bytes]":
        """The content key, opened with the device's unsealing key.

        Raises:
            Rejected: it was not wrapped for this camera and this artifact.
            Unavailable: the key store fails.
        """
        if not self._key:
            artifact = self._artifact
            info = segments.KEY_INFO + bytes.fromhex(artifact.index_sha256)
            key: bytes = yield work.ask("unsealer", "open", (artifact.enc, artifact.sealed, info))
            if len(key) != segments.KEY_BYTES:
                raise ArtifactError("the content key has another length")
            self._key = key
        return self._key


def packed(artifact: "Artifact", index: bytes) -> Packed:
    """Read and verify the index of an artifact.

    Raises:
        FormatError: it is malformed, or not the one that the director signed.
    """
    if len(index) != artifact.index_length_bytes or sha256(index).digest() != bytes.fromhex(artifact.index_sha256):
        raise FormatError("the segment index is not the one that the director signed")
    parsed = segments.parse(index)
    if parsed.length_bytes != artifact.length_bytes or parsed.encrypted != bool(artifact.enc):
        raise FormatError("the segment index is not that of this artifact")
    return Packed(artifact, parsed)
