"""HTTPS listeners in one event loop, with the peer's certificate handed to the application (docs: contracts).

uvicorn does not pass the client certificate on; `PeerProtocol` adds it as `scope["extensions"]["tls"]`. A contract test
pins this to the uvicorn version in use.
"""

import errno
import socket
import ssl
import sys
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from update_server.errors import Conflict, Misconfigured
from update_server.fleet.broker import TLS12_CIPHERS

MAX_HEADER_BYTES = 16 * 1024
REQUEST_S = 30  # for headers and body to arrive; the longest body has 64 KiB
IDLE_S = 75
GRACE_S = 5
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, for which Python has no name
MAX_CONNECTIONS = 2000


class _WithPeer:
    """The application of one connection: adds that connection's peer certificate (DER or None) to each request.

    And `anchor`, the trusted certificate that TLS has found above it; None where TLS does not say (resumed sessions).
    """

    def __init__(self, app: ASGIApp, peer: bytes | None, anchor: bytes | None) -> None:
        self._app = app
        self._peer = peer
        self._anchor = anchor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        scope.setdefault("extensions", {})["tls"] = {"peer_certificate": self._peer, "anchor": self._anchor}
        await self._app(scope, receive, send)


class PeerProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with the peer certificate in the scope, and a deadline for each request to arrive.

    Without the deadline, connections that say nothing, or one byte a minute, would use up MAX_CONNECTIONS.
    """

    request_s: float = REQUEST_S
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take the certificate that TLS verified, once per connection."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        peer = tls.getpeercert(True) if tls is not None else None
        self.app: Any = _WithPeer(self.app, peer, _anchor(tls) if peer else None)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the deadline runs while a request has begun and is not complete."""
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._set_deadline()
        else:
            self._end_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_s, self.transport.abort)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _anchor(tls: Any) -> bytes | None:
    """The last certificate of the chain that OpenSSL has verified, DER."""
    if sys.version_info >= (3, 13):
        chain = tls.get_verified_chain()
    else:
        chain = [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in tls._sslobj.get_verified_chain() or ()]
    return chain[-1] if chain else None


def tls_context(pki: Path, *, client_certificates: bool) -> ssl.SSLContext:
    """TLS 1.2 or newer with the server's certificate; client certificates, where offered, are verified by the fleet CA.

    All but their dates: a camera may renew a certificate that has ended, and do nothing else with it, so whoever serves
    the request looks at those (update_server.api.device).

    Raises:
        Misconfigured: a certificate or key is missing or damaged.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE  # all are good: the weaker machine says which is fast there
    context.num_tickets = 0  # no camera comes back with one, and each holds its whole certificate: 1.6 KB a connection
    try:
        context.load_cert_chain(pki / "server.pem", pki / "server.key.pem")
        if client_certificates:
            context.load_verify_locations(pki / "ca.pem")
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VerifyFlags(NO_CHECK_TIME)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # factory CAs that are named need be no roots
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"The server's certificates in {pki} cannot be used: {error}.", "Restore them.") from None
    return context


class Anchors:
    """Further CAs whose client certificates a listener's TLS lets in, while it runs; the application looks again.

    TLS forgets none before the server's next start: certificates of one that was removed the application refuses.
    """

    def __init__(self, context: ssl.SSLContext, wanted: Callable[[], Iterable[str]]) -> None:
        """`wanted()`: their certificates, PEM."""
        self._context = context
        self._wanted = wanted
        self._known: set[str] = set()

    def refresh(self) -> None:
        """Take in those that are new, from the next connection on.

        Raises:
            Misconfigured: one is no certificate.
        """
        for pem in self._wanted():
            if pem not in self._known:
                try:
                    self._context.load_verify_locations(cadata=pem)
                except (ssl.SSLError, ValueError) as error:
                    raise Misconfigured(f"A CA's certificate cannot be used: {error}.", "Remove it.") from None
                self._known.add(pem)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        Conflict: the port is taken.
        Misconfigured: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it every answer takes 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"Port {port} on {host} is taken.", "Stop what uses it, or change [ports] in server.toml."
            ) from None
        raise Misconfigured(f"Cannot listen on {host} port {port}: {error.strerror}.", "Correct server.toml.") from None
    return listener


class Listener(uvicorn.Server):
    """One HTTPS listener; signals are handled by whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def listener(app: ASGIApp, context: ssl.SSLContext) -> Listener:
    """A listener for `app`; run it with `serve(sockets=[...])`."""
    config = uvicorn.Config(
        app,
        http=PeerProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=MAX_CONNECTIONS,
    )
    config.load()
    config.ssl = context
    return Listener(config)
