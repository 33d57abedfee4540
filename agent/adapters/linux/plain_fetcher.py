"""GET from a public repository by http or https, with the system's certificate authorities.

TUF needs no TLS: what arrives is verified by its signatures and hashes. For the operator's server there is
`fetcher.HttpsFetcher`, which knows nothing but https and the operator's own CA. Both read through `http_exchange`, so
both have its limits: nothing is followed, decoded or remembered.
"""

import http
import ssl
from urllib.parse import urlsplit

from agent.adapters.linux.http_exchange import LIMITS, HttpServer, Limits
from agent.formats.errors import FormatError, Unavailable

_PORTS = {"http": 80, "https": 443}
# Storage services answer 403 where they do not want to say whether a file exists; python-tuf reads both alike.
_ABSENT = {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.FORBIDDEN}


class PlainFetcher:
    """`agent.app.tuf_client.Source` for one base URL.

    Each request has a connection of its own: on a kept one that breaks, a request may have to be sent twice, and what
    drives this client counts them.
    """

    def __init__(self, base_url: str, limits: Limits = LIMITS) -> None:
        """Name where paths begin; nothing is connected yet.

        Raises:
            FormatError: the URL is not `http[s]://HOST[:PORT][/PATH]`.
        """
        secure, host, port, self._folder = split_base(base_url)
        self._server = HttpServer(host, port, _context if secure else None, limits)

    def get(self, path: str, max_bytes: int) -> bytes | None:
        """See `Source.get`.

        Raises:
            Unavailable: not connected, timed out, or an answer that makes no sense (redirects included).
        """
        try:
            answer = self._server.exchange("GET", self._folder + path, None, {"Connection": "close"}, max_bytes)
        finally:
            self._server.close()
        if answer.status in _ABSENT:
            return None
        if answer.status != http.HTTPStatus.OK:
            raise Unavailable(f"the server answered {answer.status} for {path}")
        return answer.body


def split_base(base_url: str) -> tuple[bool, str, int, str]:
    """Whether https; host; port; and the path, which ends with `/`.

    Raises:
        FormatError: it is not `http[s]://HOST[:PORT][/PATH]`.
    """
    refusal = FormatError("a base URL must be http[s]://HOST[:PORT][/PATH]")
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        raise refusal
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise refusal from error
    extra = parts.username is not None or parts.password is not None or "?" in base_url or "#" in base_url
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or extra:
        raise refusal
    folder = parts.path if parts.path.endswith("/") else parts.path + "/"
    return parts.scheme == "https", parts.hostname, port or _PORTS[parts.scheme], folder


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
