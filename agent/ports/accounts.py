"""Files in which programs of the camera look accounts up; most of them are not the agent's."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class AccountFiles(Protocol):
    """Reads them, tries passwords on what they hold, and locks accounts. Blocks; runs in a lane of least priority."""

    def read(self, path: str) -> "tuple[str, bytes]":
        """What the file holds, with `ok`; or why not, with nothing: `absent` or one of these.

        `loop` (of links), `not_a_file`, `too_large` (more than agent.formats.account_lines.MAX_FILE_BYTES), `changing`
        (while it was read), `denied` for the rest. Waits for nothing, and reads no more than that, whatever lies there.
        """
        ...

    def fits(self, how: str, name: str, realm: str, secret: str, candidates: "tuple[str, ...]") -> int:
        """Which of the passwords fits this secret, by its number; -1 if none. Tries them in order.

        `how` is what agent.formats.account_lines.secret_kind has said.

        Raises:
            Unavailable: this kind of hash cannot be computed here.
        """
        ...

    def lock(self, path: str, kind: str, names: "tuple[str, ...]") -> None:
        """Lock these accounts in the file (agent.formats.account_lines.without); owner and mode stay.

        Durable when it returns; a power cut leaves the old file or the new one. Follows no link.

        Raises:
            Unavailable: that failed, or the file is on a read-only file system; it is as it was.
        """
        ...
