"""HTTPS by port 443 of the operator's server, where a network lets nothing out to its own port (docs/adr/0043).

As the link does for the broker (`agent.core.ways`), but at once: a camera that looks for updates once a day has no next
attempt soon. Nothing but the port differs, and what TLS says it will carry: CA, name and certificates are the same.
"""

import ssl
from collections.abc import Callable
from socket import socket

from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.troubles import BARRED, trouble
from agent.core.ways import Ways

ALPN = "http/1.1"  # RFC 7301, 6
MAX_PLACES = 8  # servers whose way is remembered: the operator's, and the mirrors of an update


class HttpsDialer(Dialer):
    """As its parent, with the other port behind the first. It remembers which way worked: for one thread at a time."""

    _ways: "dict[tuple[str, int], Ways] | None" = None

    def dial(
        self, host: str, port: int, context: Callable[[], ssl.SSLContext] | None, patience_s: Callable[[], float]
    ) -> socket:
        """As `Dialer.dial`. Where neither port leads to the server, the error is that of its own port.

        Raises:
            OSError: no connection.
            CamwardError: those of `patience_s` and `context`.
        """
        if context is None:
            return super().dial(host, port, context, patience_s)
        ways = self._known(host, port)
        first = ways.choose(self._clock())
        try:
            connected = self._by(host, first, port, context, patience_s)
        except OSError as error:
            if trouble(error).code not in BARRED:
                raise
            ways.failed()
            second = ways.choose(self._clock())
            if second == first:
                raise
            try:
                connected = self._by(host, second, port, context, patience_s)
            except OSError as other:
                if trouble(other).code not in BARRED or second == port:
                    raise
                ways.failed()
                raise error from other
        ways.worked()
        return connected

    def _known(self, host: str, port: int) -> Ways:
        if self._ways is None or (len(self._ways) >= MAX_PLACES and (host, port) not in self._ways):
            self._ways = {}
        return self._ways.setdefault((host, port), Ways(port))

    def _by(
        self, host: str, by: int, port: int, context: Callable[[], ssl.SSLContext], patience_s: Callable[[], float]
    ) -> socket:
        def named() -> ssl.SSLContext:
            found = context()
            found.set_alpn_protocols([ALPN])
            return found

        return super().dial(host, by, context if by == port else named, patience_s)
