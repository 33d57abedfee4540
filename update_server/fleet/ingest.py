"""What arrives over MQTT, taken into the database: idempotent, in batches, each batch one transaction.

A message that is malformed, not from the camera its topic names, wrongly signed, sealed to nobody here, or one too many
is recorded as refused and then forgotten; it never stops the ones behind it.

What comes back says which alarms, evidence and reports the camera need not keep any more: those that are taken, and
those that never will be. The caller tells it, signed, once this is committed.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from agent.formats import alarm, command, evidence, messages, required_change, taken
from agent.formats import envelope as envelopes
from agent.formats.command import CommandReport
from agent.formats.envelope import SEALED_TYPES, TELEMETRY, Envelope
from agent.formats.errors import FormatError
from update_server.db.models import Device, Evidence, UpdateEvent
from update_server.db.session import Database
from update_server.fleet import alarms, commands, devices, passwords, reading, stream, telemetry
from update_server.fleet import batch as batches
from update_server.fleet.batch import Key, Messages
from update_server.fleet.reading import TOPIC, Content, Incoming, Read, Refused
from update_server.fleet.sealed import SealingKeys
from update_server.fleet.stream import Camera

LOG = logging.getLogger("camward.ingest")
TROUBLE = ("rolled_back", "refused", "failed")  # events that need a person's attention
HALF = 32  # bytes of r and of s in an ES256 signature (RFC 7518, 3.4)
CODE_CHARS = 32  # of a report's code that are kept; ours are shorter
MAX_AT = 253_402_300_799  # the last second of the year 9999: what can be shown as a date
DAY_S = 86_400
RECEIPTED = ("alarm", "evidence", "report")  # telemetry goes when the broker has it
# What one camera may store in a day (UTC), by kind: so many messages of so many bytes. Honest cameras stay far below
# (telemetry every 5 s is 17,280 messages of 1 KB); a hijacked one does not fill the disk. Messages are kept opened, and
# that is what is counted.
LIMITS = {
    "telemetry": (20_000, 8192),
    "alarm": (500, 8192),
    "report": (500, 8192),
    "evidence": (100, envelopes.MAX_ENVELOPE_BYTES),
}

# Told about each verified report of an update or a command, inside the transaction.
OnReport = Callable[[Session, Device, UpdateEvent, int], None]
OnCommand = Callable[[Session, Device, CommandReport, int], None]


@dataclass(frozen=True)
class Answer:
    """What a camera may be told of one message of its own; see `agent.formats.taken`."""

    device_id: str
    one: taken.One


class Ingest:
    """Takes messages in. `take` may be repeated with the same messages: nothing happens twice."""

    def __init__(self, on_report: OnReport, on_command: OnCommand, sealing: SealingKeys) -> None:
        self._on_report = on_report
        self._on_command = on_command
        self._sealing = sealing
        self._kinds = {
            "telemetry": self._telemetry,
            "alarm": self._alarm,
            "evidence": self._evidence,
            "report": self._report,
        }

    def read(self, batch: Iterable[Incoming]) -> list[Read]:
        """Read messages, which needs no database and takes the most time."""
        return [reading.read(one, self._sealing) for one in batch]

    def take(self, session: Session, batch: Sequence[Read], now: int) -> list[Answer]:
        """Take a batch in, in order; the answers hold once the session is committed."""
        answers: list[Answer] = []
        if all(one.kind == TELEMETRY for one in batch):
            self._stream(session, batch, now)
            return answers
        known = batches.lock(session, (one.device_id for one in batch))
        held = Messages(session, batch, known)
        for one in batch:
            device = known.get(one.device_id)
            if device is None or device.denied_at is not None:
                _turn_away(session, one, device, now)
                continue
            try:
                if one.kind == reading.STATE:
                    self._state(session, device, one.message.payload, now)
                else:
                    self._message(session, held, device, one, now, answers)
            except Refused as error:
                devices.refuse(session, device.id, error.code, str(error), now)
        held.write()
        return answers

    @staticmethod
    def _stream(session: Session, batch: Sequence[Read], now: int) -> None:
        """Take in telemetry alone."""
        known = stream.cameras(session, (one.device_id for one in batch))
        held = Messages(session, batch, known)
        changed: dict[str, Camera] = {}
        for one in batch:
            camera = known.get(one.device_id)
            if camera is None or camera.denied_at is not None:
                _turn_away(session, one, camera, now)
                continue
            try:
                content = _content(one)
                if _is_new(held, camera, one.kind, content):
                    counts = _counted(camera, one.kind, len(content.wire), now)
                    telemetry.taken(camera, content.envelope, now)
                    _add(held, camera, one.kind, content, counts, now)
                    changed[camera.id] = camera
            except FormatError as error:
                devices.refuse(session, camera.id, "format", str(error), now)
            except Refused as error:
                devices.refuse(session, camera.id, error.code, str(error), now)
        held.write()
        stream.write(session, list(changed.values()))

    def _state(self, session: Session, device: Device, payload: bytes, now: int) -> None:
        """Birth or will: retained, not numbered; the last one wins."""
        try:
            state = messages.parse_state(payload)
        except FormatError as error:
            raise Refused("format", str(error)) from None
        device.online, device.state_at = state.online, now
        if state.gone:
            device.attention = devices.GONE.format(kind=state.gone)
            commands.left(session, device.id, state.gone, now)
        if state.online:
            device.last_seen_at, device.version = now, state.version
            commands.came_online(session, device.id)

    def _message(
        self, session: Session, held: Messages, device: Device, one: Read, now: int, answers: list[Answer]
    ) -> None:
        content = _content(one)  # what does not open is not answered: the key may be restored

        def answer(code: str) -> None:
            if one.kind in RECEIPTED:
                found = taken.One(content.envelope.seq, hashlib.sha256(one.message.payload).hexdigest(), code)
                answers.append(Answer(device.id, found))

        try:
            self._take(session, held, device, one.kind, content, now)
        except Refused as error:
            if error.final:
                answer(error.code)
            raise
        answer("")

    def _take(self, session: Session, held: Messages, device: Device, kind: str, content: Content, now: int) -> None:
        envelope = content.envelope
        if not _is_new(held, device, kind, content):
            return
        counts = _counted(device, kind, len(content.wire), now)
        if envelope.signature:
            _verify(device, envelope)
            device.seals = device.seals or content.sealed
        elif device.seals and kind in SEALED_TYPES:
            # Not final: so says a camera that has fallen back to older software, and it may come to newer again.
            raise Refused("clear", f"an unsigned {kind} in the clear, of a camera that seals", final=False)
        held.forget(_key(content))  # unsigned, so anybody at the broker may have made it to keep this one out
        try:
            self._kinds[kind](session, device, envelope, now)
        except FormatError as error:
            raise Refused("format", str(error)) from None
        _add(held, device, kind, content, counts, now)

    @staticmethod
    def _telemetry(_session: Session, device: Device, envelope: Envelope, now: int) -> None:
        telemetry.taken(device, envelope, now)

    @staticmethod
    def _alarm(_session: Session, device: Device, envelope: Envelope, _now: int) -> None:
        over = envelope.body.get("clears")
        if isinstance(over, str):
            if over and device.attention.startswith(over + ":"):
                device.attention = ""
            return
        if envelope.body.get("kind") == alarm.KIND:
            alarms.taken(device, alarm.parse(envelope.body))
            return
        texts = (envelope.body.get(name) for name in ("code", "detail"))
        device.attention = ": ".join(text for text in texts if isinstance(text, str) and text)[:500] or "alarm"

    @staticmethod
    def _evidence(session: Session, device: Device, envelope: Envelope, now: int) -> None:
        report = evidence.parse(envelope.body)
        if report.device != device.id:
            raise Refused("format", "the evidence is about another camera")
        row, at = session.get(Evidence, device.id), min(report.at, now)  # as with telemetry
        if row is None:
            row = Evidence(device_id=device.id, at=at)
            session.add(row)
        if at >= row.at:
            row.at, row.received_at, row.report = at, now, envelope.body
            row.envelope = envelopes.encode(envelope)

    def _report(self, session: Session, device: Device, envelope: Envelope, now: int) -> None:
        if envelope.body.get("kind") == required_change.KIND:
            passwords.reported(session, device, required_change.parse_report(envelope.body), envelope.at, now)
            return
        if envelope.body.get("kind") == command.KIND:
            self._on_command(session, device, command.parse_report(envelope.body), now)
            return
        report = messages.parse_report(envelope.body)
        event = UpdateEvent(
            device_id=device.id, at=envelope.at, received_at=now, event=report.event, from_version=report.source,
            to_version=report.to, code=report.code[:CODE_CHARS], detail=report.detail, slot=report.slot,
            until_at=None if report.until_at is None else min(report.until_at, MAX_AT),
        )  # fmt: skip
        session.add(event)
        if report.event in TROUBLE:
            parts = (report.event.replace("_", " "), report.to, report.code, report.detail)
            device.attention = " ".join(part for part in parts if part)
        elif report.event == "committed":
            device.attention = ""
        session.flush()
        self._on_report(session, device, event, now)


def take_batch(database: Database, ingest: Ingest, batch: Sequence[Incoming], now: int) -> list[Answer]:
    """Take a batch in, in one transaction; where a bug of ours ends that, message by message, without the culprit.

    Otherwise the broker would deliver the culprit again and again, and nothing behind it would ever arrive. It is
    recorded as refused, and the traceback is in the log. What this returns from is committed, and may be answered.

    Raises:
        OperationalError: the database takes nothing now; the batch may be handed over again.
    """
    try:
        read = ingest.read(batch)
        # A report may move a rollout or a command, whose rows nobody has locked.
        begin = database.write if any(one.kind == "report" for one in read) else database.write_beside
        with begin() as session:
            return ingest.take(session, read, now)
    except OperationalError:
        raise
    except Exception:
        if len(batch) > 1:
            return [one for message in batch for one in take_batch(database, ingest, [message], now)]
        LOG.exception("A message on %s cannot be taken in; it is left out.", batch[0].topic)
        match = TOPIC.match(batch[0].topic)
        with database.write() as session:
            devices.refuse(session, match["id"] if match else "", "error", "the server failed on it; see its log", now)
        return []


def _turn_away(session: Session, one: Read, device: Device | Camera | None, now: int) -> None:
    """Record what came from nobody we know, or from before the broker knew that a camera is denied."""
    code = "unknown_device" if device is None else "denied"
    devices.refuse(session, one.device_id, code, one.message.topic[:200], now)


def _content(one: Read) -> Content:
    """What is in the message.

    Raises:
        Refused: nothing that can be read.
    """
    if one.content is None:
        raise one.refused or Refused("format", "nothing is inside")
    return one.content


def _key(content: Content) -> Key:
    return content.envelope.id, content.envelope.boot, content.envelope.seq


def _is_new(held: Messages, device: Device | Camera, kind: str, content: Content) -> bool:
    """Whether the message has yet to be taken; False for one that was.

    Raises:
        Refused: it is not what its topic says, or another one of its number was taken before, which stays.
    """
    envelope = content.envelope
    if envelope.type != kind or envelope.id != device.id:
        # Not final: whoever carries a genuine message under another topic must not get a receipt that deletes it.
        raise Refused("format", "type or id in the envelope are not those of the topic", final=False)
    if envelope.at > MAX_AT:
        raise Refused("format", "at is beyond the year 9999")
    stored = held.stored(_key(content))
    if stored == content.wire:
        return False
    if stored is not None and (not envelope.signature or envelopes.parse(stored).signature):
        # Two messages of one number: whoever made the first, the camera keeps the second.
        raise Refused("conflict", "another message of this number was taken before", final=False)
    return True


def _add(
    held: Messages, device: Device | Camera, kind: str, content: Content, counts: dict[str, int], now: int
) -> None:
    device.last_seen_at, device.day, device.day_counts = now, now // DAY_S, counts
    held.add(_key(content), kind, content.envelope.at, now, content.wire)


def _counted(device: Device | Camera, kind: str, size_bytes: int, now: int) -> dict[str, int]:
    """How many messages of each kind the camera has stored today, with this one; no more than LIMITS.

    Raises:
        Refused: the message is too long, or one too many.
    """
    most, max_bytes = LIMITS[kind]
    if size_bytes > max_bytes:
        raise Refused("format", f"a {kind} message of more than {max_bytes} bytes")
    before = device.day_counts if device.day == now // DAY_S else {}
    count = before.get(kind, 0) + 1
    if count > most:
        raise Refused("flood", f"more than {most} {kind} messages in a day", final=False)
    return {**before, kind: count}


def _verify(device: Device, envelope: Envelope) -> None:
    """Verify the envelope's signature with the camera's evidence key.

    Raises:
        Refused: no key is on file, or it does not verify.
    """
    if device.evidence_key is None:
        raise Refused("signature", "no evidence key is on file", final=False)
    key = serialization.load_pem_public_key(device.evidence_key.encode("ascii"))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("signature", "the evidence key on file is damaged", final=False)
    r, s = (int.from_bytes(half, "big") for half in (envelope.signature[:HALF], envelope.signature[HALF:]))
    try:
        key.verify(encode_dss_signature(r, s), envelopes.message(envelope), ec.ECDSA(hashes.SHA256()))
    except (FormatError, InvalidSignature):
        raise Refused("signature", "the signature does not verify") from None
