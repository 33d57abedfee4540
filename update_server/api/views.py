"""What the API and `--json` show, as types; these make the OpenAPI document. Times are Unix seconds."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from update_server.db.models import Delta, Device, Evidence, Release, Rollout
from update_server.fleet import alarms, devices, history
from update_server.rollouts import store


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    def plain(self) -> dict[str, Any]:
        """As plain JSON values, by the names on the wire."""
        return self.model_dump(mode="json", by_alias=True)


class RolloutBrief(_View):
    """A rollout in one line."""

    id: int
    version: str
    state: str
    reason: str


class StatusView(_View):
    """The fleet in a few numbers."""

    operator: str
    devices: int
    online: int
    attention: int
    versions: dict[str, int]
    rollouts: list[RolloutBrief]

    @classmethod
    def of(cls, session: Session, operator: str) -> Self:
        """The fleet now; only unfinished rollouts are listed."""
        fleet = devices.status(session)
        unfinished = [row for row in store.everything(session) if row.state in (store.RUNNING, store.PAUSED)]
        return cls(
            operator=operator,
            devices=fleet.total,
            online=fleet.online,
            attention=fleet.attention,
            versions=fleet.versions,
            rollouts=[RolloutBrief.model_validate(row) for row in unfinished],
        )


class DeviceView(_View):
    """A camera."""

    id: str
    serial: str
    model: str
    hardware: str
    version: str
    assigned_version: str | None
    allow_older: bool
    install_now: bool
    group_name: str
    site: str
    online: bool
    last_seen_at: int | None
    enrolled_at: int
    denied_at: int | None
    attention: str
    telemetry: dict[str, Any]
    telemetry_at: int | None


class UpdateView(_View):
    """One line of a camera's update history."""

    at: int
    received_at: int
    event: str
    from_version: str = Field(serialization_alias="from")
    to_version: str = Field(serialization_alias="to")
    slot: str
    code: str
    detail: str
    until_at: int | None


class AlarmView(_View):
    """Guessing at a camera's passwords, as the camera told it.

    `event` is started, distributed, continues, ended or login.
    `sources` of 256 stands for more as well. `source` is that of most tries, or where the login was from. `target` is
    the role of the account that most tries were about, `claim` for the label's code, empty for a user who is not there.
    """

    at: int
    received_at: int
    event: str
    since_at: int
    wrong: int
    sources: int
    source: str
    target: str
    distributed: bool


class RefusalView(_View):
    """Something from a camera that was refused."""

    received_at: int
    code: str
    detail: str


class FindingView(_View):
    """One criterion's outcome, at the time of the report. Evidence, not a label."""

    criterion: str
    verdict: str
    basis: str
    probes: str
    reason: str
    title_en: str
    title_ja: str


class EvidenceView(_View):
    """A camera's newest verified evidence report."""

    at: int
    received_at: int
    findings: list[FindingView]
    report: dict[str, Any]

    @classmethod
    def of(cls, row: Evidence) -> Self:
        """From its row.

        Raises:
            FormatError: the stored report is damaged.
        """
        findings = [FindingView.model_validate(finding) for finding in history.findings(row)]
        return cls(at=row.at, received_at=row.received_at, findings=findings, report=row.report)


class DeviceDetailView(DeviceView):
    """A camera with everything on file about it."""

    updates: list[UpdateView]
    alarms: list[AlarmView]
    refusals: list[RefusalView]
    evidence: EvidenceView | None

    @classmethod
    def of(cls, session: Session, device: Device) -> Self:
        """Collect it."""
        proof = history.evidence(session, device.id)
        return cls(
            **DeviceView.model_validate(device).model_dump(),
            updates=[UpdateView.model_validate(row) for row in history.updates(session, device.id)],
            alarms=[AlarmView.model_validate(row) for row in alarms.history(session, device.id)],
            refusals=[RefusalView.model_validate(row) for row in history.refusals(session, device.id)],
            evidence=EvidenceView.of(proof) if proof else None,
        )


class ReleaseView(_View):
    """A release; `custom` is its signed manifest. Cameras get a confidential one encrypted only."""

    model: str
    version: str
    state: str
    confidential: bool
    target: str
    length_bytes: int
    sha256: str
    added_at: int
    custom: dict[str, Any]

    @classmethod
    def of(cls, row: Release) -> Self:
        """From its row."""
        return cls.model_validate(row)


class DeltaView(_View):
    """What cameras that run `from` fetch to install `to`; an empty `from` stands for any version.

    `delta_bytes` is null until it is made. `full_bytes` is what a camera without it fetches at most, block by block.
    """

    model: str
    from_version: str = Field(serialization_alias="from")
    to_version: str = Field(serialization_alias="to")
    state: str
    full_bytes: int
    delta_bytes: int | None
    blocks: int | None
    sent_blocks: int | None
    segments: int | None
    detail: str
    wanted_at: int
    changed_at: int

    @classmethod
    def of(cls, session: Session, row: Delta) -> Self:
        """From its row."""
        made = row.made
        return cls(
            model=row.model,
            from_version=row.from_version,
            to_version=row.to_version,
            state=row.state,
            full_bytes=session.get_one(Release, (row.to_version, row.model)).length_bytes,
            delta_bytes=made.get("length_bytes"),
            blocks=made.get("blocks"),
            sent_blocks=made.get("sent_blocks"),
            segments=made.get("segments"),
            detail=row.detail,
            wanted_at=row.wanted_at,
            changed_at=row.changed_at,
        )


class CountsView(_View):
    """The cameras of one phase."""

    waiting: int
    pending: int
    silent: int
    committed: int
    failed: int


class MemberView(_View):
    """One camera's part in a rollout."""

    id: str
    serial: str
    version: str
    phase: int
    state: str
    code: str
    assigned_at: int | None
    finished_at: int | None


class RolloutView(_View):
    """A rollout; `phase` counts from 0 and is -1 before the first."""

    id: int
    model: str
    version: str
    group: str
    phases: list[str]
    phase: int
    state: str
    reason: str
    install_now: bool
    created_at: int
    changed_at: int
    counts: list[CountsView]
    devices: list[MemberView]

    @classmethod
    def of(cls, session: Session, row: Rollout, now: int) -> Self:
        """Collect it."""
        members = [
            MemberView(
                id=device.id,
                serial=device.serial,
                version=device.version,
                phase=part.phase,
                state=part.state,
                code=part.code,
                assigned_at=part.assigned_at,
                finished_at=part.finished_at,
            )
            for part, device in store.members(session, row)
        ]
        return cls(
            id=row.id,
            model=row.model,
            version=row.version,
            group=row.group_name,
            phases=row.phases,
            phase=row.phase,
            state=row.state,
            reason=row.reason,
            install_now=row.install_now,
            created_at=row.created_at,
            changed_at=row.changed_at,
            counts=[CountsView.model_validate(count) for count in store.counts(session, row, now)],
            devices=members,
        )
