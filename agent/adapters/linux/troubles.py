"""What stands between this camera and a server: one of a few codes for people's pages, and one line for the log."""

import errno
import http.client
import socket
import ssl
from typing import NamedTuple

from agent.adapters.linux.dates import DatesRefused
from agent.adapters.linux.tunnel import ProxyFailed

NAME = "name"  # it could not be resolved
NETWORK = "network"  # this camera has no way to the address
UNREACHABLE = "unreachable"  # nobody answers there, or he refuses
PROXY = "proxy"  # it cannot be reached, or gives no tunnel
PORTAL = "portal"  # somebody else answers in the server's place
TLS = "tls"  # the fleet's CA stands behind who answers, but name, use or encryption are not as they have to be
CLOCK = "clock"  # the certificate's dates do not fit what is known of the time
CLOSED = "closed"  # it began, and ended
REFUSED = "refused"  # the broker has said so

NEAR = frozenset({NAME, NETWORK, PORTAL, PROXY})
"""What lies on the camera's own side: trying again soon is no burden on the operator's server."""

BARRED = frozenset({UNREACHABLE, CLOSED, PORTAL, PROXY})
"""Where another port of the same server may help: nobody was met, or a stranger."""

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_FOREIGN = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_*: self-signed, or an issuer that nobody here knows. The others (name, use) are of a chain to our CA."""
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE",
                     "UNEXPECTED_MESSAGE", "UNEXPECTED_RECORD", "INVALID_ALERT", "BAD_RECORD_TYPE"})  # fmt: skip


class Trouble(NamedTuple):
    """`code` is one of the above; `text` is a line in English."""

    code: str
    text: str


def trouble(error: BaseException) -> Trouble:
    """Of an error that `agent.adapters.linux.dialing` raises, or a connection that it has made."""
    if isinstance(error, ProxyFailed):
        return Trouble(PROXY, str(error))
    if isinstance(error, DatesRefused):
        return Trouble(CLOCK, str(error))
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, socket.gaierror):
        return Trouble(NAME, f"the server's name could not be resolved: {error.strerror}")
    if isinstance(error, TimeoutError):
        return Trouble(UNREACHABLE, "the server is silent")
    if isinstance(error, OSError) and error.errno in _NO_WAY:
        return Trouble(NETWORK, f"there is no way to the server: {error}")
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return Trouble(CLOSED, f"the connection has ended: {error}")
    return Trouble(UNREACHABLE, f"the server cannot be reached: {error}")


def explained(error: Exception) -> str:
    """One line about an exchange of HTTP; what the server sent is shown short and escaped."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(error, http.client.HTTPException):
        return "the server does not speak HTTP/1.1: " + ascii(str(error))[:80]
    return trouble(error).text


def _of_tls(error: ssl.SSLError) -> Trouble:
    reason = getattr(error, "reason", "") or ""  # which only OpenSSL's own errors have, not ours of the same class
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the server's certificate does not verify: {getattr(error, 'verify_message', error)}"
        if getattr(error, "verify_code", 0) in _FOREIGN:
            return Trouble(PORTAL, text + " (somebody else answers, as a portal of the network does)")
        return Trouble(TLS, text)
    if reason in _NO_TLS:
        return Trouble(PORTAL, f"somebody else answers, without TLS, as a portal of the network does: {reason}")
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Trouble(CLOSED, "the connection ended in the TLS handshake")
    if "ALERT" in reason:
        return Trouble(REFUSED, f"the server refuses this camera's TLS or certificate: {reason}")
    return Trouble(TLS, f"no TLS as it has to be: {reason or error}")
