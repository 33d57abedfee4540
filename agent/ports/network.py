"""The operator's server and broker, as this device sees them: trusted for who they are, never for what they say."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from agent.formats.delivery import Source
    from agent.formats.running import Running
    from agent.formats.token import Token
else:
    Protocol = object


class Fetcher(Protocol):
    """HTTPS to the operator's server with the device's certificate. The calls block: they run in one worker."""

    def open(self, server_url: str, ca_pem: str) -> None:
        """Use this server and this CA from now on; connections made before are closed.

        Raises:
            FormatError: the URL is not `https://HOST[:PORT]`, or the CA does not parse.
        """
        ...

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> "bytes | None":
        """The body at `path`, or None where the server has none (404).

        Args:
            path: begins with `/`.
            max_bytes: at most `max_bytes + 1` bytes are read and returned, so that the caller sees there was more.
            offset_bytes: begin of the wanted range; only together with `length_bytes`.
            length_bytes: 0 for the whole body, else the length of the wanted range; a shorter answer is returned as is.

        Raises:
            Unavailable: not connected, not opened yet, timed out, refused, or an answer that makes no sense.
            ClockDoubt: (an Unavailable) the server's certificate verifies, but its dates do not fit.
            Busy: (an Unavailable) the server says when to come again.
        """
        ...

    def put(self, path: str, body: bytes) -> None:
        """Send a JSON document; safe to repeat.

        Raises:
            Unavailable: not accepted (yet).
        """
        ...


class Downloader(Protocol):
    """Pieces of targets, from the operator's server or from elsewhere. The calls block: they run in one worker.

    Nothing that comes is trusted: the caller verifies each piece by its hash.
    """

    def open(self, server_url: str, ca_pem: str) -> None:
        """The operator's server and CA from now on; as `Fetcher.open`.

        Raises:
            FormatError: as `Fetcher.open`.
        """
        ...

    def read(
        self, source: "Source", path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> "bytes | None":
        """The next bytes of a target, or None where the source has no such file.

        The first call asks the source for everything from `offset_bytes` to `end_bytes` in one request; a call that
        goes on where the last one ended takes from the same answer. Any other call gives that answer up.

        Args:
            source: `Source("", "")` for the operator's server. A source with a device has to show that camera's
                certificate, any other one a certificate for its host.
            path: begins with `/`.
            offset_bytes: where the wanted bytes begin.
            end_bytes: where they end; at least `align_bytes` behind `offset_bytes`.
            max_bytes: of this call; a multiple of `align_bytes`.
            align_bytes: the answer's length is a multiple of it.

        Returns:
            Between `align_bytes` and `max_bytes` bytes; fewer than asked for where the connection broke after them.

        Raises:
            Unavailable: nothing came: not connected, timed out, refused, or an answer that makes no sense. Busy where
                the source says when to come again, ClockDoubt as `Fetcher.get`; CutOff where fewer than `align_bytes`
                came, and were thrown away.
        """
        ...

    def read_on(
        self, source: "Source", path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> "bytes | None":
        """As `read` where the answer under way goes on with these bytes; nobody is asked for anything.

        Raises:
            Unavailable: it does not, or ended early. What `read` would bring is not touched.
        """
        ...

    def close(self) -> None:
        """Give up the connections that are kept."""
        ...


class NeighbourServer(Protocol):
    """HTTPS to the other cameras of the fleet, who may fetch the release that runs here. In the background, bounded.

    Nothing is served but what was offered, to nobody but holders of a device certificate by the fleet's CA.
    """

    def offer(self, running: "Running", offset_bytes: int, leaves: bytes) -> None:
        """Serve this release, which lies on the disk from `offset_bytes` on, instead of what was offered before.

        `leaves` is its verified block tree. Every block is compared with it before it is sent. One that is not as it
        should be is not sent, and ends the offer: a camera with bad flash is no liar.
        """
        ...

    def open(self, port: int, ca_pem: str, device_id: str) -> None:
        """Listen from now on, if not yet, with this device's certificate.

        Raises:
            FormatError: the CA does not parse.
            Unavailable: the port cannot be had, or the device's certificate cannot be read.
        """
        ...

    def offers(self) -> bool:
        """Whether somebody who asks now gets something."""
        ...

    def close(self) -> None:
        """Stop listening; connections end with the piece that is on its way."""
        ...


class Enroller(Protocol):
    """RFC 7030 (EST): with a one-time token, and later with the certificate. Blocks: runs in the network worker."""

    def certify(self, token: "Token", device_id: str, serial: str, key: str) -> bytes:
        """Have the key of that name (agent.ports.secrets.KeyStore) certified.

        Returns the certificate and its chain as PEM, checked to hold that key and the device id, and to be by the CA.

        The server answers the same token again for the same key, so a power cut after the request loses nothing.

        Raises:
            Rejected: the server refuses the token, or answers with a certificate that is not for this key.
            Unavailable: try later.
        """
        ...

    def renew(self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str) -> bytes:
        """Have the key of that name certified again, by the certificate that there is (`identity/certificate.pem`).

        It may have expired: the server decides for how long it takes it (docs/adr/0030-renewal.md).

        Returns as `certify`: whatever the server's own certificate is, who answers with another CA's gets nowhere.

        Raises:
            FormatError: the address or the CA does not parse.
            Rejected: the server refuses, or answers with a certificate that is not for this key.
            Unavailable: try later.
        """
        ...

    def rekey(self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str, by: str) -> bytes:
        """Have the key `by` certified for this device, by the certificate that there is, which is of the key `key`.

        The server does so for a camera that it has ordered to (RFC 7030, 4.2.2). Returns as `certify`.

        Raises:
            FormatError: the address or the CA does not parse.
            Rejected: the server refuses, or answers with a certificate that is not for the key `by` and this device.
            Unavailable: try later.
        """
        ...

    def certify_services(
        self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str
    ) -> "tuple[str, bytes]":
        """Have the key of the camera's own services (agent.ports.machine.WebCertificate) certified for its DNS name.

        Asked for by the certificate that there is, of the identity's key `key`. Returns the DNS name, and the
        certificate with its chain as PEM, checked to hold the services' key and that name, and to be signed by the CA.

        Raises:
            FormatError: the address or the CA does not parse.
            Rejected: the server refuses, or answers with a certificate that is not for this key, or not by this CA.
            Unavailable: try later; a server of an older version has no such certificates.
        """
        ...


class Link(Protocol):
    """The MQTT session with the operator's broker, kept up in the background.

    What happens on it reaches the main loop as plain tuples: `("up",)`, `("down", reason, trouble)`,
    `("acknowledged", name)`, `("refused", name)`, `("message", topic, payload)`.
    """

    def open(
        self, host: str, port: int, ca_pem: str, device_id: str, subscribe: "tuple[str, ...]", keep_alive_s: int
    ) -> None:
        """Connect and stay connected (jittered reconnects), with the device's certificate and TLS 1.2 at least.

        `keep_alive_s`: how long the line may be silent before each side asks whether the other is there.

        The will is `{"online":false}`, retained, on `camward/1/ID/state`.

        Raises:
            FormatError: the CA does not parse.
        """
        ...

    def begin(self) -> None:
        """The main loop knows of the session that is up: it takes messages from now on.

        None before: what is meant for the session before would get in front of what that one has lost.
        """
        ...

    def publish(
        self,
        name: str,
        topic: str,
        payload: bytes,
        retain: bool,
        properties: "tuple[tuple[str, str], ...]" = (),
    ) -> bool:
        """Hand over one message at QoS 1; False while no session has begun, or its queue is full.

        `properties`: names and values that travel beside it (MQTT 5, 3.3.2.3.7).

        Not durable: keep the message until `("acknowledged", name)`. `("refused", name)` says that the broker has not
        taken it, or that nobody is there to whom it could ever give it (MQTT 5, reason code 0x10).
        """
        ...

    def show(self, certificate: str, key: str) -> None:
        """Show the certificate of this name (`identity/...`) from now on: a session that stands ends, another begins.

        `key`: the name of its key (agent.ports.secrets.KeyStore).

        Blocks until the former one has ended: runs in the network worker.

        Raises:
            Unavailable: this certificate cannot be read; there is no session then.
        """
        ...

    def stands(self) -> bool:
        """Whether a session stands now, begun or not: one that was made after the last `open`, `show` or `close`."""
        ...

    def shown(self) -> str:
        """By which certificate the session that stands was made, as named to `show`; empty if none or never named."""
        ...

    def close(self) -> None:
        """Disconnect cleanly, if connected."""
        ...
