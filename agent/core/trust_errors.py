"""The ways metadata can be refused, named after the attacks they stop (TUF 1.5.2, Uptane 2.3).

Each `code` is stable.
"""

from agent.formats.errors import Rejected


class SignatureError(Rejected):
    """One signature does not verify; what `verify_signature` raises."""

    code = "signature"


class DamagedRoot(Rejected):
    """The device's own stored root does not parse or does not verify.

    Go back to the factory's or the ownership record's.
    """

    code = "damaged_root"


class MissingTarget(Rejected):
    """The operator's server lacks, again and again, a file that was signed, say a confidential release's image."""

    code = "missing_target"


class TrustError(Rejected):
    """Base: the metadata is well formed and must not be trusted."""

    code = "trust"


class ArbitrarySoftware(TrustError):
    """Too few valid signatures, or software that the image repository does not vouch for."""

    code = "arbitrary_software"


class RevokedKey(TrustError):
    """Too few valid signatures, and some by a key that the root no longer trusts for this role."""

    code = "revoked_key"


class Rollback(TrustError):
    """Older metadata than the device has seen, or an older release than it runs."""

    code = "rollback"


class Freeze(TrustError):
    """Expired metadata: someone may be holding back the current one."""

    code = "freeze"


class FastForward(TrustError):
    """A version or time that jumps so far ahead that honest metadata would be refused afterwards."""

    code = "fast_forward"


class MixAndMatch(TrustError):
    """Files that were never published together."""

    code = "mix_and_match"


class EndlessData(TrustError):
    """More bytes than the file may have."""

    code = "endless_data"


class WrongTarget(TrustError):
    """Director and image repository describe the target differently."""

    code = "wrong_target"


class WrongModel(TrustError):
    """A release for another model."""

    code = "wrong_model"


class WrongHardware(TrustError):
    """A release for other hardware revisions."""

    code = "wrong_hardware"


class WrongDevice(TrustError):
    """Director metadata made for another device."""

    code = "wrong_device"


class Equivocation(TrustError):
    """The same version with different content: the repository says different things to different devices."""

    code = "equivocation"


class EpochRollback(TrustError):
    """A release whose security epoch is below the device's rollback index."""

    code = "epoch_rollback"
