"""Carries rollouts out: creates them, advances them by `plan`, and takes in what cameras report.

A pause means pause: assignments without a result are withdrawn from the director, and given again on resume.
A version that failed on a camera is not assigned to it again by the same rollout.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

from sqlalchemy.orm import Session

from update_server.db.models import Device, Release, Rollout, RolloutDevice, UpdateEvent
from update_server.errors import BadInput, Conflict, ServerError
from update_server.rollouts import plan, store
from update_server.rollouts.store import ABORTED, ASSIGNED, COMMITTED, COMPLETE, FAILED, PAUSED, RUNNING, WAITING


class Assign(Protocol):
    """Assigns a release (or nothing) to a camera and publishes it; given by whoever composes the server."""

    def __call__(
        self, session: Session, device: Device, row: Release | None, now: int, *, install_now: bool = ...
    ) -> None:
        """Do it.

        Raises:
            ServerError: it cannot be assigned; nothing has changed.
        """


# Whether cameras that run a version may be assigned a release now, or something is still being prepared for them.
Ready = Callable[[Session, str, Release, int], bool]

DEFAULT_PHASES = "1,10%,100%"
DEFAULT_FAILURE_PERCENT = 5
BATCH = 200  # assignments per transaction (each is signed and verified, about 10 ms): others want to write too
MAX_WAIT_S = 31 * 86_400  # as long as an owner can postpone; a camera's word may not hold a rollout up for ever
WAITING_EVENT = "waiting"
DONE_EVENT, FAILURE_EVENTS = "committed", frozenset({"rolled_back", "refused", "failed"})


def described(rollout: Rollout) -> str:
    """A new rollout, for the audit log, in the words of the command line."""
    return f"{rollout.id} {rollout.version}" + (" --now" if rollout.install_now else "")


def _always(_session: Session, _version: str, _release: Release, _now: int) -> bool:
    return True


class Rollouts:
    """Works inside the caller's write transaction; makes at most `batch` assignments in one."""

    def __init__(self, assign: Assign, batch: int = BATCH, ready: Ready = _always) -> None:
        self._assign = assign
        self._batch = batch
        self._ready = ready

    def create(
        self,
        session: Session,
        release: Release,
        *,
        phases: str = DEFAULT_PHASES,
        group: str = "all",
        failure_percent: int = DEFAULT_FAILURE_PERCENT,
        silent_after_s: int,
        install_now: bool = False,
        now: int,
    ) -> Rollout:
        """Plan a rollout of `release` to all cameras of its model in `group`, and start its first phase.

        With `install_now` its cameras do not wait for their maintenance windows.

        Raises:
            Conflict: no camera qualifies, the release is withdrawn, or another rollout to them is unfinished.
            BadInput: the phases are malformed.
        """
        parsed = plan.parse_phases(phases)
        if release.state != "published":
            raise Conflict(f"{release.model} {release.version} is withdrawn.", "Roll out another release.")
        other = store.unfinished(session, release.model, group)
        if other is not None:
            raise Conflict(f"Rollout {other.id} to group {group} is {other.state}.", f"See 'rollout abort {other.id}'.")
        hardware = release.custom["camward"]["hardware"]
        devices = [d for d in store.candidates(session, release.model, group) if d.hardware in hardware]
        if not devices:
            raise Conflict(f"No camera in group {group} is a {release.model}.", "See 'camward-server device list'.")
        rollout = Rollout(
            version=release.version, model=release.model, group_name=group, phases=[str(p) for p in parsed],
            failure_percent=failure_percent, silent_after_s=silent_after_s, install_now=install_now, state=RUNNING,
            created_at=now, changed_at=now,
        )  # fmt: skip
        session.add(rollout)
        session.flush()
        self._enlist(session, rollout, devices, plan.split(parsed, len(devices)), now)
        self.advance(session, rollout, now)
        return rollout

    def tick(self, session: Session, now: int) -> None:
        """Advance every running rollout."""
        for rollout in store.running(session):
            self.advance(session, rollout, now)

    def advance(self, session: Session, rollout: Rollout, now: int) -> None:
        """Apply the plan until it waits, pauses or completes."""
        self._settle(session, rollout, now)
        while rollout.state == RUNNING:
            session.flush()
            counts = store.counts(session, rollout, now)
            situation = plan.Situation(rollout.phase, counts, rollout.failure_percent, rollout.excused_failures)
            action = plan.next_action(situation)
            if isinstance(action, plan.Start):
                if not self._start(session, rollout, action.phase, now):
                    return
            elif isinstance(action, plan.Pause):
                self._stop(session, rollout, PAUSED, (action.code, *action.values), now)
            elif isinstance(action, plan.Complete):
                self._stop(session, rollout, COMPLETE, (), now)
            else:
                return

    def act(self, session: Session, rollout: Rollout, verb: str, who: str, now: int) -> None:
        """`pause`, `resume` or `abort`, by name.

        Raises:
            Conflict: the rollout's state does not permit it.
            BadInput: another verb.
        """
        if verb == "pause":
            self.pause(session, rollout, who, now)
        elif verb == "resume":
            self.resume(session, rollout, now)
        elif verb == "abort":
            self.abort(session, rollout, who, now)
        else:
            raise BadInput(f"{verb!r} cannot be done with a rollout.")

    def pause(self, session: Session, rollout: Rollout, who: str, now: int) -> None:
        """Pause by hand.

        Raises:
            Conflict: it is not running.
        """
        self._require(rollout, (RUNNING,), "paused")
        self._stop(session, rollout, PAUSED, ("person", who), now)

    def resume(self, session: Session, rollout: Rollout, now: int) -> None:
        """Go on after a pause; the failures so far are excused, those cameras stay as they are.

        Raises:
            Conflict: it is not paused.
        """
        self._require(rollout, (PAUSED,), "resumed")
        failed = sum(phase.failed for phase in store.counts(session, rollout, now))
        rollout.state, rollout.reason, rollout.why, rollout.changed_at = RUNNING, "", [], now
        rollout.excused_failures = failed
        self.advance(session, rollout, now)

    def abort(self, session: Session, rollout: Rollout, who: str, now: int) -> None:
        """End it for good; cameras that have updated stay updated.

        Raises:
            Conflict: it has ended already.
        """
        self._require(rollout, (RUNNING, PAUSED), "aborted")
        self._stop(session, rollout, ABORTED, ("person", who), now)

    @staticmethod
    def reported(session: Session, device: Device, event: UpdateEvent, now: int) -> None:
        """Take in a verified update report of a camera. Publishes nothing: the next `tick` draws the conclusions.

        `committed` counts once the camera also reports the version itself (see `_settle`); a failure counts at once.
        """
        for part in store.parts(session, device.id, event.to_version):
            if event.event == DONE_EVENT:
                part.reported_at = now
            elif event.event in FAILURE_EVENTS:
                part.state, part.finished_at, part.code = FAILED, now, (event.code or event.event)[:32]
            elif event.event == WAITING_EVENT:
                part.waits_until_at = min(event.until_at or now, (part.assigned_at or now) + MAX_WAIT_S)
        session.flush()

    def _settle(self, session: Session, rollout: Rollout, now: int) -> None:
        """Count the cameras that report both the commit and the new version; stop assigning where it failed."""
        for part, device in store.members(session, rollout, state=ASSIGNED):
            if part.reported_at is not None and device.version == rollout.version:
                part.state, part.finished_at = COMMITTED, now
        for _, device in store.members(session, rollout, state=FAILED):
            self._withdraw(session, device, rollout, now)

    def _enlist(
        self, session: Session, rollout: Rollout, devices: list[Device], sizes: tuple[int, ...], now: int
    ) -> None:
        """Spread the cameras over the phases: those online first, otherwise in an order nobody can choose."""

        def order(device: Device) -> tuple[bool, bytes]:
            return not device.online, hashlib.sha256(f"{rollout.id}/{device.id}".encode()).digest()

        phases = [phase for phase, size in enumerate(sizes) for _ in range(size)]
        for phase, device in zip(phases, sorted(devices, key=order), strict=True):
            done = device.version == rollout.version
            session.add(
                RolloutDevice(
                    rollout_id=rollout.id, device_id=device.id, phase=phase, state=COMMITTED if done else WAITING,
                    assigned_at=None, waits_until_at=None, reported_at=None, finished_at=now if done else None,
                )
            )  # fmt: skip

    def _start(self, session: Session, rollout: Rollout, phase: int, now: int) -> bool:
        """Assign the release to waiting cameras of the phase; False when some are left for the next tick."""
        if rollout.phase != phase:
            rollout.phase, rollout.changed_at = phase, now
        release = session.get_one(Release, (rollout.version, rollout.model))
        waiting = store.members(session, rollout, phase=phase, state=WAITING)
        versions = {device.version for _, device in waiting}
        ready = {version for version in versions if self._ready(session, version, release, now)}
        now_due = [member for member in waiting if member[1].version in ready][: self._batch]
        for part, device in now_due:
            try:
                self._assign(session, device, release, now, install_now=rollout.install_now)
            except ServerError as error:
                part.state, part.finished_at, part.code = FAILED, now, error.code
            else:
                part.state, part.assigned_at, part.waits_until_at = ASSIGNED, now, None
        if now_due:
            rollout.changed_at = now
        session.flush()
        return len(now_due) == len(waiting)

    def _stop(self, session: Session, rollout: Rollout, state: str, why: tuple[str | int, ...], now: int) -> None:
        self._settle(session, rollout, now)  # what has come since the last tick: there is none after this
        rollout.state, rollout.why, rollout.changed_at = state, list(why), now
        rollout.reason = plan.REASONS[str(why[0])].format(*why[1:]) if why else ""
        for part, device in store.members(session, rollout, state=ASSIGNED):
            part.state, part.assigned_at = WAITING, None
            self._withdraw(session, device, rollout, now)
        session.flush()

    def _withdraw(self, session: Session, device: Device, rollout: Rollout, now: int) -> None:
        if device.assigned_version == rollout.version and device.version != rollout.version:
            self._assign(session, device, None, now)

    @staticmethod
    def _require(rollout: Rollout, states: tuple[str, ...], verb: str) -> None:
        if rollout.state not in states:
            raise Conflict(f"Rollout {rollout.id} is {rollout.state} and cannot be {verb}.")
