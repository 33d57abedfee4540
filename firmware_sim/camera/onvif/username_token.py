"""WS-UsernameToken (OASIS UsernameToken Profile 1.0) of a SOAP header, for the agent to judge. Pure.

PasswordText is no login, whatever it holds: it is for the label's code before the claim alone (onvif.claim).
"""

from typing import NamedTuple
from xml.etree import ElementTree

from firmware_sim.camera.onvif.claim import SECURITY

UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
PASSWORD_DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"  # noqa: S105
MAX_CHARACTERS = {"user": 64, "digest": 40, "nonce": 128, "created": 40}
"""As much as the login protocol takes."""


class UsernameToken(NamedTuple):
    """What the client sent, as it is."""

    user: str
    digest: str
    nonce: str
    created: str


def username_token(header: ElementTree.Element | None) -> UsernameToken | None:
    """The token of a request; None without one that has a PasswordDigest and fits the login protocol.

    Raises:
        Nothing: what cannot be read is no token.
    """
    tokens = header.findall(f"{{{SECURITY}}}Security/{{{SECURITY}}}UsernameToken") if header is not None else []
    if len(tokens) != 1:
        return None
    token = tokens[0]
    password = token.find(f"{{{SECURITY}}}Password")
    if password is None or password.get("Type") != PASSWORD_DIGEST:
        return None
    found = UsernameToken(
        user=(token.findtext(f"{{{SECURITY}}}Username") or "").strip(),
        digest=(password.text or "").strip(),
        nonce=(token.findtext(f"{{{SECURITY}}}Nonce") or "").strip(),
        created=(token.findtext(f"{{{UTILITY}}}Created") or "").strip(),
    )
    fits = all(0 < len(text) <= MAX_CHARACTERS[name] for name, text in found._asdict().items())
    return found if fits else None
