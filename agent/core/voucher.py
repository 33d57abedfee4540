"""May this camera enrol with the factory voucher that lies on it? The rules:

1. It names this camera's serial number.
2. The image repository's targets role, as the camera's trusted image root has it, has signed it with its threshold:
   the manufacturer's offline keys. The operator's keys, offline or online, make no voucher.
3. It has not expired.

The expiry of the root itself is not looked at: a camera that lay on the shelf has no network yet to fetch a newer
one, and the voucher's own expiry is signed by the same people.

The caller must still: hand over a camera without an owner only, and only before its first one; see to it that `now` is
at least the time floor.
"""

from agent.core import trust_threshold
from agent.core.trust_errors import TrustError, WrongDevice
from agent.formats import voucher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core.trust_threshold import VerifySignature
    from agent.formats.token import Token
    from agent.formats.tuf import Root

ROLE = "targets"


class ForgedVoucher(TrustError):
    """A factory voucher without enough genuine signatures of the manufacturer."""

    code = "forged_voucher"


class ExpiredVoucher(TrustError):
    """A factory voucher whose time is over."""

    code = "expired_voucher"


def verify(body: bytes, image_root: "Root", serial: str, now: int, verify_signature: "VerifySignature") -> "Token":
    """The enrolment token of a voucher that counts.

    Args:
        body: the voucher as it lies on the camera.
        image_root: the image repository's root that the camera trusts.
        serial: this camera's serial number.
        now: Unix seconds, at least the time floor.
        verify_signature: as `agent.core.trust.Check` takes it.

    Raises:
        FormatError: it is no voucher.
        WrongDevice: it is for another camera.
        ForgedVoucher: too few of the targets role's keys have signed it.
        ExpiredVoucher: its time is over.
    """
    found = voucher.parse(body)
    if found.serial != serial:
        raise WrongDevice("the voucher is for the camera " + found.serial)
    role = image_root.roles[ROLE]
    if trust_threshold.count(found.message, found.signatures, role, image_root.keys, verify_signature) < role.threshold:
        raise ForgedVoucher("the voucher has too few genuine signatures")
    if now >= found.expires_at:
        raise ExpiredVoucher("the voucher has expired")
    return found.token
