"""Letting a back end in, from the console, the API and the dashboard alike: added, and known to the broker.

A client that subscribes before the broker knows its rights loses what comes until then: the broker matches the
subscription, drops what it may not give, and tells the sender that all is well. So a new certificate is handed out
when the broker has shown that it knows it.
"""

import os
import queue
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from update_server.db.models import Consumer
from update_server.db.session import Database
from update_server.fleet import consumers, devices
from update_server.fleet.broker import TLS12_CIPHERS
from update_server.pki.authority import Authority
from update_server.settings import Settings

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

KNOWN_S = 20.0  # the server looks every second whether the list has to change
RETRY_S = 0.3
ANSWER_S = 5.0
PROBE = "camward/1/nobody/app/{}/down/known"  # what a consumer may write to, and no camera reads


@dataclass(frozen=True)
class BackEnd:
    """A consumer as it is shown: its client id, which topics are its own, and when its last certificate ends."""

    name: str
    program: str
    client: str
    host: str
    port: int
    reads: str
    writes: str
    created_at: int
    expires_at: int


@dataclass(frozen=True)
class Handed:
    """What a new or renewed one is given, once: PEM. `known`: whether the broker has shown that it lets it in."""

    about: BackEnd
    certificate: str
    key: str
    ca: str
    known: bool


def about(row: Consumer, settings: Settings) -> BackEnd:
    """A row as it is shown."""
    topics = f"camward/1/+/app/{row.program}/"
    return BackEnd(
        row.name, row.program, row.client, settings.hosts[0], settings.ports.mqtt, topics + "up/+", topics + "down/+",
        row.created_at, row.expires_at,
    )  # fmt: skip


def remove(database: Database, name: str, who: str, now: int) -> None:
    """Shut one out, for good, with its line in the audit log; the CA's key is not needed for it.

    Raises:
        NotFound: there is none of this name.
    """
    with database.write() as session:
        row = consumers.remove(session, name, now)
        devices.audit(session, who, "consumer remove", f"{row.client} {row.program}", now)


class BackEnds:
    """Adds and renews them, each with its line in the audit log."""

    def __init__(self, database: Database, authority: Authority, settings: Settings) -> None:
        self._database = database
        self._authority = authority
        self._settings = settings

    def add(
        self, name: str, program: str, who: str, now: int, keep: Callable[[Handed], None] = lambda _handed: None
    ) -> Handed:
        """Let one in, and wait until the broker knows it, as far as the broker is there.

        `keep` stores what it is given before anything is committed.

        Raises:
            BadInput: that is no name of a consumer or of a program.
            Conflict: there is one of this name.
        """
        with self._database.write() as session:
            made = consumers.add(session, self._authority, name, program, now)
            handed = self._handed(made, known=False)
            keep(handed)
            devices.audit(session, who, "consumer add", f"{made.row.client} {program}", now)
        return replace(handed, known=self._known(handed))

    def renew(self, name: str, who: str, now: int, keep: Callable[[Handed], None] = lambda _handed: None) -> Handed:
        """Another key and certificate under the same client id, which the broker knows already; `keep` as of `add`.

        Raises:
            NotFound: there is none of this name.
        """
        with self._database.write() as session:
            made = consumers.renew(session, self._authority, name, now)
            handed = self._handed(made, known=True)
            keep(handed)
            devices.audit(session, who, "consumer renew", made.row.client, now)
        return handed

    def _handed(self, made: consumers.Made, *, known: bool) -> Handed:
        form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Handed(
            about(made.row, self._settings),
            made.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
            made.key.private_bytes(serialization.Encoding.PEM, *form).decode("ascii"),
            self._authority.bundle,
            known,
        )

    def _known(self, handed: Handed) -> bool:
        """Ask the broker, in the consumer's name, until it may write, or the broker is away."""
        address = (self._settings.ingest_host, self._settings.ports.mqtt)
        context, deadline = _context(handed), time.monotonic() + KNOWN_S
        while time.monotonic() < deadline:
            try:
                if _may_write(address, context, handed.about):
                    return True
            except OSError:  # away: it reads its list when it comes
                return False
            time.sleep(RETRY_S)
        return False


def _context(handed: Handed) -> ssl.SSLContext:
    """TLS as the consumer will have it; its key goes through a file in memory, since there is no other way in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.load_verify_locations(cadata=handed.ca)
    descriptor = os.memfd_create("consumer")
    try:
        os.write(descriptor, (handed.key + handed.certificate).encode("ascii"))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def _may_write(address: tuple[str, int], context: ssl.SSLContext, one: BackEnd) -> bool:
    """Whether the broker takes a message of this client.

    Raises:
        OSError: there is no connection.
    """
    import paho.mqtt.client as mqtt  # commands that need no broker start without it
    from paho.mqtt.enums import CallbackAPIVersion

    answers: queue.Queue[ReasonCode] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, one.client, protocol=mqtt.MQTTv5)
    client.tls_set_context(context)
    client.on_publish = lambda _client, _data, _mid, reason, _properties: answers.put(reason)
    client.connect(*address)
    client.loop_start()
    try:
        client.publish(PROBE.format(one.program), b"", qos=1)
        return not answers.get(timeout=ANSWER_S).is_failure
    except queue.Empty:
        return False
    finally:
        client.disconnect()
        client.loop_stop()
