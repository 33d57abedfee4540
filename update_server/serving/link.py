"""The ingest's link: takes messages from the broker and acknowledges each only after the database has committed it.

So a crash anywhere loses nothing: the broker delivers again, and ingest is idempotent.
"""

import logging
import queue
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from sqlalchemy.exc import OperationalError

from update_server.complaints import Complaints
from update_server.errors import Misconfigured
from update_server.fleet.broker import TLS12_CIPHERS
from update_server.fleet.ingest import RECEIPTED
from update_server.fleet.reading import Incoming
from update_server.pki.authority import CA_FILE, SHARE_FILE, ingest_files, ingest_name

LOG = logging.getLogger("camward.ingest")
TELEMETRY = "camward/1/+/up/telemetry"
# Those of which a camera awaits a receipt, and births and wills: the server's alone, so that their order stays.
ORDERED = (*(f"camward/1/+/up/{kind}" for kind in RECEIPTED), "camward/1/+/state")
BEFORE = "camward/1/+/up/#"  # what servers of an earlier version have subscribed to; a session remembers it
SHARED = "$share/{}/" + TELEMETRY  # MQTT 5, 4.8.2
SESSION_S = 30 * 86_400  # the broker keeps messages for us this long while the server is down
RECEIVE_MAXIMUM = 500  # unacknowledged messages at a time: bounds our memory, the broker queues the rest
BATCH = 200
RETRY_S = 1.0
IDLE_S = 5.0  # an ingest that leaves has got all of its messages when none has come for so long

TakeBatch = Callable[[list[Incoming]], None]


@dataclass(frozen=True)
class Part:
    """Which messages an ingest takes, and as whom: its number, which names its files, and its client id."""

    number: int
    name: str
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]


def server_part(processes: int) -> Part:
    """What the server takes, with so many ingest processes beside it: all, or all but telemetry."""
    wanted, unwanted = (ORDERED, (BEFORE, TELEMETRY)) if processes else ((*ORDERED, TELEMETRY), (BEFORE,))
    return Part(0, ingest_name(0), wanted, unwanted)


def process_part(pki: Path, number: int) -> Part:
    """A share of the telemetry.

    Raises:
        Misconfigured: the server has not made what it takes.
    """
    _, certificate, _ = link_files(pki, number)
    try:
        share = (pki / SHARE_FILE).read_text(encoding="ascii").strip()
        certificate.stat()
    except OSError:
        raise Misconfigured(
            f"There is no ingest {number} here.", "Set ingest_processes in server.toml, and start the server first."
        ) from None
    return Part(number, ingest_name(number), (SHARED.format(share),), ())


def link_files(pki: Path, number: int) -> tuple[Path, Path, Path]:
    """What an ingest's TLS is made of: the CAs, its certificate and its key."""
    files = ingest_files(number)
    return pki / CA_FILE, pki / f"{files}.pem", pki / f"{files}.key.pem"


class _Client(mqtt.Client):
    """As its parent, whose thread may end by an error without anybody noticing: `broken` tells."""

    broken = False

    def _thread_main(self) -> None:
        try:
            super()._thread_main()
        except Exception:
            LOG.exception("The connection to the broker has ended by an error.")
            self.broken = True


class Link:
    """A paho client and one worker thread. `start` returns at once; `connected` tells when the subscriptions stand."""

    def __init__(self, host: str, port: int, pki: Path, part: Part, take: TakeBatch) -> None:
        self._address = (host, port)
        self._part = part
        self._last_at = time.monotonic()
        self._take = take
        self._queue: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        self._stop = threading.Event()
        self._leaving = self._busy = False
        self.connected = threading.Event()
        self._worker = threading.Thread(target=self._work, name="ingest", daemon=True)
        self._client = _Client(
            CallbackAPIVersion.VERSION2, part.name, protocol=mqtt.MQTTv5, manual_ack=True, reconnect_on_failure=True
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(TLS12_CIPHERS)
        cas, certificate, key = link_files(pki, part.number)
        context.load_verify_locations(cas)
        context.load_cert_chain(certificate, key)
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._complaints = Complaints(LOG)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_unsubscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to connect, and connect again whenever the connection is lost."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._worker.start()
        host, port = self._address
        self._client.connect_async(host, port, keepalive=60, clean_start=False, properties=properties)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send at QoS 1; False while the broker is away."""
        if not self.connected.is_set():
            return False
        self._client.publish(topic, payload, qos=1)
        return True

    def died(self) -> bool:
        """Whether a thread has ended by itself, which only a bug can cause (its traceback is printed)."""
        worker = self._worker.ident is not None and not self._worker.is_alive()
        return (worker or self._client.broken) and not self._stop.is_set()

    def stop(self) -> None:
        """Finish the batch in hand, then disconnect; what is not acknowledged is delivered again next time."""
        self._stop.set()
        self._worker.join()
        self._client.disconnect()
        self._client.loop_stop()

    def leave(self) -> None:
        """Take no new messages, finish those that the broker has for us, and end our session there.

        Instead of `start`; returns when it is done. What comes meanwhile goes to the others of the share.
        """
        self._leaving = True
        self.start()
        while not self.connected.wait(RETRY_S) or not self._is_idle():
            if self.died():
                return
            time.sleep(RETRY_S)
        self._stop.set()
        self._worker.join()
        properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        self._client.loop_stop()

    def _is_idle(self) -> bool:
        return not self._busy and self._queue.empty() and time.monotonic() - self._last_at > IDLE_S

    def _on_unsubscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, _reasons: list[ReasonCode], _properties: object
    ) -> None:
        if self._leaving:
            self._last_at = time.monotonic()
            self.connected.set()

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._complaints.say("refused", f"The broker refuses {self._part.name}: {reason}.")
            return
        if self._leaving:
            client.unsubscribe(list(self._part.wanted))
            return
        client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._part.wanted])
        if self._part.unwanted:
            client.unsubscribe(list(self._part.unwanted))

    def _on_subscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            LOG.error("The broker refuses a subscription: check its access control list.")
            return
        self.connected.set()

    def _on_disconnect(
        self, _client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self.connected.clear()
        if not self._stop.is_set():
            self._complaints.say("lost", f"The connection to the broker is lost ({reason}); connecting again.")

    def _on_connect_fail(self, _client: mqtt.Client, _data: object) -> None:
        """No connection, or no TLS; paho calls this while it handles the error."""
        host, port = self._address
        self._complaints.say("failed", f"No connection to the broker at {host}:{port}: {sys.exception()}.")

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._queue.put(message)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                batch = [self._queue.get(timeout=0.2)]
            except queue.Empty:
                continue
            self._busy = True
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            if self._commit([Incoming(message.topic, bytes(message.payload)) for message in batch]):
                self._last_at = time.monotonic()
                for message in batch:
                    self._client.ack(message.mid, message.qos)
            self._busy = False

    def _commit(self, batch: list[Incoming]) -> bool:
        """Hand the batch over until the database takes it; False only when stopping."""
        while not self._stop.is_set():
            try:
                self._take(batch)
            except OperationalError as error:
                LOG.warning("The database does not take messages now (%s); trying again.", error.orig)
                time.sleep(RETRY_S)
            else:
                return True
        return False
