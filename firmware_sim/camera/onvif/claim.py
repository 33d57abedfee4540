"""The label's code in a CreateUsers of an unclaimed camera: where a client of ONVIF puts it. Pure.

ONVIF's factory default state would let anybody create the first user. Here the caller names the user `claim` and gives
the code as the password, in one of the two ways that carry a password as it is, which TLS protects: HTTP Basic (RFC
7617), or a WS-Security UsernameToken of the type PasswordText (OASIS UsernameToken Profile 1.0). A digest of either
kind cannot be checked by a camera that only holds a salted hash of the code.
"""

from xml.etree import ElementTree

from firmware_sim.camera.http_auth import Basic, parse_authorization
from firmware_sim.camera.messages import Head

CLAIM_USER = "claim"
MAX_CODE_CHARACTERS = 64
"""As much as the login protocol takes; a code has 16 and three dashes."""

SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
PASSWORD_TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"  # noqa: S105


def claim_code(head: Head, header: ElementTree.Element | None) -> str:
    """The code that came with a request, empty when there is none.

    Args:
        head: of the HTTP request.
        header: of the SOAP envelope.

    Raises:
        Nothing: what cannot be read is no code.
    """
    given = parse_authorization(head.get("authorization"))
    user, code = (given.user, given.password) if isinstance(given, Basic) else _username_token(header)
    return code if user == CLAIM_USER and len(code) <= MAX_CODE_CHARACTERS else ""


def _username_token(header: ElementTree.Element | None) -> tuple[str, str]:
    token = header.find(f"{{{SECURITY}}}Security/{{{SECURITY}}}UsernameToken") if header is not None else None
    password = token.find(f"{{{SECURITY}}}Password") if token is not None else None
    # A password without a type is PasswordText (UsernameToken Profile 1.0, section 3.1).
    if token is None or password is None or password.get("Type", PASSWORD_TEXT) != PASSWORD_TEXT:
        return "", ""
    return (token.findtext(f"{{{SECURITY}}}Username") or "").strip(), (password.text or "").strip()
