"""MQTT 5 over mutual TLS by paho-mqtt, whose own thread keeps the connection."""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.adapters.linux.dates import Dates, by_the_system
from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.tls import client_context
from agent.adapters.linux.troubles import BARRED, CLOSED, NEAR, REFUSED, UNREACHABLE, Trouble, trouble
from agent.core import backoff, ways
from agent.core.ways import Ways
from agent.formats.messages import State, encode_state

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from agent.adapters.linux.mqtt_client import BoundedClient

KEEP_ALIVE_S = 60  # where nobody says otherwise: the broker notices an outage within 90 s
MAX_IN_FLIGHT = 20  # the broker's default receive maximum
FIRST_DELAY_S = 2.0
# When a session that has stood for so long ends, so do those of the whole fleet, as far as a camera can know: then the
# waits begin wider, so that no more than a twentieth of the fleet knocks in a second.
SETTLED_S = 60.0
SETTLED_DELAY_S = 20.0
MAX_DELAY_S = 300.0
MAX_NEAR_DELAY_S = 30.0  # where the trouble is the camera's own network: nobody tells us when a portal lets us through
MIN_DELAY_S = 0.5
DIAL_S = 20.0  # to connect, and again for the handshake: some round trips and 10 KB of a slow 2G line
UNACKNOWLEDGED_S = 60.0  # what the other end's kernel has not acknowledged for so long it never will (RFC 5482)
LEAVE_S = 2.0  # for the last packets to get out; the caller is the main loop
QOS = 1
NOBODY = 0x10  # "no matching subscribers" (MQTT 5, 3.4.2.1): the broker has taken the message, and thrown it away

Event = tuple[str, ...] | tuple[str, str, bytes]


def delay_s(failures: int, stood_s: float, fraction: float, most_s: float = MAX_DELAY_S) -> float:
    """Seconds until the next attempt, after so many failures in a row (1: a session has ended).

    `stood_s`: how long the last session stood, 0 if there was none; `fraction` is drawn;
    `most_s`: the widest wait.
    """
    first_s = SETTLED_DELAY_S if stood_s >= SETTLED_S else FIRST_DELAY_S
    return max(MIN_DELAY_S, backoff.delay_s(failures, first_s, most_s, fraction))


class PahoLink:
    """`agent.ports.network.Link`. `post` is called on paho's thread with the events that the port names."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        post: Callable[[Event], None],
        dates: Callable[[], Dates] = by_the_system,
        dialer: Dialer | None = None,
        keys: Callable[[str], Path] | None = None,
    ) -> None:
        """`keys`: where the key of a name is read from that `show` is given; beside `key` where nobody says."""
        self._certificate = certificate
        self._name = ""  # of the certificate, once `show` has named one
        self._opened: tuple[str, int, str, str, tuple[str, ...], int] | None = None
        self._key, self._keys = key, keys
        self._post = post
        self._dialer = dialer or Dialer()
        self._dates = dates  # asked at each connection, on paho's thread: a clock that was put right is right at once
        self._client: BoundedClient | None = None
        self._lock = threading.Lock()
        # The main loop opens and closes, a worker shows: two clients of one id would end each other's sessions.
        self._changing = threading.RLock()
        self._names: dict[int, str] = {}
        self._early: dict[int, str] = {}  # what became of it
        self._connected = False
        self._up = False  # connected, and begun
        self._failures = 0
        self._ways: Ways | None = None
        self._trouble = Trouble(UNREACHABLE, "")  # of the last attempt to connect
        self._since = self._stood_s = 0.0  # when the session began (monotonic), and how long the last one stood
        self._random = random.SystemRandom()
        self._subscribe: tuple[str, ...] = ()

    def open(
        self,
        host: str,
        port: int,
        ca_pem: str,
        device_id: str,
        subscribe: tuple[str, ...],
        keep_alive_s: int = KEEP_ALIVE_S,
    ) -> None:
        """See `Link.open`.

        Raises:
            FormatError: the CA does not parse.
            Unavailable: the device's certificate cannot be read.
        """
        with self._changing:
            self._open(host, port, ca_pem, device_id, subscribe, keep_alive_s)

    def _open(
        self, host: str, port: int, ca_pem: str, device_id: str, subscribe: tuple[str, ...], keep_alive_s: int
    ) -> None:
        from paho.mqtt.client import MQTTv5
        from paho.mqtt.enums import CallbackAPIVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        from agent.adapters.linux.mqtt_client import MAX_PACKET_BYTES, BoundedClient

        self.close()
        if self._ways is None or self._opened is None or self._opened[:2] != (host, port):
            self._ways = Ways(port)
        self._opened = host, port, ca_pem, device_id, subscribe, keep_alive_s
        files = self._certificate, self._key, self._dates
        direct = client_context(ca_pem, *files)
        contexts = {port: direct, ways.FALLBACK_PORT: client_context(ca_pem, *files, alpn=ways.ALPN)}
        self._subscribe = subscribe
        client = BoundedClient(CallbackAPIVersion.VERSION2, client_id=device_id, protocol=MQTTv5)
        client.dial = lambda: self._dial(host, contexts, keep_alive_s)
        client.will_set(f"camward/1/{device_id}/state", encode_state(State(False, "", "", "")), QOS, retain=True)
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        client.connect_async(host, port, keep_alive_s, clean_start=True, properties=properties)
        self._client = client
        client.loop_start()

    def begin(self) -> None:
        """See `Link.begin`."""
        with self._lock:
            self._up = self._connected

    def publish(
        self, name: str, topic: str, payload: bytes, retain: bool, properties: tuple[tuple[str, str], ...] = ()
    ) -> bool:
        """See `Link.publish`; a message that is under way already is not sent twice."""
        client = self._client
        with self._lock:
            if client is None or not self._up:
                return False
            if name in self._names.values():
                return True
            if len(self._names) >= MAX_IN_FLIGHT:
                return False
        # Not under our lock: paho calls `_on_publish` while it holds a lock that `publish` takes.
        info = client.publish(topic, payload, QOS, retain, _beside(properties))
        if info.rc:
            return False  # the connection is gone, or the packet id, which has come round, is still in use
        mid = info.mid
        with self._lock:
            if client is not self._client:
                return False  # `show` has ended that session meanwhile
            early = self._early.pop(mid, None)
            if early is None:
                self._names[mid] = name
        if early is not None:
            self._post((early, name))
        return True

    def show(self, certificate: str, key: str) -> None:
        """See `Link.show`; all certificates lie in one folder.

        Raises:
            Unavailable: this certificate cannot be read.
        """
        with self._changing:
            self.close()  # first: what `shown` says is true of the session that stands
            self._name = certificate
            self._certificate = self._certificate.with_name(certificate.rpartition("/")[2])
            self._key = self._keys(key) if self._keys is not None else self._key.with_name(key + ".key.pem")
            if self._opened is not None:
                self._open(*self._opened)

    def stands(self) -> bool:
        """See `Link.stands`."""
        with self._lock:
            return self._connected

    def shown(self) -> str:
        """See `Link.shown`."""
        client = self._client
        return self._name if client is not None and client.is_connected() else ""

    def connections(self) -> list[dict[str, object]]:
        """The session, for evidence: peer, TLS version, and whether the peer's certificate was verified."""
        client = self._client
        secured = client.socket() if client is not None else None
        if client is None or not isinstance(secured, ssl.SSLSocket):
            return []
        # Without verification OpenSSL hands the certificate over as an empty dictionary.
        verified = bool(secured.getpeercert())
        return [{"peer": client.host, "version": secured.version() or "", "verified": verified}]

    def address(self) -> str:
        """This camera's own address in the session with the broker; empty while there is none."""
        client = self._client
        connected = client.socket() if client is not None else None
        if not isinstance(connected, ssl.SSLSocket):
            return ""
        try:
            own = str(connected.getsockname()[0])
        except OSError:
            return ""
        return own.removeprefix("::ffff:").partition("%")[0]

    def close(self) -> None:
        """See `Link.close`."""
        with self._changing:
            client, self._client = self._client, None
            if client is None:
                return
            client.leave(LEAVE_S)
            with self._lock:
                self._names.clear()
                self._early.clear()
                self._connected = self._up = False

    def _dial(self, host: str, contexts: dict[int, ssl.SSLContext], keep_alive_s: int) -> ssl.SSLSocket:
        """Connect, on paho's thread.

        Raises:
            OSError: no connection.
        """
        by = self._ways
        if by is None:
            raise OSError("the link is not open")
        port = by.choose(time.monotonic())
        try:
            connected = self._dialer.dial(host, port, lambda: contexts[port], lambda: DIAL_S)
        except OSError as error:
            code, text = trouble(error)
            self._trouble = Trouble(code, f"{text} (port {port})")
            if code in BARRED:
                by.failed()
            raise
        if not isinstance(connected, ssl.SSLSocket):
            raise OSError("the connection is not secured")
        # So a ping finds a half-open connection, and not only the next one that is due. Nothing is sent for it.
        unacknowledged_ms = int(1000 * min(UNACKNOWLEDGED_S, keep_alive_s / 2))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged_ms)
        return connected

    def _on_connect(
        self,
        client: "Client",
        _data: object,
        _flags: "ConnectFlags",
        code: "ReasonCode",
        _properties: "Properties | None",
    ) -> None:
        if client is not self._client:  # it was left while it was connecting
            client.disconnect()
            return
        if code.is_failure:
            self._delay(client, REFUSED)
            self._post(("down", str(code), REFUSED))
            return
        # What paho has kept of the last session would go out before what the broker has lost of it: the outbox knows
        # what is missing, and sends it in order.
        client.drop_out_messages()
        if self._subscribe:
            client.subscribe([(topic, QOS) for topic in self._subscribe])
        with self._lock:
            self._names.clear()
            self._early.clear()
            self._connected = True
            self._failures = 0
            if self._ways is not None:
                self._ways.worked()
            self._since = time.monotonic()
        self._post(("up",))

    def _on_connect_fail(self, client: "Client", _data: object) -> None:
        if client is not self._client:
            return
        self._delay(client, self._trouble.code)
        self._post(("down", self._trouble.text, self._trouble.code))

    def _on_disconnect(
        self,
        client: "Client",
        _data: object,
        _flags: "DisconnectFlags",
        code: "ReasonCode",
        _properties: "Properties | None",
    ) -> None:
        if client is not self._client:
            return
        with self._lock:
            if not self._connected and self._ways is not None:
                self._ways.failed()  # TLS was right, but nobody there speaks MQTT
            if self._connected:
                self._stood_s = time.monotonic() - self._since
            self._connected = self._up = False
        self._delay(client, CLOSED)
        self._post(("down", str(code), CLOSED))

    def _on_publish(
        self, client: "Client", _data: object, mid: int, code: "ReasonCode", _properties: "Properties"
    ) -> None:
        if client is not self._client:
            return
        became = "refused" if code.is_failure or code.value == NOBODY else "acknowledged"
        with self._lock:
            name = self._names.pop(mid, None)
            if name is None:
                self._early[mid] = became  # a fast broker answers before `publish` has noted the number
        if name is not None:
            self._post((became, name))

    def _on_message(self, client: "Client", _data: object, message: "MQTTMessage") -> None:
        if client is not self._client:
            return
        self._post(("message", message.topic, bytes(message.payload)))

    def _delay(self, client: "Client", code: str) -> None:
        """Full jitter: paho doubles from min to max, so both are set to the one delay that is wanted next."""
        self._failures += 1
        most_s = MAX_NEAR_DELAY_S if code in NEAR else MAX_DELAY_S
        delay = delay_s(self._failures, self._stood_s, self._random.random(), most_s)
        client.reconnect_delay_set(delay, delay)  # type: ignore[arg-type]


def _beside(properties: tuple[tuple[str, str], ...]) -> "Properties | None":
    if not properties:
        return None
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    found.UserProperty = list(properties)
    return found
