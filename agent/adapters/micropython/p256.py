"""ECDSA P-256 verification with SHA-256 in pure Python (FIPS 186-4, 6.4), for interpreters without a library.

Only verification: everything here is public, so nothing needs to run in constant time. What costs is the interpreter's
multiplication and remainder of 256-bit numbers, some 3000 of each; the rest keeps their number small.
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
_DIGITS = 257  # a non-adjacent form may be one longer than the number
_LOW_BITS = 16
_LOW = (1 << _LOW_BITS) - 1
_WIDTH = 5  # 8 multiples of the public key, made for each verification
_WIDTH_G = 6  # 16 multiples of G, made at the first verification and kept: 3 KB on MicroPython
_multiples_of_g: "list[Affine]" = []


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
    inverse = _inverse(s, N)
    x, _, z = _sum_of_products(int.from_bytes(digest, "big") * inverse % N, r * inverse % N, public)
    # Affine x is x / z^2; compare without the division, for both values of x mod p that are r mod n.
    zz = z * z % P
    if z == 0 or (x != r * zz % P and not (r + N < P and x == (r + N) * zz % P)):
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
    """u1*G + u2*public, both scalars at once (interleaved wNAF; Guide to Elliptic Curve Cryptography, 3.51)."""
    if not _multiples_of_g:
        _multiples_of_g.extend(_odd_multiples(G, 1 << (_WIDTH_G - 2)))
    tables = (
        (_digits(u1, _WIDTH_G), _multiples_of_g),
        (_digits(u2, _WIDTH), _odd_multiples(public, 1 << (_WIDTH - 2))),
    )
    total: "Jacobian" = _INFINITY
    doublings = 0
    for at in range(_DIGITS - 1, -1, -1):
        doublings += 1
        for digits, multiples in tables:
            digit = digits[at]
            if digit:
                if doublings:
                    total = _double(total, doublings)
                    doublings = 0
                x, y = multiples[abs(digit) >> 1]
                total = _add(total, x, y if digit > 0 else P - y)
    return _double(total, doublings)


def _digits(scalar: int, width: int) -> "list[int]":
    """The scalar's non-adjacent form of this width, lowest first: few digits are not 0, those odd and < 2^(width-1)."""
    digits = [0] * _DIGITS
    at = 0
    while scalar:
        low = scalar & _LOW  # what follows is small integers, which are cheap
        if low & 1:
            digit = low & ((1 << width) - 1)
            step, carry = width, digit >> (width - 1)
            digits[at] = digit - (carry << width)
        else:
            step, carry = 1, 0
            while step < _LOW_BITS and not low >> step & 1:
                step += 1
        scalar = (scalar >> step) + carry
        at += step
    return digits


def _odd_multiples(point: "Affine", count: int) -> "list[Affine]":
    """1, 3, 5 ... times the point.

    2*point = (x, y, z) is the affine point (x, y) on an isomorphic curve; additions are the same there, and z joins
    the result's at the end. No exception can occur: the point's order is N.
    """
    x, y, z = _double((point[0], point[1], 1), 1)
    zz = z * z % P
    found: "list[Jacobian]" = [(point[0] * zz % P, point[1] * zz * z % P, 1)]
    for _ in range(count - 1):
        found.append(_add(found[-1], x, y))
    return _affine([(each[0], each[1], each[2] * z % P) for each in found])


def _affine(points: "list[Jacobian]") -> "list[Affine]":
    """The points with z = 1, by one inversion for all of them (Montgomery's trick)."""
    products = [1]
    for _, _, z in points:
        products.append(products[-1] * z % P)
    inverse = _inverse(products.pop(), P)
    found = []
    for x, y, z in reversed(points):
        own = inverse * products.pop() % P
        inverse = inverse * z % P
        square = own * own % P
        found.append((x * square % P, y * square % P * own % P))
    found.reverse()
    return found


def _inverse(number: int, modulus: int) -> int:
    """1 / number by Euclid's algorithm; the modulus is prime, 0 < number < modulus."""
    low, high = number, modulus
    this, last = 1, 0
    while low != 1:
        quotient, rest = divmod(high, low)
        low, high = rest, low
        this, last = last - quotient * this, this
    return this % modulus


def _double(point: "Jacobian", times: int) -> "Jacobian":
    """2^times * point for a curve with a = -3 (dbl-2001-b of the Explicit-Formulas Database, rearranged)."""
    x, y, z = point
    if z == 0:
        return point
    for _ in range(times):
        delta = z * z % P
        alpha = 3 * (x - delta) * (x + delta) % P
        twice = y + y
        gamma = twice * y % P
        z = twice * z % P
        twice = gamma + gamma
        beta = twice * x % P
        x = (alpha * alpha - beta - beta) % P
        y = (alpha * (beta - x) - twice * gamma) % P
    return x, y, z


def _add(point: "Jacobian", x2: int, y2: int) -> "Jacobian":
    """point + (x2, y2) (madd of the Explicit-Formulas Database, with its exceptions handled)."""
    x1, y1, z1 = point
    if z1 == 0:
        return x2, y2, 1
    zz = z1 * z1 % P
    h = (x2 * zz - x1) % P
    r = (zz * z1 % P * y2 - y1) % P
    if h == 0:
        return _double(point, 1) if r == 0 else _INFINITY
    hh = h * h % P
    hhh = h * hh % P
    v = x1 * hh % P
    x3 = (r * r - hhh - v - v) % P
    return x3, (r * (v - x3) - y1 * hhh) % P, z1 * h % P
