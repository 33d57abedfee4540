"""HTTP and RTSP digest access authentication (RFC 7616; RFC 2069 for old RTSP players)."""

from binascii import hexlify
from hashlib import md5, sha256

from agent.formats.hmac import hmac_sha256, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REALM = "camward"
ALGORITHMS = ("MD5", "SHA-256")
NONCE_LIFE_S = 300.0  # long enough for a player that pauses; a stale nonce costs one more request
MAX_NONCES = 256  # nonces whose count is remembered; the oldest is forgotten together with all older ones


def secret(algorithm: str, user: str, password: str) -> str:
    """HA1 in lower-case hex: what the digest store holds; as good as the password for this realm."""
    return _hash(algorithm, user + ":" + REALM + ":" + password)


def response(
    algorithm: str, ha1: str, method: str, uri: str, nonce: str, counted: "tuple[str, str, str] | None"
) -> str:
    """The response a client that knows HA1 sends; `counted` is (nc, cnonce, qop), None without qop (RFC 2069)."""
    ha2 = _hash(algorithm, method + ":" + uri)
    if counted is None:
        return _hash(algorithm, ha1 + ":" + nonce + ":" + ha2)
    nc, cnonce, qop = counted
    return _hash(algorithm, ":".join((ha1, nonce, nc, cnonce, qop, ha2)))


def counted_of(given: "dict[str, str]") -> "tuple[str, str, str] | None":
    """(nc, cnonce, qop) of a digest with qop; None without one, or with an nc that is no count."""
    nc = given.get("nc", "")
    if given.get("qop") != "auth" or "cnonce" not in given or not 0 < len(nc) <= 8:
        return None
    if any(c not in "0123456789abcdefABCDEF" for c in nc) or int(nc, 16) == 0:
        return None
    return nc, given["cnonce"], "auth"


def _hash(algorithm: str, text: str) -> str:
    made: "Callable[[bytes], object]" = sha256 if algorithm == "SHA-256" else md5
    return str(hexlify(made(text.encode()).digest()), "utf-8")  # type: ignore[attr-defined]


class Nonces:
    """Makes nonces that prove themselves, and sees to it that each count (nc) is used once."""

    def __init__(self, key: bytes) -> None:
        """`key`: random, of this run of the agent."""
        self._key = key
        self._made = 0
        self._floor = 0
        self._counts: "dict[int, int]" = {}

    def make(self, now: float) -> str:
        """A fresh nonce: number and time of making, and their HMAC."""
        self._made += 1
        head = "%08x%08x" % (self._made & 0xFFFFFFFF, int(now) & 0xFFFFFFFF)
        return head + self._stamp(head)

    def accept(self, nonce: str, count: int, now: float) -> "bool | None":
        """Whether this nonce may be used with this count (0: the client does not count).

        Returns:
            True; None when it is ours but stale (too old, forgotten, or this count was used); False when not ours.
        """
        head = nonce[:16]
        if len(nonce) != 48 or not same(self._stamp(head).encode(), nonce[16:].encode()):
            return False
        number, made_at = int(head[:8], 16), int(head[8:], 16)
        if now - made_at > NONCE_LIFE_S or (number <= self._floor and number not in self._counts):
            return None
        if count == 0:
            return True
        if count <= self._counts.get(number, 0):
            return None
        if number not in self._counts and len(self._counts) >= MAX_NONCES:
            oldest = min(self._counts)
            del self._counts[oldest]
            self._floor = max(self._floor, oldest)
            if number <= self._floor:
                return None
        self._counts[number] = count
        return True

    def _stamp(self, head: str) -> str:
        return str(hexlify(hmac_sha256(self._key, head.encode())[:16]), "utf-8")
