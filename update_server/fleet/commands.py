"""Signed commands: made for one camera each, kept until it has answered, sent again until it has.

What is sent is judged here first by the camera's own rules. A number is the time at which it was given, or the next one
after the last: so it rises also after a backup was restored, or a camera was removed and has enrolled again.
"""

import contextlib
import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from agent.core.commands import Keys
from agent.formats import canonical_json, ownership
from agent.formats import command as formats
from agent.formats.command import CHANGE_KEYS, CHECK, COMMANDS, DONE, ERASE, GRAVE, REFUSED, CommandReport
from agent.formats.errors import FormatError
from update_server.db.models import Command, Device
from update_server.errors import BadInput, Conflict, Misconfigured, NotFound
from update_server.fleet import devices, rotation
from update_server.fleet.command_form import check_arguments, read
from update_server.fleet.ownership import Ownership
from update_server.repository.online import Online
from update_server.repository.verifier import verify_signature

QUEUED, DELIVERED, ACCEPTED, EXPIRED = "queued", "delivered", "accepted", "expired"
STATES = (QUEUED, DELIVERED, ACCEPTED, DONE, REFUSED, EXPIRED)
PENDING = (QUEUED, DELIVERED, ACCEPTED)
MAX_PENDING = 16  # of one camera
VALID_S = 86_400
HASTE_S = 600  # a camera that comes later looks by itself
UNANSWERED_S = 3600  # after its end a command that was accepted is given up, for the sake of those behind it
QUARANTINED_AT = "quarantined_at"
"""Of what a camera is known to say of itself: a command's signed answer tells it before the next telemetry does."""
UNANSWERED, KEYS_CHANGED = "unanswered", "keys_changed"
RESEND_S, MAX_RESEND_S = 30, 3600
KEPT_S = 90 * 86_400  # ended ones
MAX_SHOWN = 1000
SIGNATURE_BYTES = 256  # of one in JSON: 64 digits that name the key, 144 at most of ECDSA P-256, and what stands around


@dataclass(frozen=True)
class SentCommand:
    """One command as it is shown. `state`: one of STATES; `code` says why it was refused or given up."""

    id: int
    device: str
    serial: str
    command: str
    seq: int
    state: str
    code: str
    issued_at: int
    expires_at: int
    changed_at: int
    who: str


def line(row: Command, device: Device) -> SentCommand:
    """A command's line."""
    return SentCommand(
        row.id, device.id, device.serial, row.name, row.seq, row.state, row.code, row.issued_at, row.expires_at,
        row.changed_at, row.who,
    )  # fmt: skip


def as_row(one: SentCommand) -> dict[str, object]:
    """A line by its column names."""
    return asdict(one)


def lines(session: Session, device: Device | None = None) -> list[SentCommand]:
    """The newest commands, the newest first; of one camera or of all."""
    query = select(Command, Device).join(Device, Device.id == Command.device_id).order_by(Command.id.desc())
    if device is not None:
        query = query.where(Command.device_id == device.id)
    return [line(row, its) for row, its in session.execute(query.limit(MAX_SHOWN))]


class Commands:
    """Makes and takes commands, inside the caller's write transaction."""

    def __init__(self, records: Ownership, online: Online, ca: str) -> None:
        """`online` holds the key that this server signs with; `ca`: the certificate of the CA that certifies it."""
        self._records = records
        self._online = online
        self._ca = ca

    def known(self, device: Device) -> bool:
        """Whether the camera was enrolled with a key that commands can be signed by."""
        try:
            return bool(self._record(device).command_keys)
        except NotFound:
            return False

    def send(
        self, session: Session, device: Device, name: str, valid_s: int, who: str, now: int,
        arguments: dict[str, Any] | None = None,
    ) -> Command:  # fmt: skip
        """Sign a command by this server's key, and queue it.

        `settings` brings the camera what the current record says, but for what `arguments` say; or a proxy, alone.

        Raises:
            BadInput: there is no such command, it is one that people have to sign, or the camera would refuse its
                arguments.
            Conflict: the camera takes no commands of this server, has these settings, has its identity certified
                elsewhere, or too many wait for it.
            SigningFailed: the key is out of reach.
        """
        if name not in COMMANDS or name in GRAVE:
            known = ", ".join(one for one in COMMANDS if one not in GRAVE)
            hint = "Have it signed: 'camward-server command prepare'." if name in GRAVE else f"Commands: {known}."
            raise BadInput(f"{name!r} is no command that this server can give by itself.", hint)
        record = self._record(device)
        held = [keyid for keyid in map(formats.key_id, record.command_keys) if self._online.where(keyid)]
        if not held:
            raise Conflict(
                f"{device.serial} takes no commands of this server: it was enrolled without its command key.",
                "Have its keys changed ('camward-server command prepare change_keys'), or enrol it again.",
            )
        if name == formats.ROTATE_IDENTITY and record.est_url:
            raise Conflict(
                f"{device.serial} has its identity certified by another EST server, which gives no other key its name.",
                "Give it another identity by a transfer to yourselves (docs/ownership.md).",
            )
        said = arguments or {}
        if name == formats.SETTINGS and formats.PROXY not in said:
            said = self._differences(record, formats.SETTABLE) | said
            if not said:
                raise Conflict(f"{device.serial} has the settings of this server.", "Nothing to change.")
        check_arguments(name, said, record)
        signed = draft(session, device, name, said, valid_s, now)
        return self._queue(
            session, device, _file(signed, self._online.signer(held[0]).sign(_message(signed))), who, now
        )

    def prepare(self, session: Session, device: Device, name: str, valid_s: int, now: int) -> dict[str, Any]:
        """A command that two of the camera's authority keys have to sign; `change_keys` brings it the current record's.

        Raises:
            BadInput: it is not one of these.
            Conflict: the camera knows no authority keys, or has all that it shall have, or could not read so much.
        """
        if name not in GRAVE:
            raise BadInput(f"{name!r} needs no signatures of people.", "Give it: 'camward-server command send'.")
        record = self._record(device)
        if not record.authority_keys:
            raise Conflict(
                f"{device.serial} was enrolled without authority keys: nothing of that kind is taken from anybody.",
                "Name them ('camward-server command-key authorise'), and enrol it again.",
            )
        arguments = self._differences(record, formats.CHANGEABLE) if name == CHANGE_KEYS else {}
        if name == CHANGE_KEYS and not arguments:
            raise Conflict(f"{device.serial} has the keys of the current record.", "Nothing to change.")
        made = {"signed": draft(session, device, name, arguments, valid_s, now), "signatures": []}
        if len(json.dumps(made)) + 2 * SIGNATURE_BYTES > formats.MAX_COMMAND_BYTES:
            raise Conflict(
                f"{device.serial} would not read so long a command.",
                f"It holds {formats.MAX_COMMAND_BYTES} bytes: have fewer keys or CA certificates in the record.",
            )
        return made

    def adopt(self, session: Session, body: bytes, who: str, now: int) -> Command:
        """Queue a command that was signed elsewhere.

        Raises:
            BadInput: it is none, or was not signed by enough of the camera's keys.
            NotFound: its camera is not enrolled here.
            Conflict: it has expired or was overtaken, or too many wait.
        """
        found = read(body)
        device = session.get(Device, found.device)
        if device is None:
            raise NotFound(f"There is no camera {found.device}.", "See 'camward-server device list'.")
        if found.expires_at <= now:
            raise Conflict(f"The command for {device.serial} has expired.", "Prepare another one.")
        if found.seq <= _last_seq(session, device.id, grave=found.name in GRAVE):
            raise Conflict(f"The command for {device.serial} was overtaken by a later one.", "Prepare another one.")
        return self._queue(session, device, body, who, now)

    def hasten(self, session: Session, device_id: str, now: int) -> bool:
        """Have a camera look for updates now; False where it takes no signed commands."""
        device = session.get(Device, device_id)
        try:
            if device is None or not self.known(device):
                return False
        except Misconfigured as error:  # its record is damaged: no reason to keep the other cameras waiting
            devices.refuse(session, device_id, "ownership record", str(error), now)
            return False
        self.look(session, device, "server", now)  # without one it looks by itself in time
        return True

    def look(self, session: Session, device: Device, who: str, now: int) -> Command | None:
        """The `check` that a camera still has to be sent, or another one; None where too many wait for it.

        One that was sent may have been looked for already, before what it is to find was there.
        """
        mine = (Command.device_id == device.id, Command.name == CHECK, Command.state == QUEUED)
        row = session.scalars(select(Command).where(*mine)).first()
        if row is None:
            with contextlib.suppress(Conflict):
                row = self.send(session, device, CHECK, HASTE_S, who, now)
        return row

    def reported(self, session: Session, device: Device, report: CommandReport, now: int) -> None:
        """Take what a camera has signed about a command; a refusal of what this server does not know is a refusal."""
        same = (Command.device_id == device.id, Command.seq == report.seq, Command.name == report.command)
        row = session.scalars(select(Command).where(*same)).first() if report.seq else None
        if row is None:
            if report.event == REFUSED:
                detail = f"the camera has refused {report.count} commands that are not of this server"
                devices.refuse(session, device.id, "command " + report.code, detail, now)
            return
        if row.state in (DONE, REFUSED):
            return
        row.state, row.code, row.changed_at = report.event, report.code, now
        if row.name == ERASE and row.state == ACCEPTED and device.attention == devices.GONE.format(kind=ERASE):
            row.state = DONE  # its last word, which nobody signs, was faster than this one
        if row.name in (formats.QUARANTINE, formats.RELEASE) and row.state == DONE:
            known = {name: value for name, value in device.telemetry.items() if name != QUARANTINED_AT}
            device.telemetry = known | ({QUARANTINED_AT: now} if row.name == formats.QUARANTINE else {})
        if row.name == formats.ROTATE_IDENTITY and row.state in (DONE, REFUSED):
            rotation.ended(device, row.state)
        if row.name == formats.SETTINGS and row.state == DONE:
            after = formats.with_settings(self._record(device), read(row.body).arguments)
            device.ownership_sha256 = self._records.keep(after)
        if row.name == CHANGE_KEYS and row.state == DONE:
            changed = formats.with_keys(self._record(device), read(row.body).arguments)
            device.ownership_sha256 = self._records.keep(changed)
            _give_up_others(session, device, Keys(changed), now)

    def _queue(self, session: Session, device: Device, body: bytes, who: str, now: int) -> Command:
        found, record = read(body), self._record(device)
        wrong = Keys(record).refusal(found, verify_signature)
        if wrong:
            raise BadInput(f"{device.serial} would refuse the command: {wrong}.", "Have it signed by its keys.")
        if found.name == CHANGE_KEYS:
            self._check_change(device, record, found.arguments)
        query = select(func.count()).select_from(Command)
        count = session.scalar(query.where(Command.device_id == device.id, Command.state.in_(PENDING))) or 0
        if count >= MAX_PENDING:
            raise Conflict(f"{count} commands wait for {device.serial} already.", "Wait until they expire.")
        row = Command(
            device_id=device.id, grave=found.name in GRAVE, seq=found.seq, name=found.name, body=body,
            issued_at=found.issued_at, expires_at=found.expires_at, who=who[:80], state=QUEUED, changed_at=now,
            sent_at=None, tries=0, code="",
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row

    def _check_change(self, device: Device, record: ownership.Ownership, arguments: dict[str, Any]) -> None:
        """Let no camera be told of keys with which it would not find back here.

        Raises:
            BadInput: the camera would refuse it, or trust this server no more.
        """
        try:
            changed = formats.with_keys(record, arguments)
        except FormatError as error:
            raise BadInput(f"{device.serial} would refuse the keys: {error.detail}.", "Prepare it again.") from None
        if self._ca.strip() not in changed.ca:
            raise BadInput(
                f"{device.serial} would trust this server no more: its CA is not among the new ones.",
                "Keep the present CA beside the next one until every camera has it.",
            )

    def _differences(self, record: ownership.Ownership, members: tuple[str, ...]) -> dict[str, Any]:
        current = _parsed(self._records.record(self._records.current))
        return {
            name: list(value) if isinstance(value := getattr(current, name), tuple) else value
            for name in members
            if getattr(record, name) != getattr(current, name)
        }

    def _record(self, device: Device) -> ownership.Ownership:
        try:
            return _parsed(self._records.record(device.ownership_sha256))
        except FormatError as error:
            raise Misconfigured(
                f"The ownership record of {device.serial} is damaged: {error.detail}.", "Restore 'ownership'."
            ) from None


@functools.lru_cache(maxsize=64)
def _parsed(body: bytes) -> ownership.Ownership:
    return ownership.parse(body)


def draft(
    session: Session, device: Device, name: str, arguments: dict[str, Any], valid_s: int, now: int
) -> dict[str, Any]:
    """What is to be signed for one camera.

    Raises:
        BadInput: it would be valid for too long.
    """
    if not 0 < valid_s <= formats.MAX_VALID_S:
        raise BadInput("A command is valid for 30 days at most.", "Say for example --valid 2d.")
    seq = max(now, _last_seq(session, device.id, grave=name in GRAVE) + 1)
    return formats.signed_part(device.id, seq, now, now + valid_s, name, arguments)


def _last_seq(session: Session, device_id: str, *, grave: bool) -> int:
    query = select(func.max(Command.seq)).where(Command.device_id == device_id, Command.grave == grave)
    return session.scalar(query) or 0


def _message(signed: dict[str, Any]) -> bytes:
    return canonical_json.encode(signed)


def _file(signed: dict[str, Any], *made: Any) -> bytes:
    signatures = [{"keyid": one.keyid, "sig": one.signature} for one in made]
    return json.dumps({"signed": signed, "signatures": signatures}, separators=(",", ":"), sort_keys=True).encode()


# Their way to the cameras


def due(session: Session, now: int) -> list[Command]:
    """The commands to send now: of each camera that is online the first one that it has not answered, of each kind."""
    query = select(Command).join(Device, Device.id == Command.device_id)
    query = query.where(Command.state.in_(PENDING), Device.online).order_by(Command.seq)
    heads: dict[tuple[str, bool], Command] = {}
    for row in session.scalars(query):
        heads.setdefault((row.device_id, row.grave), row)
    return [row for row in heads.values() if row.state != ACCEPTED and _resend_at(row) <= now < row.expires_at]


def _resend_at(row: Command) -> int:
    return 0 if row.sent_at is None else row.sent_at + min(MAX_RESEND_S, RESEND_S << min(row.tries, 16))


def sent(session: Session, ids: Sequence[int], now: int) -> None:
    """Note that these were handed to the broker; what the camera has answered meanwhile stays."""
    for row in session.scalars(select(Command).where(Command.id.in_(ids), Command.state.in_((QUEUED, DELIVERED)))):
        if row.state == QUEUED:
            row.state, row.changed_at = DELIVERED, now
        row.sent_at, row.tries = now, row.tries + 1


def _give_up_others(session: Session, device: Device, keys: Keys, now: int) -> None:
    """Give up what the camera would refuse by its new keys, without saying which one: later ones would wait behind."""
    waiting = select(Command).where(Command.device_id == device.id, Command.state.in_(PENDING))
    for row in session.scalars(waiting):
        if keys.refusal(read(row.body), verify_signature):
            row.state, row.code, row.changed_at = EXPIRED, KEYS_CHANGED, now


def came_online(session: Session, device_id: str) -> None:
    """What was sent before may be lost: a camera's session with the broker begins anew each time."""
    waiting = (Command.device_id == device_id, Command.state == DELIVERED)
    session.execute(update(Command).where(*waiting).values(sent_at=None))


def left(session: Session, device_id: str, kind: str, now: int) -> None:
    """A camera was erased, and that is its last word: if it has signed that it would, that is done.

    The last word itself is signed by nobody: a broker that withholds the command must not pass for a camera that obeys.
    """
    told = (Command.device_id == device_id, Command.name == ERASE, Command.state == ACCEPTED)
    if kind == ERASE:
        session.execute(update(Command).where(*told).values(state=DONE, changed_at=now))


def must_expire(session: Session, now: int) -> bool:
    """Whether `expire` has something to do."""
    query = select(Command.id).where(Command.state.in_(PENDING), Command.expires_at <= now - UNANSWERED_S)
    late = select(Command.id).where(Command.state.in_((QUEUED, DELIVERED)), Command.expires_at <= now)
    return session.scalars(query.limit(1)).first() is not None or session.scalars(late.limit(1)).first() is not None


def expire(session: Session, now: int) -> None:
    """Give up what nobody has answered in time."""
    late = (Command.state.in_((QUEUED, DELIVERED)), Command.expires_at <= now)
    session.execute(update(Command).where(*late).values(state=EXPIRED, changed_at=now))
    stuck = (Command.state == ACCEPTED, Command.expires_at <= now - UNANSWERED_S)
    session.execute(update(Command).where(*stuck).values(state=EXPIRED, code=UNANSWERED, changed_at=now))


def prune(session: Session, now: int) -> None:
    """Drop what ended long ago."""
    old = (Command.state.not_in(PENDING), Command.changed_at < now - KEPT_S)
    session.execute(delete(Command).where(*old))


def audit(session: Session, who: str, row: Command, now: int, reason: str = "") -> None:
    """Record that a command was given, and why, in the words of whoever gave it."""
    devices.audit(session, who, "command", f"{row.device_id} {row.name} {row.seq}" + (reason and ": " + reason), now)
