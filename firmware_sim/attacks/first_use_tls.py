"""TLS as an attacker speaks it: the camera's certificate is whatever the camera shows the first time."""

import ssl

FETCH_WITHIN_S = 20.0
"""An emulated camera takes about a second for a handshake."""


class UnsafeFirstUseTls:
    """Trusts the certificate that each port showed first, and from then on that one alone.

    An attacker has nobody to ask whose camera this is. Never for a client that carries a secret worth keeping.
    """

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, int], ssl.SSLContext] = {}

    def context(self, host: str, port: int) -> ssl.SSLContext:
        """The client context for a port; the first call for it connects once to see its certificate.

        Raises:
            OSError: the port cannot be reached or speaks no TLS.
        """
        known = self._contexts.get((host, port))
        if known is None:
            certificate = ssl.get_server_certificate((host, port), timeout=FETCH_WITHIN_S)
            known = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            # A camera's own certificate names its serial number, not the address it is called by.
            known.check_hostname = False
            known.load_verify_locations(cadata=certificate)
            self._contexts[host, port] = known
        return known
