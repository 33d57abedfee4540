"""What the camera's listeners show by TLS: settings, the self-signed certificate, and the operator's."""

import re
import ssl
from pathlib import Path

_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+\Z")
"""What can be a name, and so the name of a file; 253 characters are TLS's own limit."""


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The server's TLS settings: 1.3, or 1.2 with forward secrecy and authenticated encryption (RFC 9325, 4.2).

    Raises:
        OSError: a file cannot be read, or they do not belong together (`ssl.SSLError`).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.load_cert_chain(certificate, key)
    return context


class Issued:
    """Shows the certificate that the operator's CA has issued to clients that ask for its name (RFC 6066, 3).

    The agent keeps it as `issued/NAME.pem` beside the self-signed one, and renews it: a file that has changed is read
    again. Everybody else, whoever comes by an address among them, is shown the self-signed one.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._folder = certificate.parent / "issued"
        self._key = key
        self._held: tuple[str, int, ssl.SSLContext | None] | None = None

    def serve(self, context: ssl.SSLContext) -> None:
        """Have a server's context look for it in each handshake."""
        context.sni_callback = self._asked

    def _asked(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name is None or not _HOST_NAME.match(name.lower()):
            return
        path = self._folder / (name.lower() + ".pem")
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError:  # there is none of that name
            return
        held = self._held  # handshakes run beside each other
        if held is None or held[:2] != (path.name, changed_ns):
            held = self._held = path.name, changed_ns, self._read(path)
        if held[2] is not None:
            connection.context = held[2]

    def _read(self, path: Path) -> ssl.SSLContext | None:
        """None where it is damaged, which is not to be found out in every handshake."""
        try:
            return tls_context(path, self._key)
        except OSError:
            return None
