"""May the messages that this receipt names be deleted? Only if this camera's operator has signed that.

1. It is for this device.
2. The director's timestamp role, as the camera's stored root has it, has signed it with its threshold: the same keys
   that sign time receipts. Its type is of its own, so that neither passes for the other, nor for metadata.

It needs no nonce: it names messages by their bytes, and no two messages of a camera are the same. One that is played
again says what is still true.
"""

from agent.core.trust_errors import WrongDevice
from agent.formats import taken, tuf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core.trust_repository import Repository

ROLE = "timestamp"


def verify(body: bytes, device: str, director: "Repository") -> "tuple[taken.One, ...]":
    """The messages that the server has taken, or refused for good.

    Args:
        body: what came on the topic.
        device: this camera's id.
        director: with the stored root.

    Raises:
        FormatError: it is no such receipt.
        WrongDevice: it is for another camera.
        RevokedKey, ArbitrarySoftware: too few of the timestamp role's keys have signed it.
    """
    found = taken.parse(body)
    if found.device != device:
        raise WrongDevice("the receipt for messages was made for another device")
    # Counted as the timestamp's signatures are, by the one function that counts.
    director.verify_role(tuf.Metadata(ROLE, 1, 0, found.signatures, found.message, {}), director.root)
    return found.messages
