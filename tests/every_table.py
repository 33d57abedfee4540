"""A fleet with rows in every table of the server's database, some of them hard to move."""

from sqlalchemy import func, select

from update_server.db import models
from update_server.db.models import Base

NOW = 1_800_000_000
LARGEST = 2**63 - 1
TEXT = "\u5ddd\u306e\u6c34\u4f4d \U0001f4f7 ' \" \\ \n \x01"
NUL = "from a camera: \0"
JSON = {"b": [1, None, True, 1.5, {"text": TEXT}], "a": "\ud800 \0", "": LARGEST}
ID = "a" * 26


def fill(session, messages=3):
    """Put rows into every table; so many of `messages`, which are what there are most of."""
    session.add_all(
        [
            models.Person(name="aoi", password_hash="$argon2id$x", role="administrator", created_at=NOW),
            models.LoginFailure(subject="ip 192.0.2.1", count=3, blocked_until_at=NOW),
            models.ApiToken(
                id="t", secret_hash="0" * 64, name=TEXT, may_write=True, created_at=NOW, expires_at=None
            ),
            models.ApiToken(id="u", secret_hash="1" * 64, name="", may_write=False, created_at=0, expires_at=NOW),
            models.EnrolmentToken(
                id="e", secret_hash="2" * 64, serial=None, ownership_sha256="3" * 64, created_at=NOW, expires_at=NOW,
                used_at=None, device_id=None,
            ),
            models.FactoryCa(name="kawa", pem="PEM", anybody=False, model="", added_at=NOW),
            models.Device(
                id=ID, serial="S1", ownership_sha256="3" * 64, enrolled_at=NOW, attention=NUL, telemetry=JSON,
                day_counts={"telemetry": 3}, seals=True,
            ),
            models.Device(
                id="B" * 26, serial="s1", ownership_sha256="3" * 64, enrolled_at=NOW, site=TEXT, online=True,
                telemetry={}, telemetry_seq=LARGEST, denied_at=-1,
            ),
            models.Certificate(serial_number="0f", device_id=ID, issued_at=NOW, expires_at=NOW, der=bytes(range(256))),
            models.Consumer(
                client="consumer-x-0", name="x", program="river", created_at=NOW, expires_at=NOW, removed_at=NOW
            ),
            models.Refusal(id=4, device_id="nobody", received_at=NOW, code="format", detail=NUL),
            models.Release(
                version="1.1.0", model="kawa-1", target="t", length_bytes=2**40, sha256="0" * 64, custom=JSON,
                state="published", added_at=NOW,
            ),
            models.Delta(
                from_root="0" * 64, to_root="1" * 64, recipe=1, model="kawa-1", from_version="1", to_version="2",
                state="made", wanted_at=NOW, changed_at=NOW, made={}, detail="",
            ),
            models.DirectorMetadata(
                device_id=ID, role="targets", version=7, signed_at=NOW, expires_at=NOW, body=b"\0\xff"
            ),
            models.Rollout(
                id=9, version="1.1.0", model="kawa-1", group_name="all", phases=[1, "10%"], failure_percent=5,
                silent_after_s=60, state="aborted", created_at=NOW, changed_at=NOW,
            ),
            models.Audit(id=1000, at=NOW, who="console:aoi", what="init", detail=TEXT),
            *(
                models.Message(
                    device_id=ID, boot="b", seq=number, type="telemetry", at=NOW, received_at=NOW, raw=b"\0" * 100
                )
                for number in range(messages)
            ),
        ]
    )  # fmt: skip
    session.flush()
    session.add_all(
        [
            models.WebSession(secret_hash="4" * 64, person="aoi", form_secret="5" * 64, expires_at=NOW),
            models.FactoryDevice(ca="kawa", serial="S1", device_id=None, enrolled_at=None),
            models.Evidence(device_id=ID, at=NOW, received_at=NOW, report=JSON, envelope=b""),
            models.UpdateEvent(
                id=77, device_id=ID, at=NOW, received_at=NOW, event="committed", from_version="1", to_version="2",
                code="", detail="", slot="a", until_at=None,
            ),
            models.RequiredChange(
                device_id=ID, since_at=NOW, remind_at=NOW, restrict_at=NOW, claim_only_at=NOW, reason="x", said_at=None,
                behind=0,
            ),
            models.Command(
                id=5, device_id=ID, grave=False, seq=LARGEST, name="check", body=b"{}", issued_at=NOW, expires_at=NOW,
                who="aoi", state="done", changed_at=NOW, sent_at=None,
            ),
            models.RolloutDevice(rollout_id=9, device_id=ID, phase=0, state="waiting"),
        ]
    )  # fmt: skip


def empty_tables(session):
    """The tables without a row."""
    return [
        table.name for table in Base.metadata.sorted_tables
        if not session.scalar(select(func.count()).select_from(table))
    ]  # fmt: skip
