"""How many of a role's keys have signed something: counted over distinct keys, never over names or signatures."""

from agent.core.trust_errors import SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.formats.tuf import Key, RoleKeys, Signature

    VerifySignature = Callable[[Key, bytes, bytes], None]


def count(
    message: bytes,
    signatures: "tuple[Signature, ...]",
    role: "RoleKeys",
    keys: "Mapping[str, Key]",
    verify: "VerifySignature",
) -> int:
    """The number of distinct keys of the role that have validly signed `message`; counting stops at the threshold.

    A key counts once however many ids it has (TUF 5.3.4 and 5.4.2 want a threshold of keys). Ids that are not of the
    role, ids without a key, and keys that are not supported count for nothing.
    """
    counted: "set[bytes]" = set()
    for signature in signatures:
        key = keys.get(signature.keyid) if signature.keyid in role.keyids else None
        if key is None or not key.identity or key.identity in counted:
            continue
        try:
            verify(key, signature.signature, message)
        except SignatureError:
            continue
        counted.add(key.identity)
        if len(counted) >= role.threshold:
            break
    return len(counted)
