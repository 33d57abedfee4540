"""The client's half of HTTP digest (RFC 7616), as password-trying tools carry it. Pure."""

import hashlib
import re

_PARAMETER = re.compile(r'([a-z]+)=(?:"([^"]*)"|([^\s,]+))', re.IGNORECASE)
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


def answer(challenges: list[str], method: str, uri: str, user: str, password: str, *, cnonce: str) -> str | None:
    """The Authorization header for the first digest challenge that can be answered; None if there is none.

    Raises:
        Nothing: a challenge that cannot be read is passed over.
    """
    for challenge in challenges:
        scheme, _, rest = challenge.partition(" ")
        found = {match[1].lower(): match[2] or match[3] or "" for match in _PARAMETER.finditer(rest)}
        algorithm = found.get("algorithm", "MD5")
        if scheme.lower() != "digest" or algorithm not in _HASHES or "nonce" not in found:
            continue
        realm, nonce = found.get("realm", ""), found["nonce"]
        secret = _digest(algorithm, f"{user}:{realm}:{password}")
        target = _digest(algorithm, f"{method}:{uri}")
        response = _digest(algorithm, f"{secret}:{nonce}:00000001:{cnonce}:auth:{target}")
        return (
            f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm={algorithm}, '
            f'qop=auth, nc=00000001, cnonce="{cnonce}", response="{response}"'
        )
    return None


def _digest(algorithm: str, text: str) -> str:
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()
