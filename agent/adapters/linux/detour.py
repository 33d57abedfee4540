"""HTTPS by port 443 of the operator's server, where a network lets nothing out to its own port (docs/adr/0043).

As the link does for the broker (`agent.core.ways`), but at once: a camera that looks for updates once a day has no next
attempt soon. Nothing but the port differs, and what TLS says it will carry: CA, name and certificates are the same.
"""

import math
import ssl
from collections.abc import Callable
from socket import socket

from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.http_wire import patience
from agent.adapters.linux.troubles import BARRED, trouble
from agent.core import ways
from agent.core.ways import Ways
from agent.formats.errors import Unavailable

ALPN = "http/1.1"  # RFC 7301, 6
MAX_PLACES = 8  # servers whose way is remembered: the operator's, and the mirrors of an update


class HttpsDialer(Dialer):
    """As its parent, with the other port behind the first. It remembers which way worked: for one thread at a time."""

    _ways: "dict[tuple[str, int], Ways] | None" = None

    def dial(
        self,
        host: str,
        port: int,
        context: Callable[[], ssl.SSLContext] | None,
        patience_s: Callable[[], float],
        left_s: Callable[[], float] = lambda: math.inf,
    ) -> socket:
        """As `Dialer.dial`. Where neither port leads to the server, the error is that of its own port.

        The first way gets at most half of what is left when the name has been resolved: each address may be silent.

        Raises:
            OSError: no connection.
            CamwardError: those of `patience_s` and `context`.
        """
        if context is None or port == ways.FALLBACK_PORT:
            return super().dial(host, port, context, patience_s)
        known = self._known(host, port)
        first = known.choose(self._clock())
        half = _Half(patience_s, left_s, self._clock)
        try:
            connected = self._by(host, first, port, context, half.patience_s)
        except (OSError, Unavailable) as error:
            if not (half.is_over() if isinstance(error, Unavailable) else trouble(error).code in BARRED):
                raise
            known.failed()
            second = known.choose(self._clock())
            if second == first:
                raise
            try:
                connected = self._by(host, second, port, context, patience_s)
            except OSError as other:
                if trouble(other).code not in BARRED or second == port:
                    raise
                known.failed()
                raise error from other
        known.worked()
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


class _Half:
    """Of the time that is left when it is first asked for."""

    def __init__(
        self, patience_s: Callable[[], float], left_s: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self._patience_s = patience_s
        self._left_s = left_s
        self._clock = clock
        self._ends_at = math.inf

    def patience_s(self) -> float:
        """Seconds that one step may take.

        Raises:
            Unavailable: none are left.
        """
        if self._ends_at == math.inf:
            self._ends_at = self._clock() + self._left_s() / 2
        return patience(self._ends_at, self._patience_s(), self._clock)

    def is_over(self) -> bool:
        return self._clock() >= self._ends_at
