"""ECDSA P-256 verification with SHA-256 in pure Python (FIPS 186-4, 6.4), for interpreters without a library.

Only verification: everything here is public, so nothing needs to run in constant time. About 10 ms on x86.
"""

from hashlib import sha256

from agent.core.trust_errors import SignatureError
from agent.formats.tuf import KEY_SCHEME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.tuf import Key

    Jacobian = tuple[int, int, int]
    Affine = tuple[int, int]

# FIPS 186-4, D.1.2.3
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_INFINITY = (1, 1, 0)
_BYTES = 32


def verify_signature(key: "Key", signature: bytes, message: bytes) -> None:
    """Verify a DER signature over SHA-256 of the message by a key that `agent.formats.tuf.read_p256_key` has read.

    Raises:
        SignatureError: it does not verify, the signature is malformed, or it is another kind of key.
    """
    if key.scheme != KEY_SCHEME:
        raise SignatureError("the key is no P-256 key")
    r, s = signature_from_der(signature)
    verify(key.identity, r, s, sha256(message).digest())


def verify(point: bytes, r: int, s: int, digest: bytes) -> None:
    """Verify (r, s) over a 32-byte digest by an uncompressed public point (65 bytes).

    Raises:
        SignatureError: it does not verify, or an input is out of range.
    """
    public = _public(point)
    if not (0 < r < N and 0 < s < N):
        raise SignatureError("r or s is out of range")
    inverse = pow(s, N - 2, N)  # MicroPython has no pow(s, -1, N)
    u1 = int.from_bytes(digest, "big") * inverse % N
    u2 = r * inverse % N
    x, _, z = _sum_of_products(u1, u2, public)
    if z == 0:
        raise SignatureError("the signature does not verify")
    # Affine x is x / z^2; compare without the division, for both values of x mod p that are r mod n.
    zz = z * z % P
    if x != r * zz % P and not (r + N < P and x == (r + N) * zz % P):
        raise SignatureError("the signature does not verify")


def signature_from_der(signature: bytes) -> "tuple[int, int]":
    """The integers of `SEQUENCE { r INTEGER, s INTEGER }`, in DER and in nothing else.

    Raises:
        SignatureError: any other encoding, trailing bytes and needless zeros included.
    """
    if len(signature) < 8 or len(signature) > 72 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        raise SignatureError("the signature is no DER sequence")
    r, at = _integer(signature, 2)
    s, at = _integer(signature, at)
    if at != len(signature):
        raise SignatureError("bytes after the signature")
    return r, s


def _integer(der: bytes, at: int) -> "tuple[int, int]":
    if at + 2 > len(der) or der[at] != 0x02:
        raise SignatureError("the signature lacks an integer")
    length = der[at + 1]
    start, end = at + 2, at + 2 + length
    if not 1 <= length <= _BYTES + 1 or end > len(der) or (der[start] & 0x80) != 0:
        raise SignatureError("an integer of the signature has no valid length or is negative")
    if length > 1 and der[start] == 0 and (der[start + 1] & 0x80) == 0:
        raise SignatureError("an integer of the signature is not minimal")
    return int.from_bytes(der[start:end], "big"), end


def _public(point: bytes) -> "Affine":
    """Coordinates of a point on the curve (SEC 1, 3.2.2.1; the cofactor is 1, so that is all to check)."""
    if len(point) != 1 + 2 * _BYTES or point[0] != 4:
        raise SignatureError("the public key is no uncompressed point")
    x = int.from_bytes(point[1 : 1 + _BYTES], "big")
    y = int.from_bytes(point[1 + _BYTES :], "big")
    if x >= P or y >= P or (y * y - (x * x * x - 3 * x + B)) % P:
        raise SignatureError("the public key is not on the curve")
    return x, y


def _sum_of_products(u1: int, u2: int, public: "Affine") -> "Jacobian":
    """u1*G + u2*public, both scalars at once, two bits at a time (Shamir's trick)."""
    table = _table(public)
    total: "Jacobian" = _INFINITY
    for shift in range(254, -2, -2):
        total = _double(_double(total))
        total = _add(total, table[((u1 >> shift) & 3) * 4 + ((u2 >> shift) & 3)])
    return total


def _table(public: "Affine") -> "list[Jacobian]":
    """i*G + j*public at index 4*i + j, for i and j from 0 to 3."""
    table: "list[Jacobian]" = [_INFINITY]
    one = (public[0], public[1], 1)
    for _ in range(3):
        table.append(_add(table[-1], one))
    base = (G[0], G[1], 1)
    for _ in range(12):
        table.append(_add(table[-4], base))
    return table


def _double(a: "Jacobian") -> "Jacobian":
    """2*a for a curve with a = -3 (dbl-2001-b of the Explicit-Formulas Database)."""
    x, y, z = a
    if z == 0:
        return a
    delta = z * z % P
    gamma = y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    z3 = 2 * y * z % P
    y3 = (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P
    return x3, y3, z3


def _add(a: "Jacobian", b: "Jacobian") -> "Jacobian":
    """a + b (add-2007-bl, with its exceptions handled)."""
    x1, y1, z1 = a
    x2, y2, z2 = b
    if z1 == 0:
        return b
    if z2 == 0:
        return a
    z1z1 = z1 * z1 % P
    z2z2 = z2 * z2 % P
    u1 = x1 * z2z2 % P
    u2 = x2 * z1z1 % P
    s1 = y1 * z2 * z2z2 % P
    s2 = y2 * z1 * z1z1 % P
    if u1 == u2:
        return _double(a) if s1 == s2 else _INFINITY
    h = u2 - u1
    r = s2 - s1
    hh = h * h % P
    hhh = h * hh % P
    v = u1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    y3 = (r * (v - x3) - s1 * hhh) % P
    return x3, y3, h * z1 * z2 % P
