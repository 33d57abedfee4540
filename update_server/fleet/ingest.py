"""What arrives over MQTT, taken into the database: idempotent, in batches, each batch one transaction.

A message that is malformed, not from the camera its topic names, or wrongly signed is recorded as refused and then
forgotten; it never stops the ones behind it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.formats import canonical_json, json
from agent.formats.errors import FormatError
from update_server.db.models import Device, Evidence, Message, UpdateEvent
from update_server.fleet import devices

MAX_MESSAGE_BYTES = 262_144
TOPIC = re.compile(
    r"camward/1/(?P<id>[a-z2-7]{26})/(?:up/(?P<kind>telemetry|alarm|evidence|report)|(?P<state>state))\Z"
)
SIGNED_KINDS = frozenset({"evidence", "report"})
HALF = 32  # bytes of r and of s in an ES256 signature (RFC 7518, 3.4)

# Told about each verified update report, inside the transaction.
OnReport = Callable[[Session, Device, UpdateEvent, int], None]


@dataclass(frozen=True)
class Incoming:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes


class Refused(Exception):
    """A message is not taken; `code` and the text say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Ingest:
    """Takes messages in. `take` may be repeated with the same messages: nothing happens twice."""

    def __init__(self, on_report: OnReport) -> None:
        self._on_report = on_report

    def take(self, session: Session, messages: Iterable[Incoming], now: int) -> None:
        """Take a batch in, in order."""
        for message in messages:
            match = TOPIC.match(message.topic)
            device = session.get(Device, match["id"]) if match else None
            if match is None or device is None:
                devices.refuse(session, match["id"] if match else "", "unknown_device", message.topic[:200], now)
                continue
            try:
                if match["state"]:
                    self._state(device, message.payload, now)
                else:
                    self._message(session, device, match["kind"], message.payload, now)
            except Refused as error:
                devices.refuse(session, device.id, error.code, str(error), now)

    def _state(self, device: Device, payload: bytes, now: int) -> None:
        """Birth or will: retained, not numbered; the last one wins."""
        value = _parse(payload)
        body = value.get("body", value)
        online = body.get("online") if isinstance(body, dict) else None
        if not isinstance(online, bool):
            raise Refused("format", "state says neither online nor offline")
        device.online = online
        if online:
            device.last_seen_at = now
            _take_version(device, body)

    def _message(self, session: Session, device: Device, kind: str, payload: bytes, now: int) -> None:
        envelope = _parse(payload)
        boot, seq, at, body = (envelope.get(name) for name in ("boot", "seq", "at", "body"))
        if envelope.get("v") != 1 or not isinstance(body, dict) or not isinstance(boot, str | int):
            raise Refused("format", "the envelope is malformed")
        if not isinstance(seq, int) or not isinstance(at, int) or isinstance(seq, bool) or isinstance(at, bool):
            raise Refused("format", "seq and at must be integers")
        if envelope.get("type") != kind or envelope.get("id") != device.id:
            raise Refused("format", "type or id in the envelope are not those of the topic")
        boot = str(boot)[:64]
        same = (Message.device_id == device.id, Message.boot == boot, Message.seq == seq)
        if session.scalars(select(Message.id).where(*same)).first() is not None:
            return
        if kind in SIGNED_KINDS:
            _verify(device, envelope)
        session.add(
            Message(
                device_id=device.id, boot=boot, seq=seq, type=kind, at=at, received_at=now,
                raw=payload,
            )
        )  # fmt: skip
        device.last_seen_at = now
        getattr(self, "_" + kind)(session, device, body, at, payload, now)

    def _telemetry(
        self, _session: Session, device: Device, body: dict[str, Any], at: int, _raw: bytes, _now: int
    ) -> None:
        device.online = True
        if device.telemetry_at is None or at >= device.telemetry_at:
            device.telemetry, device.telemetry_at = body, at
        _take_version(device, body)

    def _alarm(self, _session: Session, device: Device, body: dict[str, Any], _at: int, _raw: bytes, _now: int) -> None:
        device.attention = _text(body, "detail", 500) or _text(body, "code", 64) or "alarm"

    def _evidence(self, session: Session, device: Device, body: dict[str, Any], at: int, raw: bytes, now: int) -> None:
        row = session.get(Evidence, device.id)
        if row is None:
            session.add(Evidence(device_id=device.id, at=at, received_at=now, report=body, envelope=raw))
        elif at >= row.at:
            row.at, row.received_at, row.report, row.envelope = at, now, body, raw

    def _report(self, session: Session, device: Device, body: dict[str, Any], at: int, _raw: bytes, now: int) -> None:
        if body.get("kind") != "update":
            raise Refused("format", "a report of an unknown kind")
        event = UpdateEvent(
            device_id=device.id, at=at, received_at=now, event=_text(body, "event", 16),
            from_version=_text(body, "from", 64), to_version=_text(body, "to", 64),
            code=_text(body, "code", 32), detail=_text(body, "detail", 500), slot=_text(body, "slot", 4),
        )  # fmt: skip
        session.add(event)
        if event.event in ("rolled_back", "failed", "refused"):
            device.attention = " ".join(p for p in (event.event, event.to_version, event.code, event.detail) if p)
        elif event.event == "committed":
            device.attention = ""
        session.flush()
        self._on_report(session, device, event, now)


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        return json.parse_object(payload, MAX_MESSAGE_BYTES, floats=True)
    except FormatError as error:
        raise Refused("format", str(error)) from None


def _text(body: dict[str, Any], name: str, limit: int) -> str:
    value = body.get(name)
    return value[:limit] if isinstance(value, str) else ""


def _take_version(device: Device, body: dict[str, Any]) -> None:
    version = _text(body, "version", 64)
    if version:
        device.version = version


def _verify(device: Device, envelope: dict[str, Any]) -> None:
    """Verify the envelope's signature with the camera's evidence key, over its canonical JSON without `signature`."""
    signature = envelope.get("signature")
    if device.evidence_key is None:
        raise Refused("signature", "no evidence key is on file")
    if not isinstance(signature, dict) or signature.get("alg") != "ES256":
        raise Refused("signature", "the message is not signed")
    key = serialization.load_pem_public_key(device.evidence_key.encode("ascii"))
    unsigned = {name: value for name, value in envelope.items() if name != "signature"}
    try:
        raw = bytes.fromhex(str(signature.get("sig")))
        if len(raw) != 2 * HALF or not isinstance(key, ec.EllipticCurvePublicKey):
            raise Refused("signature", "the signature is malformed")
        der = encode_dss_signature(int.from_bytes(raw[:HALF], "big"), int.from_bytes(raw[HALF:], "big"))
        key.verify(der, canonical_json.encode(unsigned), ec.ECDSA(hashes.SHA256()))
    except (ValueError, FormatError, InvalidSignature):
        raise Refused("signature", "the signature does not verify") from None
