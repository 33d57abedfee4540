"""Whether a request was meant for this camera: the Host and Origin checks that stop rebinding and cross-site requests.

Pure.
"""

import re
import socket

from firmware_sim.camera.messages import Head

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?")


def host_allowed(head: Head, names: tuple[str, ...]) -> bool:
    """Whether Host is an address, `localhost`, a `.local` name or one of the configured names.

    A DNS name of somebody else's that was made to point here (DNS rebinding) is none of these.

    Raises:
        Nothing: anything unreadable is not allowed.
    """
    match = _HOST.fullmatch(head.get("host"))
    if match is None:
        return False
    host = match[1].lower().strip("[]")
    if host == "localhost" or host.endswith(".local") or host in names:
        return True
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True


def same_origin(head: Head) -> bool:
    """Whether a state-changing request comes from the camera's own page or from a tool that is no browser.

    Raises:
        Nothing: anything doubtful is not.
    """
    if head.get("sec-fetch-site") not in {"", "same-origin", "none"}:
        return False
    origin = head.headers.get("origin")
    return origin is None or origin.lower() == f"https://{head.get('host').lower()}"
