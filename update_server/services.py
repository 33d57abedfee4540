"""Everything a running server or a command works with, opened from the settings by plain constructor calls."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.formats import release, required_change, taken
from agent.formats.errors import FormatError
from update_server.db.models import Device, Release
from update_server.db.session import Database, check_schema
from update_server.deltas.service import Deltas
from update_server.errors import Conflict, Misconfigured, NotFound, ServerError
from update_server.files import SECRET
from update_server.fleet import commands, consumers, devices, history, passwords, sites
from update_server.fleet.commands import Commands
from update_server.fleet.ingest import Answer, Ingest
from update_server.fleet.ownership import Ownership
from update_server.fleet.sealed import SealingKeys
from update_server.pki.authority import Authority
from update_server.pki.enrolment import Enrolment
from update_server.repository import delivery, releases, sealing
from update_server.repository.blobs import Blobs
from update_server.repository.bundles import Bundles, Parts
from update_server.repository.custody import Custody
from update_server.repository.devicecheck import DeviceCheck
from update_server.repository.director import Director
from update_server.repository.forecast import BY_ITSELF, Expiry, forecast
from update_server.repository.image import ImageRepository, Lifetimes
from update_server.repository.metadata import iso
from update_server.repository.receipts import Receipts
from update_server.rollouts import store as rollout_store
from update_server.rollouts.service import Rollouts
from update_server.settings import Settings

LOG = logging.getLogger("camward.server")
WARN_S = 60 * 86_400  # a ceremony needs people, and people need weeks
REFRESH_BATCH = 200  # cameras in one write transaction: a fraction of a second, in which the server's own writes wait


class Services:
    """The opened parts. `close` releases the database."""

    def __init__(self, settings: Settings) -> None:
        """Open everything.

        Raises:
            Misconfigured: a key, certificate, metadata file or the database is missing or damaged.
        """
        self.settings = settings
        lifetimes = Lifetimes(settings.tuf.timestamp_valid_s, settings.tuf.snapshot_valid_s)
        keys, tuf = settings.path("keys"), settings.path("tuf")
        self.authority = Authority(settings.path("pki"))
        self.enrolment = Enrolment(self.authority, settings.device_url, settings.devices)
        self.ownership = Ownership(settings.path("ownership"))
        self.image = ImageRepository(tuf / "image", keys, lifetimes)
        self.director = Director(tuf / "director", keys, lifetimes, settings.tuf.director_timestamp_age_s)
        self.receipts = Receipts(self.director)
        self.blobs = Blobs(settings.path("blobs"))
        self.check = DeviceCheck(self.image, self.director)
        self.confidential = Blobs(settings.path("confidential"), SECRET)
        self.content_keys = sealing.ContentKeys(keys / "content")
        self.releases = releases.Releases(self.image, self.blobs, self.confidential, self.check)
        self.bundles = Bundles(self.image, self.director, self.blobs)
        self.custody = Custody(self.image, self.director, self.releases)
        self.database = Database(settings.database_url)
        check_schema(self.database)
        self.deltas = Deltas(
            self.database, self.blobs, self.confidential, self.content_keys, settings.deltas.from_versions,
            settings.deltas.wait_s,
        )  # fmt: skip
        self.rollouts = Rollouts(self.assign, ready=self.deltas.ready)
        self.sealing = SealingKeys(keys / "sealing")
        self.commands = Commands(self.ownership, self.director.online, self.authority.pem)
        self.ingest = Ingest(self.rollouts.reported, self.commands.reported, self.sealing)

    def close(self) -> None:
        """Release the database's connections."""
        self.database.close()

    def tick(self, now: int) -> None:
        """Advance every running rollout; cheap when there is none."""
        with self.database.read() as session:
            if not rollout_store.running(session):
                return
        with self.database.write() as session:
            self.rollouts.tick(session, now)

    def receipts_for(self, answers: Iterable[Answer]) -> Iterator[tuple[str, bytes]]:
        """Topic and signed receipt for each camera of which messages were taken (or refused for good) and committed.

        Raises:
            ServerError: they cannot be signed now. The cameras send their messages again, and are answered then.
        """
        answers = tuple(answers)
        for device_id in dict.fromkeys(answer.device_id for answer in answers):
            found = [answer.one for answer in answers if answer.device_id == device_id]
            for first in range(0, len(found), taken.MAX_MESSAGES):
                some = found[first : first + taken.MAX_MESSAGES]
                yield taken.TOPIC.format(device_id), self.director.sign_taken(device_id, some)

    def access(self, now: int) -> consumers.Access:
        """What the broker's access control list is to say."""
        with self.database.read() as session:
            return consumers.access(session, now)

    def prune(self, now: int) -> None:
        """Drop what nobody needs any more: telemetry, commands, certificates that ended; evidence and so on stay."""
        with self.database.write() as session:
            for prune in (history.prune, commands.prune, devices.prune_certificates):
                prune(session, now)

    def expiries(self, now: int, within_s: int) -> list[Expiry]:
        """What expires, the soonest first; due is what somebody has to see to within that time.

        Raises:
            Misconfigured: a file is missing or damaged.
        """
        lifetimes = Lifetimes(self.settings.tuf.timestamp_valid_s, self.settings.tuf.snapshot_valid_s)
        ends = self.authority.certificate.not_valid_after_utc
        return forecast(self.image, self.director, lifetimes, ends, now, within_s)

    def warn(self, now: int) -> None:
        """Say in the log what somebody has to renew.

        Raises:
            Misconfigured: a file is missing or damaged.
        """
        for one in self.expiries(now, WARN_S):
            if one.due and one.renewed != BY_ITSELF:
                LOG.warning("The %s ends at %s: see 'camward-server keys forecast'.", one.what, iso(one.expires_at))

    def director_timestamp(self, device_id: str, now: int) -> bytes:
        """The camera's director timestamp, signed again when it got old.

        Raises:
            Forbidden: the camera is not enrolled here.
        """
        with self.database.read() as session:
            devices.known(session, device_id)
            fresh = self.director.timestamp(session, device_id, now)
        if fresh is not None:
            return fresh
        with self.database.write() as session:
            return self._refresh(session, devices.known(session, device_id), now)

    def make_delta(self, now: int) -> bool:
        """Make the artifact that is wanted for longest, and tell the cameras that are to use it. False if none is."""
        if not self.deltas.work(now):
            return False
        self.redeliver(now)
        return True

    def redeliver(self, now: int) -> int:
        """Sign the orders of cameras that have yet to follow them again, where there is another way to fetch.

        Such as an artifact that was made, or a mirror in the settings. Returns how many were signed.
        """
        with self.database.read() as session:
            wanted = (Device.assigned_version.is_not(None), Device.assigned_version != Device.version)
            waiting = list(session.scalars(select(Device.id).where(*wanted).order_by(Device.id)))
        signed = 0
        for first in range(0, len(waiting), REFRESH_BATCH):
            with self.database.write() as session:
                for device_id in waiting[first : first + REFRESH_BATCH]:
                    device = session.get(Device, device_id)
                    if device is None:
                        continue
                    try:
                        row = self._order(session, device)
                        if row is not None:
                            files, how = releases.target_file(row), self._how(session, device, row)
                            signed += self.director.redeliver(session, device_id, files, now, how)
                    except (NotFound, Misconfigured) as error:  # what one camera says of itself stops no other
                        LOG.warning("The order of %s cannot be signed again: %s", device_id, error)
        return signed

    def bundle(self, version: str, model: str | None, wanted: list[str], now: int) -> tuple[Parts, Release, list[str]]:
        """What goes into an offline bundle, its release, and the ids of the cameras that it holds orders for.

        Raises:
            NotFound: there is no such release or camera, or its files are not here.
            Conflict: the release is withdrawn, not assigned to a camera, or the bundle would be too large.
            PublishRefused: a camera would refuse it.
        """
        with self.database.read() as session:
            row = releases.find(session, version, model)
            ids = list(dict.fromkeys(devices.find(session, one).id for one in wanted))
        parts = self.bundles.of_release(row, now)
        for device_id in ids:
            stamp = self.director_timestamp(device_id, now)
            with self.database.read() as session:
                self.bundles.add_order(session, parts, devices.known(session, device_id), row, stamp, now)
        return parts, row, ids

    def assign(
        self,
        session: Session,
        device: Device,
        row: Release | None,
        now: int,
        *,
        allow_older: bool = False,
        install_now: bool = False,
    ) -> None:
        """Assign a release, or nothing, to a camera; the device's own verifier accepts it, or nothing changes.

        With `allow_older` the director signs that this camera may go back to it, never below the security epoch. With
        `install_now` it signs that maintenance windows and postponement do not count for it.

        Raises:
            Conflict: the release is withdrawn, for another model or hardware revision, or older than what the camera
                runs and `allow_older` was not given, or of an older security epoch; or it is confidential, and the
                camera has no unsealing key, or its encrypted form is not there.
            PublishRefused: the device's verifier refuses the result.
        """
        if row is not None:
            if row.state != releases.PUBLISHED:
                raise Conflict(f"{row.model} {row.version} is withdrawn.", "Assign another release.")
            manifest = row.custom["camward"]
            if device.model != row.model or device.hardware not in manifest["hardware"]:
                raise Conflict(
                    f"{row.model} {row.version} is not for {device.model} {device.hardware}.",
                    "Assign a release for this camera's model and hardware revision.",
                )
            self._check_order(session, device, row, allow_older=allow_older)
            if row.confidential:
                self._check_confidential(session, device, row)
        with session.begin_nested():  # what the verifier refuses leaves no trace
            device.assigned_version = row.version if row else None
            device.allow_older = allow_older and row is not None
            device.install_now = install_now and row is not None
            session.flush()
            files, how = releases.target_file(row) if row else {}, self._how(session, device, row)
            state = self.director.assign(session, device.id, files, now, how)
            self.check.verify_director(device, state, now)

    def require_change(
        self, session: Session, device: Device, wanted: required_change.RequiredChange | None, now: int
    ) -> None:
        """Have the director sign that a camera's passwords be changed, or that they need not be (None).

        What is assigned to the camera stays as it is.

        Raises:
            NotFound: there is no order to take back, or what is assigned is no longer to be had.
            PublishRefused: the device's verifier refuses the result.
        """
        with session.begin_nested():
            passwords.put(session, device, wanted)
            row = self._order(session, device)
            files, how = releases.target_file(row) if row else {}, self._how(session, device, row)
            state = self.director.assign(session, device.id, files, now, how)
            self.check.verify_director(device, state, now)

    def require_changes(
        self,
        ids: list[str],
        wish: Callable[[Session, Device], required_change.RequiredChange | None],
        who: str,
        now: int,
    ) -> list[str]:
        """As `require_change`, for many cameras, each with its line in the audit log; what failed, as one line each.

        `wish` gives the order for each. Cameras whose order could not be signed keep the one that they had.
        """
        failed = []
        for first in range(0, len(ids), REFRESH_BATCH):
            with self.database.write() as session:
                for device_id in ids[first : first + REFRESH_BATCH]:
                    device = session.get(Device, device_id)
                    if device is None:
                        continue
                    try:
                        wanted = wish(session, device)
                        self.require_change(session, device, wanted, now)
                        passwords.audit(session, who, device, wanted, now)
                    except ServerError as error:
                        failed.append(f"{device.serial}: {error}")
        return failed

    def update_now(self, session: Session, device: Device, now: int) -> None:
        """Have the director sign that the camera shall install what is assigned to it without waiting for anything.

        Raises:
            Conflict: nothing is assigned, the camera runs it already, or it is no longer to be had.
            PublishRefused: the device's verifier refuses the result.
        """
        if device.assigned_version is None or device.assigned_version == device.version:
            raise Conflict(
                f"There is nothing that {device.serial} has still to install.", "See 'camward-server device assign'."
            )
        row = releases.find(session, device.assigned_version, device.model)
        self.assign(session, device, row, now, allow_older=device.allow_older, install_now=True)

    @staticmethod
    def _check_order(session: Session, device: Device, row: Release, *, allow_older: bool) -> None:
        """Say in one line what the camera would refuse as a rollback, as far as the server knows what it runs.

        Raises:
            Conflict: it would.
        """
        try:
            older = release.version_key(row.version) < release.version_key(device.version)
        except FormatError:  # it has not named its version yet, or says something odd: its own verifier decides
            return
        running = session.get(Release, (device.version, device.model))
        epoch, wanted = (r.custom["camward"]["security_epoch"] if r else 0 for r in (running, row))
        if wanted < epoch:
            raise Conflict(
                f"{row.model} {row.version} has security epoch {wanted}, the camera runs {device.version} of {epoch}:"
                " a rollback that it refuses.",
                "No flag permits that; build the old code as a new release.",
            )
        if older and not allow_older:
            raise Conflict(
                f"{row.model} {row.version} is older than {device.version}, which the camera runs: a rollback.",
                "Add --allow-older if that is meant.",
            )

    def _check_confidential(self, session: Session, device: Device, row: Release) -> None:
        """Let a confidential release go only to who can open it.

        Raises:
            Conflict: the camera has named no unsealing key, or the release's encrypted form is not there.
        """
        if device.unsealing_key is None:
            raise Conflict(
                f"{row.model} {row.version} is confidential, and {device.serial} has named no key to encrypt it for.",
                "Its software is older than that, or its enrolment is not complete; assign a public release.",
            )
        if self.deltas.artifact(session, device.version, row) is None:
            raise Conflict(
                f"{row.model} {row.version} is confidential, and its encrypted form is not made yet.",
                f"Try again later, or make it now: 'camward-server delta make {row.version} --full'.",
            )

    def refresh_all(self, now: int) -> int:
        """Sign anew, for every camera, what the director's newest root no longer trusts. Returns how many there are."""
        with self.database.read() as session:
            everyone = list(session.scalars(select(Device.id).order_by(Device.id)))
        for first in range(0, len(everyone), REFRESH_BATCH):
            with self.database.write() as session:
                for device_id in everyone[first : first + REFRESH_BATCH]:
                    device = session.get(Device, device_id)
                    if device is None:
                        continue
                    try:
                        self._refresh(session, device, now)
                    except (NotFound, Misconfigured) as error:
                        LOG.warning("The order of %s cannot be signed again: %s", device_id, error)
        return len(everyone)

    def offer_director_root(self) -> None:
        """Give new cameras the director's newest root: they need not trust keys that are gone.

        Raises:
            OSError: the ownership record cannot be written.
        """
        root = self.director.latest_root().decode("ascii")
        self.ownership.offer_root(self.settings, self.authority.bundle, root)
        self.offer_keys()

    def offer_keys(self) -> None:
        """Have new cameras know this server's command and sealing keys; a server of before gets them here.

        Raises:
            Misconfigured: a key is damaged.
            OSError: a key or the ownership record cannot be written.
        """
        self.ownership.offer_command_key(self.director.online)
        self.ownership.offer_sealing_key(self.sealing.public())

    def _refresh(self, session: Session, device: Device, now: int) -> bytes:
        row = self._order(session, device)
        files = releases.target_file(row) if row else {}
        return self.director.refresh(session, device.id, files, now, self._how(session, device, row))

    def _how(self, session: Session, device: Device, row: Release | None) -> dict[str, Any]:
        """How the camera may fetch and install what it is assigned; empty when there is nothing to say.

        Raises:
            Misconfigured: the key of an encrypted artifact is damaged.
        """
        if row is None:
            return {}
        artifact = self.deltas.artifact(session, device.version, row)
        how = delivery.of(device, self.settings.mirrors, artifact, sites.neighbours(session, device, row))
        if row.confidential and artifact is not None and device.unsealing_key is not None:
            key, signed = self.content_keys.find(artifact.sha256), self.director.delivery(session, device.id)
            how["artifact"]["key"] = sealing.wrapped(key, device.unsealing_key, artifact, signed)
        return how

    @staticmethod
    def _order(session: Session, device: Device) -> Release | None:
        if device.assigned_version is None:
            return None
        return releases.find(session, device.assigned_version, device.model)
