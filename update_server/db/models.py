"""Tables. Times are Unix seconds (`_at`); everything that is signed or hashed is kept as the bytes it came in."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite numbers rows by itself only in columns of its own INTEGER type.
ROW_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, bytes: LargeBinary, int: BigInteger}  # noqa: RUF012


class Person(Base):
    """Somebody who may log in to the dashboard."""

    __tablename__ = "person"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[int]


class LoginFailure(Base):
    """Wrong passwords, counted per account and per source, so that guessing gets slow."""

    __tablename__ = "login_failure"
    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    count: Mapped[int]
    blocked_until_at: Mapped[int]


class WebSession(Base):
    """A logged-in browser; only the hash of its cookie is stored."""

    __tablename__ = "web_session"
    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name", ondelete="CASCADE"))
    form_secret: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[int]


class ApiToken(Base):
    """A bearer token for /api/v1; only its hash is stored."""

    __tablename__ = "api_token"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    may_write: Mapped[bool]
    created_at: Mapped[int]
    expires_at: Mapped[int | None]


class EnrolmentToken(Base):
    """A one-time right to enrol one camera; only the hash of its secret is stored.

    Or an invitation without a secret, for cameras with a factory certificate (update_server.pki.enrolment.INVITATION).
    """

    __tablename__ = "enrolment_token"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(64))
    serial: Mapped[str | None] = mapped_column(String(64))
    ownership_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[int]
    expires_at: Mapped[int]
    used_at: Mapped[int | None]
    device_id: Mapped[str | None] = mapped_column(String(26))


class FactoryCa(Base):
    """A manufacturer's CA (IEEE 802.1AR), by whose certificates cameras enrol (update_server.pki.factory).

    `anybody`: any serial number, with `model` in the certificate's subject if that is not empty; else listed ones only.
    """

    __tablename__ = "factory_ca"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    pem: Mapped[str] = mapped_column(Text, unique=True)
    anybody: Mapped[bool]
    model: Mapped[str] = mapped_column(String(64))
    added_at: Mapped[int]


class FactoryDevice(Base):
    """A serial number that may enrol by its factory certificate, or (with `device_id`) has done so."""

    __tablename__ = "factory_device"
    ca: Mapped[str] = mapped_column(ForeignKey("factory_ca.name", ondelete="CASCADE"), primary_key=True)
    serial: Mapped[str] = mapped_column(String(64), primary_key=True)
    device_id: Mapped[str | None] = mapped_column(String(26))
    enrolled_at: Mapped[int | None] = mapped_column(index=True)


class Device(Base):
    """A camera that has enrolled, and the newest that is known about it.

    `state_at`: when its last birth or will came. `telemetry_seq`: the number of the message that `telemetry` is from.
    `day_counts`: how many messages of each kind were taken in `day` (days since 1970, UTC).
    """

    __tablename__ = "device"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    serial: Mapped[str] = mapped_column(String(64), index=True)
    model: Mapped[str] = mapped_column(String(64), default="")
    hardware: Mapped[str] = mapped_column(String(16), default="")
    version: Mapped[str] = mapped_column(String(64), default="")
    group_name: Mapped[str] = mapped_column(String(64), default="all", index=True)
    site: Mapped[str] = mapped_column(String(64), default="", server_default="", index=True)
    evidence_key: Mapped[str | None] = mapped_column(Text)
    unsealing_key: Mapped[str | None] = mapped_column(Text)
    ownership_sha256: Mapped[str] = mapped_column(String(64))
    enrolled_at: Mapped[int]
    online: Mapped[bool] = mapped_column(default=False)
    last_seen_at: Mapped[int | None]
    telemetry: Mapped[dict[str, Any]] = mapped_column(default=dict)
    telemetry_at: Mapped[int | None]
    attention: Mapped[str] = mapped_column(Text, default="")
    assigned_version: Mapped[str | None] = mapped_column(String(64))
    allow_older: Mapped[bool] = mapped_column(default=False, server_default=false())
    install_now: Mapped[bool] = mapped_column(default=False, server_default=false())
    denied_at: Mapped[int | None]
    seals: Mapped[bool] = mapped_column(default=False, server_default=false())
    identity_key: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the only key that counts, once it is not the first one (update_server.fleet.rotation)."""
    next_key: Mapped[str | None] = mapped_column(String(64))
    state_at: Mapped[int | None]
    telemetry_seq: Mapped[int | None]
    day: Mapped[int] = mapped_column(default=0, server_default="0")
    day_counts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class Certificate(Base):
    """Every certificate the fleet CA has issued to a camera."""

    __tablename__ = "certificate"
    __table_args__ = (Index("ix_certificate_expires_at_device_id", "expires_at", "device_id"),)
    serial_number: Mapped[str] = mapped_column(String(40), primary_key=True)
    device_id: Mapped[str] = mapped_column(String(26), index=True)
    issued_at: Mapped[int]
    expires_at: Mapped[int]
    der: Mapped[bytes]


class Consumer(Base):
    """A back end that reads what a program of the cameras sends; those that were removed stay, to be shut out.

    `ca_sha256`: of the CA that its newest certificate is by; empty for those from before this was noted.
    """

    __tablename__ = "consumer"
    client: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(32))
    program: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[int]
    expires_at: Mapped[int]
    removed_at: Mapped[int | None]
    ca_sha256: Mapped[str] = mapped_column(String(64), default="", server_default="")


class Message(Base):
    """Every message ingested, once: (device, boot, seq) is unique, which makes ingest idempotent."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("device_id", "boot", "seq"),
        Index("ix_message_device_id_type_id", "device_id", "type", "id"),
        Index("ix_message_received_at", "received_at", postgresql_using="brin"),  # it grows with the rows
    )
    id: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    device_id: Mapped[str] = mapped_column(String(26))
    boot: Mapped[str] = mapped_column(String(64))
    seq: Mapped[int]
    type: Mapped[str] = mapped_column(String(16))
    at: Mapped[int]
    received_at: Mapped[int]
    raw: Mapped[bytes]


class Refusal(Base):
    """A message or request that was refused, kept so that a person can see why."""

    __tablename__ = "refusal"
    id: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64), index=True)
    received_at: Mapped[int]
    code: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(Text)


class Evidence(Base):
    """The newest evidence report of a camera whose signature was verified."""

    __tablename__ = "evidence"
    device_id: Mapped[str] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[int]
    received_at: Mapped[int]
    report: Mapped[dict[str, Any]]
    envelope: Mapped[bytes]


class UpdateEvent(Base):
    """One line of a camera's update history, from a report whose signature was verified."""

    __tablename__ = "update_event"
    id: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), index=True)
    at: Mapped[int]
    received_at: Mapped[int]
    event: Mapped[str] = mapped_column(String(16))
    from_version: Mapped[str] = mapped_column(String(64))
    to_version: Mapped[str] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(Text)
    slot: Mapped[str] = mapped_column(String(4))
    until_at: Mapped[int | None]


class Release(Base):
    """A published release; `custom` is the signed manifest in the target's custom field.

    The image of a confidential one lies in a private folder, and cameras get it encrypted only.
    """

    __tablename__ = "release"
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    target: Mapped[str] = mapped_column(String(128))
    length_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    custom: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    confidential: Mapped[bool] = mapped_column(default=False, server_default=false())
    added_at: Mapped[int]


class Delta(Base):
    """A segment artifact from one release to another: wanted, made (see `made`), or failed (`detail` says why)."""

    __tablename__ = "delta"
    from_root: Mapped[str] = mapped_column(String(64), primary_key=True)
    to_root: Mapped[str] = mapped_column(String(64), primary_key=True)
    recipe: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    model: Mapped[str] = mapped_column(String(64))
    from_version: Mapped[str] = mapped_column(String(64))
    to_version: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), index=True)
    wanted_at: Mapped[int]
    changed_at: Mapped[int]
    made: Mapped[dict[str, Any]] = mapped_column(default=dict)
    detail: Mapped[str] = mapped_column(Text, default="")


class DirectorMetadata(Base):
    """Director metadata of one camera as signed; the newest versions of each role."""

    __tablename__ = "director_metadata"
    device_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    signed_at: Mapped[int]
    expires_at: Mapped[int]
    body: Mapped[bytes]


class RequiredChange(Base):
    """That passwords of a camera be changed (agent.formats.required_change), and what the camera last said of it.

    Of passwords there is nothing here: `behind` counts accounts that still have an old one.
    """

    __tablename__ = "required_change"
    device_id: Mapped[str] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    since_at: Mapped[int]
    remind_at: Mapped[int]
    restrict_at: Mapped[int]
    claim_only_at: Mapped[int]
    reason: Mapped[str] = mapped_column(String(16))
    said: Mapped[str] = mapped_column(String(16), default="", server_default="")
    said_at: Mapped[int | None]
    behind: Mapped[int | None]
    code: Mapped[str] = mapped_column(String(32), default="", server_default="")


class Command(Base):
    """A signed command for one camera, and what has become of it (update_server.fleet.commands).

    `body` is exactly what is sent. Grave commands, which people have signed elsewhere, are numbered for themselves.
    """

    __tablename__ = "command"
    __table_args__ = (UniqueConstraint("device_id", "grave", "seq"),)
    id: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    grave: Mapped[bool]
    seq: Mapped[int]
    name: Mapped[str] = mapped_column(String(32))
    body: Mapped[bytes]
    issued_at: Mapped[int]
    expires_at: Mapped[int]
    who: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16), index=True)
    changed_at: Mapped[int]
    sent_at: Mapped[int | None]
    tries: Mapped[int] = mapped_column(default=0)
    code: Mapped[str] = mapped_column(String(32), default="")


class Rollout(Base):
    """A release on its way to a group, phase by phase."""

    __tablename__ = "rollout"
    id: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    version: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(64))
    group_name: Mapped[str] = mapped_column(String(64))
    phases: Mapped[list[Any]]
    failure_percent: Mapped[int]
    silent_after_s: Mapped[int]
    install_now: Mapped[bool] = mapped_column(default=False, server_default=false())
    state: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    why: Mapped[list[Any]] = mapped_column(default=list)
    phase: Mapped[int] = mapped_column(default=-1)
    excused_failures: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[int]
    changed_at: Mapped[int]


class RolloutDevice(Base):
    """One camera's part in a rollout: waiting, assigned, committed or failed."""

    __tablename__ = "rollout_device"
    rollout_id: Mapped[int] = mapped_column(ForeignKey("rollout.id", ondelete="CASCADE"), primary_key=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True, index=True)
    phase: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    assigned_at: Mapped[int | None]
    waits_until_at: Mapped[int | None]
    reported_at: Mapped[int | None]
    finished_at: Mapped[int | None]
    code: Mapped[str] = mapped_column(String(32), default="")


class Audit(Base):
    """Who did what, when: one line per change that a person or token made."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    at: Mapped[int]
    who: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
