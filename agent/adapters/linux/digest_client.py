"""The client's side of digest access authentication (RFC 7616), for HTTP and RTSP."""

import secrets
from hashlib import md5, sha256


def challenge_of(header: str) -> dict[str, str]:
    """The members of a Digest challenge; the values of ours hold no commas.

    Raises:
        ValueError: it is another scheme, or lacks members.
    """
    scheme, _, rest = header.partition(" ")
    found: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value.strip('"'))
    if scheme != "Digest" or "nonce" not in found or "realm" not in found:
        raise ValueError("no digest challenge")
    return found


def authorization(challenge: dict[str, str], method: str, uri: str, user: str, password: str, count: int = 1) -> str:
    """The header that answers a challenge, with qop=auth; `count`: of the uses of its nonce, this one included."""
    algorithm = challenge.get("algorithm", "MD5")
    made = sha256 if algorithm == "SHA-256" else md5

    def digest(text: str) -> str:
        return made(text.encode()).hexdigest()

    cnonce = secrets.token_hex(8)
    ha1 = digest(f"{user}:{challenge['realm']}:{password}")
    response = digest(f"{ha1}:{challenge['nonce']}:{count:08x}:{cnonce}:auth:{digest(f'{method}:{uri}')}")
    return (
        f'Digest username="{user}", realm="{challenge["realm"]}", nonce="{challenge["nonce"]}", uri="{uri}", '
        f'algorithm={algorithm}, qop=auth, nc={count:08x}, cnonce="{cnonce}", response="{response}"'
    )
