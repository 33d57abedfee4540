"""The port Enroller in the simulated world: certificates by a Server (firmware_sim.world.network)."""

from agent.app.identity import CERTIFICATE
from agent.formats.errors import Rejected, Unavailable
from firmware_sim.world import certificates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.formats.token import Token
    from firmware_sim.world.machine import WorldClock
    from firmware_sim.world.network import Server


class WorldEnroller:
    """Implements the port Enroller: a certificate for whoever knows the token's secret, once per key; renewals."""

    def __init__(
        self,
        server: "Server",
        public_key: "Callable[[str], bytes]",
        clock: "WorldClock",
        document: "Callable[[str], bytes | None]",
    ) -> None:
        """`public_key(name)`: the device's key of that name; `document(name)`: what is stored."""
        self._server = server
        self._public_key = public_key
        self._clock = clock
        self._document = document

    def certify(self, token: "Token", device_id: str, serial: str, key: str) -> bytes:
        """The certificate (text in the shape of PEM, nothing in it is real).

        Raises:
            Rejected: the secret is wrong, or the token was used for another key.
            Unavailable: the server is down.
        """
        server = self._server.others.get(token.url, self._server)
        if server.down:
            raise Unavailable("connection refused")
        public = self._public_key(key)
        if server.secrets.get(token.id) != token.secret:
            raise Rejected("the server refuses the token")
        if server.enrolled.setdefault(token.id, public) != public:
            raise Rejected("the token was used")
        return server.certify(device_id, int(self._clock.now_s))

    def renew(self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str) -> bytes:
        """The next certificate, for whoever shows the present one.

        Raises:
            Rejected: it is another device's or too old, or the camera is denied.
            Unavailable: the server is down.
        """
        server = self._server.others.get(server_url, self._server)
        return server.certify(device_id, self._shown(server, device_id, server.grace_s))

    def rekey(self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str, by: str) -> bytes:
        """A certificate for another key of the same device, where the server has ordered that.

        Raises:
            Rejected: as `renew`, or nothing was ordered.
            Unavailable: the server is down.
        """
        server = self._server.others.get(server_url, self._server)
        now_s = self._shown(server, device_id, 0)
        if not server.rekeys:
            raise Rejected("the server answered 400")
        server.rekeyed.append(self._public_key(by))
        return server.certify(device_id, now_s)

    def certify_services(
        self, server_url: str, _ca: str, device_id: str, _serial: str, _key: str
    ) -> "tuple[str, bytes]":
        """A certificate for the camera's services, for whoever shows the present one of its identity.

        Raises:
            Rejected: as `renew`.
            Unavailable: the server is down.
        """
        server = self._server.others.get(server_url, self._server)
        now_s = self._shown(server, device_id, 0)
        server.services_issued.append(now_s)
        made = certificates.make(device_id, now_s, now_s - certificates.HOUR_S, now_s + server.certificate_s)
        return device_id + ".camward.internal", made

    def _shown(self, server: "Server", device_id: str, grace_s: int) -> int:
        """Let the server look at the certificate that there is; the true time."""
        if server.down:
            raise Unavailable("connection refused")
        now_s, shown = int(self._clock.now_s), self._document(CERTIFICATE)
        if certificates.holder(shown) != device_id or device_id in server.denied:
            raise Rejected("the server answered 403")
        if not certificates.fits(shown, now_s, grace_s):
            raise Rejected("the server answered 401")
        return now_s
