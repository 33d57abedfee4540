"""By which port the broker is tried next: its own, or 443 where a network lets nothing else out.

Networks of guests and of companies often let out 443 alone. There an operator may have a front that leads to the broker
whoever names `mqtt` as the protocol inside TLS (ALPN, RFC 7301). Which way worked is kept in memory: after a restart it
costs one vain attempt to find out again, and no write to the flash.
"""

FALLBACK_PORT = 443
DIRECT_AGAIN_S = (
    3600.0  # whoever came by the fallback tries the broker's own port again, with a new connection, so often
)
ALPN = "mqtt"  # as registered with IANA


class Ways:
    """What is known of the ways to one broker. `port` is its own; where that is 443 there is only one way."""

    def __init__(self, port: int) -> None:
        self._ports = (port,) if port == FALLBACK_PORT else (port, FALLBACK_PORT)
        self._good = 0  # to go by, until it fails
        self._tried = 0
        self._direct_at = 0.0  # when the broker's own port was tried last

    def choose(self, now: float) -> int:
        """The port of the next attempt; `now` is monotonic seconds."""
        self._tried = self._good
        if self._good and now >= self._direct_at + DIRECT_AGAIN_S:
            self._tried = 0
        if not self._tried:
            self._direct_at = now
        return self._ports[self._tried]

    def failed(self) -> None:
        """The attempt has met nobody, or a stranger: the other way is next."""
        if self._tried == self._good:
            self._good = (self._good + 1) % len(self._ports)

    def worked(self) -> None:
        """The attempt has led to a session."""
        self._good = self._tried
