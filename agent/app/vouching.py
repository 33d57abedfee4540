"""The factory voucher of a camera that has no owner yet: its token begins the first enrolment, without a person."""

from agent.app.handover import VOUCHER
from agent.core import voucher
from agent.core.trust_repository import MAX_ROOT_BYTES
from agent.formats import tuf
from agent.formats.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.formats.token import Token

IMAGE_ROOT = "trust/image/root.json"


class Vouching:
    """Looks at `factory/voucher.json`. Nothing that comes over a network ever gets there."""

    def __init__(self, desk: "Desk", time: "TrustedTime", image_root: bytes) -> None:
        """`image_root`: the manufacturer's root.json from the verified root file system."""
        self._desk = desk
        self._time = time
        self._image_root = image_root

    def token(self) -> "Token | None":
        """The token of a voucher that counts on this camera now; None where there is no voucher.

        Raises:
            FormatError: it is none, or there is no image root to judge it by.
            TrustError: it is refused.
            Unavailable: the storage fails.
        """
        desk = self._desk
        body = desk.ports.store.read(VOUCHER)
        if body is None:
            return None
        return voucher.verify(body, self._root(), desk.label.serial, self._time.now_s(), desk.ports.verify_signature)

    def waits(self) -> bool:
        """Whether there is a voucher, good or not.

        Raises:
            Unavailable: the storage fails.
        """
        return self._desk.ports.store.read(VOUCHER) is not None

    def used_up(self) -> None:
        """The camera has an owner: from now on only people decide who the next one is.

        Raises:
            Unavailable: the storage fails.
        """
        self._desk.ports.store.delete(VOUCHER)

    def _root(self) -> tuf.Root:
        """The newest image root this camera trusts: the stored one was accepted through the chain of rotations."""
        first = tuf.parse_root(self._image_root, MAX_ROOT_BYTES)
        try:
            stored = tuf.parse_root(self._desk.ports.store.read(IMAGE_ROOT) or b"", MAX_ROOT_BYTES)
        except FormatError:
            return first
        return stored if stored.metadata.version > first.metadata.version else first
