"""Is this time receipt fresh, for this camera, and from its director? Then it is at least, and about, `issued_at`.

A receipt is what corrects a wrong wall clock: the camera sends a nonce that it has never used, the operator's server
signs it together with its own time. The rules:

1. It answers exactly this nonce, and names this device.
2. The director's timestamp role, as the camera's stored root has it, has signed it with its threshold.
3. It is not before the time floor: what was proven stays proven.
4. It is before the expiry of the director's root: who steals the online keys cannot push the time past what the offline
   keys signed.

Expiry of the root by the wall clock is not looked at: the wall clock is what is in doubt.
"""

from agent.core.trust_errors import FastForward, TrustError, WrongDevice
from agent.formats import receipt, tuf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core.trust_repository import Repository

ROLE = "timestamp"


class StaleReceipt(TrustError):
    """A time receipt that answers another question, or tells a time that has been proven to be past."""

    code = "stale_receipt"


def verify(body: bytes, device: str, nonce: str, director: "Repository", floor_at: int) -> int:
    """The proven present, in Unix seconds.

    Args:
        body: what came for an answer.
        device: this camera's id.
        nonce: what was asked with, in lower-case hexadecimal.
        director: with the stored root.
        floor_at: the time floor.

    Raises:
        FormatError: it is no receipt.
        WrongDevice: it is for another camera.
        StaleReceipt: it is replayed, or from before the floor.
        RevokedKey, ArbitrarySoftware: too few of the timestamp role's keys have signed it.
        FastForward: it claims a time after the expiry of the director's root.
    """
    found = receipt.parse(body)
    if found.device != device:
        raise WrongDevice("the time receipt was made for another device")
    if found.nonce != nonce:
        raise StaleReceipt("the time receipt answers another nonce")
    # Counted as the timestamp's signatures are, by the one function that counts.
    as_metadata = tuf.Metadata(ROLE, 1, found.issued_at, found.signatures, found.message, {})
    director.verify_role(as_metadata, director.root)
    if found.issued_at < floor_at:
        raise StaleReceipt("the time receipt is from before the time floor")
    if found.issued_at >= director.root.metadata.expires_at:
        raise FastForward("the time receipt was issued after the expiry of the director's root")
    return found.issued_at
