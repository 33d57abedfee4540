"""Connections that leave the camera: to the first of a name's addresses that answers, and secured at once.

Happy eyeballs (RFC 8305), simplified: the system's resolver is asked for both families at once, and its answer tried in
order, one address after the other with a bounded delay between. So a name whose IPv6 (or IPv4) leads nowhere costs a
quarter of a second.
"""

import errno
import math
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from itertools import zip_longest

from agent.adapters.linux.tunnel import ProxyFailed, open_tunnel
from agent.formats.errors import Unavailable
from agent.formats.proxy import Proxy

MAX_ADDRESSES = 6  # of one name, that are tried: three of each family
ATTEMPT_DELAY_S = 0.25  # RFC 8305, 5: the recommended value; an address that refuses is not waited for

Address = tuple[int, int, int, str, tuple[str | int, ...]]
"""As `socket.getaddrinfo` gives it: family, kind, protocol, canonical name, and what `connect` takes."""


def resolve(host: str, port: int) -> list[Address]:
    """The addresses to try, in order; at most MAX_ADDRESSES. Waits for the name servers as long as the system does.

    Raises:
        socket.gaierror: the name could not be resolved, or cannot be one.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "this is no host name") from error
    return interleaved(found)[:MAX_ADDRESSES]  # type: ignore[arg-type]


def interleaved(found: list[Address]) -> list[Address]:
    """The families take turns, the resolver's first choice first (RFC 8305, 4); each keeps its own order."""
    first = [one for one in found if one[0] == found[0][0]]
    others = [one for one in found if one[0] != found[0][0]]
    return [one for pair in zip_longest(first, others) for one in pair if one is not None]


def race(
    addresses: list[Address], allowed_s: float, clock: Callable[[], float] = time.monotonic
) -> tuple[socket.socket, Address]:
    """The first connection that stands, and to which address; the others are closed. `allowed_s` is for all together.

    Raises:
        TimeoutError: nobody has answered.
        OSError: all have refused, or there is no way to any; that of the last one.
    """
    ends_at = clock() + allowed_s
    left = list(addresses)
    waiting: dict[int, tuple[socket.socket, Address]] = {}
    poll = select.poll()
    last: OSError = OSError(errno.EADDRNOTAVAIL, "the name has no address")
    try:
        while left or waiting:
            if left:
                address = left.pop(0)
                try:
                    begun = _begun(address)
                except OSError as error:  # no route, or no such family here
                    last = error
                    continue
                waiting[begun.fileno()] = begun, address
                poll.register(begun, select.POLLOUT)
            wait_s = ends_at - clock()
            if wait_s <= 0:
                raise TimeoutError("nobody answers")
            for number, _ in poll.poll(1000 * (min(wait_s, ATTEMPT_DELAY_S) if left else wait_s)):
                poll.unregister(number)
                one, address = waiting.pop(number)
                code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return one, address
                one.close()
                last = OSError(code, os.strerror(code))
    finally:
        for one, _ in waiting.values():
            one.close()
    try:
        raise last
    finally:
        del last  # or it and our caller would hold each other until the garbage collector comes


class Dialer:
    """How this camera reaches a server. Stateless: for any number of threads."""

    def __init__(
        self,
        proxy: Proxy | Callable[[], Proxy | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`proxy`: through which everything goes, and nothing past it; or what is asked for it at each connection.

        `clock`: monotonic seconds.
        """
        self._said = proxy
        self._clock = clock

    def dial(
        self,
        host: str,
        port: int,
        context: Callable[[], ssl.SSLContext] | None,
        patience_s: Callable[[], float],
        left_s: Callable[[], float] = lambda: math.inf,
    ) -> socket.socket:
        """A connection with `host`, by TLS with its name verified unless `context` is None; blocking, with a timeout.

        An address that takes connections and says nothing in TLS (a path that swallows long packets) gives way to the
        next one; one that says something wrong does not.

        Args:
            host: name or address; what its certificate must be for.
            port: of TCP.
            context: called for each handshake, so that a renewed certificate is used.
            patience_s: how long each step may take: connecting, the proxy, the handshake.
            left_s: how long all of them may take together; for who has two ways to share it between.

        Raises:
            socket.gaierror: the name could not be resolved.
            ProxyFailed: (an OSError) the proxy is in the way.
            OSError: no connection; that of TLS among them.
            CamwardError: those of `patience_s` and `context`.
        """
        proxy = self._proxy()
        addresses = resolve(host, port) if proxy is None else self._of_proxy(proxy)
        while True:
            raw, address = self._connected(addresses, proxy, host, port, patience_s)
            try:
                raw.settimeout(patience_s())
                return raw if context is None else context().wrap_socket(raw, server_hostname=host)
            except ssl.SSLError:
                raw.close()
                raise
            except OSError:
                raw.close()
                addresses.remove(address)
                if not addresses:
                    raise
            except BaseException:
                raw.close()
                raise

    def _proxy(self) -> Proxy | None:
        """Who is between now; `_said` decides what a damaged file means. While the storage fails nothing goes out."""
        try:
            return self._said() if callable(self._said) else self._said
        except Unavailable as error:
            raise ProxyFailed(f"whether there is a proxy cannot be read: {error}") from error

    def _of_proxy(self, proxy: Proxy) -> list[Address]:
        try:
            return resolve(proxy.host, proxy.port)
        except socket.gaierror as error:
            raise ProxyFailed(f"the proxy's name could not be resolved: {error.strerror}") from error

    def _connected(
        self, addresses: list[Address], proxy: Proxy | None, host: str, port: int, patience_s: Callable[[], float]
    ) -> tuple[socket.socket, Address]:
        """Without TLS yet; through the proxy, if there is one.

        Raises:
            OSError: no connection; ProxyFailed where the proxy is why.
        """
        if proxy is None:
            return race(addresses, patience_s(), self._clock)
        try:
            raw, address = race(addresses, patience_s(), self._clock)
        except OSError as error:
            raise ProxyFailed(f"the proxy cannot be reached: {error}") from error
        try:
            open_tunnel(raw, proxy, host, port, patience_s(), self._clock)
        except BaseException:
            raw.close()
            raise
        return raw, address


def _begun(address: Address) -> socket.socket:
    """A connection that is on its way.

    Raises:
        OSError: there is no way.
    """
    family, kind, protocol, _, where = address
    one = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    code = one.connect_ex(where)
    if code not in {0, errno.EINPROGRESS}:
        one.close()
        raise OSError(code, os.strerror(code))
    return one
