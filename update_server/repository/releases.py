"""Releases: inspect what a build made, publish it, withdraw it.

A release is two targets, the slot image and its block tree. Everything the manifest claims is computed again here
before anything is signed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from sqlalchemy import select
from sqlalchemy.orm import Session
from tuf.api.metadata import TargetFile, Targets

from agent.formats import json, release, tuf
from agent.formats.block_tree import BLOCK_BYTES, root_of
from agent.formats.errors import FormatError
from update_server.db.models import Device, Release
from update_server.errors import BadInput, Conflict, NotFound
from update_server.repository.blobs import Blobs
from update_server.repository.devicecheck import DeviceCheck
from update_server.repository.image import ImageRepository, Published

MAX_MANIFEST_BYTES = 64 * 1024
PUBLISHED, WITHDRAWN = "published", "withdrawn"


@dataclass(frozen=True)
class Candidate:
    """A release whose files are what its manifest says; the image of a confidential one is not to be public."""

    release: release.Release
    custom: dict[str, Any]
    slot: Path
    tree: Path
    confidential: bool


def inspect(slot: Path, tree: Path, manifest: Path, *, confidential: bool = False) -> Candidate:
    """Read and verify the three files of a build.

    Raises:
        BadInput: a file is missing or contradicts the manifest; says which and how.
    """
    try:
        custom = json.parse_object(manifest.read_bytes(), MAX_MANIFEST_BYTES)
        leaves = tree.read_bytes()
        length, sha256, actual = _measure(slot)
    except OSError as error:
        raise BadInput(f"{error.filename} cannot be read: {error.strerror}.", "Build the release again.") from None
    except FormatError as error:
        raise BadInput(f"{manifest} is no release manifest: {error}.", "Build the release again.") from None
    described = custom.get("custom", custom)
    custom = {"camward": described.get("camward")} if isinstance(described, dict) else {}
    try:
        found = release.parse(tuf.Target(path=slot.name, length_bytes=length, sha256=sha256, custom=custom))
    except FormatError as error:
        raise BadInput(f"{manifest} does not describe {slot.name}: {error}.", "Build the release again.") from None
    problems = {
        f"{slot.name} and {tree.name} do not belong together": actual != leaves,
        f"the root of {tree.name} is not the manifest's": actual == leaves and root_of(leaves).hex() != found.tree_root,
        f"{tree.name} is not the manifest's tree": tree.name != found.tree_name
        or hashlib.sha256(leaves).hexdigest() != found.tree_sha256,
    }
    for problem, present in problems.items():
        if present:
            raise BadInput(f"The release is damaged: {problem}.", "Build the release again.")
    return Candidate(found, custom, slot, tree, confidential)


def _measure(slot: Path) -> tuple[int, str, bytes]:
    """Length, SHA-256 and the leaf hashes of a slot image, in one pass; a last partial block counts as padded."""
    whole, leaves, length = hashlib.sha256(), bytearray(), 0
    with slot.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            whole.update(block)
            leaves += hashlib.sha256(block).digest()
            length += len(block)
    return length, whole.hexdigest(), bytes(leaves)


class Releases:
    """Publishes and withdraws releases; what is published is what the image repository says.

    A release is confidential when its image lies in `private` and not in `blobs`, which mirrors copy.
    """

    def __init__(self, image: ImageRepository, blobs: Blobs, private: Blobs, check: DeviceCheck) -> None:
        self._image = image
        self._blobs = blobs
        self._private = private
        self._check = check

    def add(self, session: Session, candidate: Candidate, offline: Sequence[Signer], now: int) -> Release:
        """Publish a release. Repeating it after an interruption completes it.

        Raises:
            Conflict: this version of the model, or a target of that name, exists with other content; or the image of a
                confidential release is public already.
            PublishRefused: the device's verifier refuses the result. Nothing is published.
        """
        new = candidate.release
        self._require_new(session, candidate)
        with self._image.lock():
            before = self._image.targets()
            files = with_release(before, candidate)
            if files != before:
                state = self._image.sign_targets(files, offline, now)
                self._check.verify_image(state, {new.target: files[new.target]}, new, now)
                self._store(candidate)
                self._image.publish(state, now)
        row = self._row(files[new.target], now)
        session.add(row)
        return row

    def prepare_add(self, session: Session, candidate: Candidate, now: int) -> Targets:
        """The next list of releases with `candidate` in it, to be signed elsewhere; its files are stored already.

        Raises:
            Conflict: as `add`.
            OSError: the files cannot be stored.
        """
        self._require_new(session, candidate)
        with self._image.lock():
            files = with_release(self._image.targets() if self._image.published() else {}, candidate)
            self._store(candidate)
            return self._image.draft_targets(files, now)

    def withdraw(self, session: Session, row: Release, offline: Sequence[Signer], now: int) -> None:
        """Take a release out of the image repository, so that no camera accepts it any more.

        Raises:
            Conflict: it is withdrawn already, or still assigned to a camera.
            PublishRefused: the device's verifier refuses the result. Nothing is changed.
        """
        require_withdrawable(session, row)
        with self._image.lock():
            state = self._image.sign_targets(without_release(self._image.targets(), row), offline, now)
            self._check.verify_withdrawn(state, target_file(row), describe(row), now)
            self._image.publish(state, now)
        row.state = WITHDRAWN

    def prepare_withdraw(self, session: Session, row: Release, now: int) -> Targets:
        """The next list of releases without `row`, to be signed elsewhere.

        Raises:
            Conflict: as `withdraw`.
        """
        require_withdrawable(session, row)
        with self._image.lock():
            return self._image.draft_targets(without_release(self._image.targets(), row), now)

    def check_list(
        self, session: Session, state: Published, files: dict[str, TargetFile], now: int, new_root: bytes | None
    ) -> None:
        """Make sure that `state`, whose targets are `files`, may be published.

        Raises:
            Conflict: a release goes that is still assigned to a camera, or the files of a new one are not here.
            PublishRefused: a camera would refuse a release that comes, or take one that goes.
        """
        rows = {row.target: row for row in session.scalars(select(Release).where(Release.state == PUBLISHED))}
        for path, row in rows.items():
            if path not in files:
                require_withdrawable(session, row)
                self._check.verify_withdrawn(state, target_file(row), describe(row), now, new_root)
        for path, file in files.items():
            if path in rows and file != target_file(rows[path])[path]:
                raise Conflict(f"{path} is published with other content.", "Build a new version.")
            if not is_release(file) or path in rows:
                continue
            new = release.parse(_target(file))
            for blobs, name, sha256 in (
                (self.blobs_of(path, new.sha256), path, new.sha256), (self._blobs, new.tree_name, new.tree_sha256)
            ):  # fmt: skip
                if not blobs.has(name, sha256):
                    raise Conflict(f"The file {name} is not on this server.", "Run 'release add --prepare' here again.")
            self._check.verify_image(state, {path: file}, new, now, new_root)

    def reconcile(self, session: Session, now: int) -> None:
        """Make the database say what the published list of releases says; repeating it changes nothing."""
        files = self._image.targets()
        rows = {row.target: row for row in session.scalars(select(Release))}
        for path, row in rows.items():
            row.state = PUBLISHED if path in files else WITHDRAWN
        for path, file in files.items():
            if is_release(file) and path not in rows:
                session.add(self._row(file, now))

    def blobs_of(self, target: str, sha256: str) -> Blobs:
        """Where the image of a release lies, or has to lie."""
        return self._private if self._private.holds(target, sha256) else self._blobs

    def _store(self, candidate: Candidate) -> None:
        new = candidate.release
        (self._private if candidate.confidential else self._blobs).put(candidate.slot, new.target, new.sha256)
        self._blobs.put(candidate.tree, new.tree_name, new.tree_sha256)

    def _row(self, file: TargetFile, now: int) -> Release:
        new, custom = release.parse(_target(file)), dict(file.unrecognized_fields["custom"])
        return Release(
            version=new.version, model=new.model, target=new.target, length_bytes=new.length_bytes, sha256=new.sha256,
            custom=custom, state=PUBLISHED, confidential=self._private.holds(new.target, new.sha256), added_at=now,
        )  # fmt: skip

    def _require_new(self, session: Session, candidate: Candidate) -> None:
        """Let only a version go on that is new, and an image that lies in no folder but the one it is meant for.

        Raises:
            Conflict: it is not so.
        """
        new = candidate.release
        row = session.get(Release, (new.version, new.model))
        if row is not None:
            raise Conflict(f"{new.model} {new.version} has already been added ({row.state}).", "Build a new version.")
        if candidate.confidential and self._blobs.holds_any(new.sha256):
            raise Conflict(f"The image {new.target} is public already.", "Build a new version.")
        if not candidate.confidential and self._private.holds_any(new.sha256):
            raise Conflict(f"{new.target} was prepared as confidential.", "Say --confidential, or build a new version.")


def with_release(files: dict[str, TargetFile], candidate: Candidate) -> dict[str, TargetFile]:
    """`files` and the candidate's two; the same when they are there already.

    Raises:
        Conflict: one of them is there with other content.
    """
    new = candidate.release
    slot = TargetFile(new.length_bytes, {"sha256": new.sha256}, new.target, {"custom": candidate.custom})
    tree = TargetFile(new.tree_length_bytes, {"sha256": new.tree_sha256}, new.tree_name)
    for file in (slot, tree):
        if file.path in files and files[file.path] != file:
            raise Conflict(f"A target {file.path} exists with other content.", "Build a new version.")
    return files | {slot.path: slot, tree.path: tree}


def without_release(files: dict[str, TargetFile], row: Release) -> dict[str, TargetFile]:
    """`files` without the release's two."""
    tree = describe(row).tree_name
    return {name: file for name, file in files.items() if name not in (row.target, tree)}


def require_withdrawable(session: Session, row: Release) -> None:
    """Let only a release go on that is published and assigned to nobody.

    Raises:
        Conflict: it is withdrawn already, or still assigned to a camera.
    """
    if row.state != PUBLISHED:
        raise Conflict(f"{row.model} {row.version} is already withdrawn.")
    same = (Device.assigned_version == row.version, Device.model == row.model)
    if session.scalars(select(Device.id).where(*same)).first():
        raise Conflict(
            f"{row.model} {row.version} is assigned to cameras.", "Abort its rollout, or assign them another release."
        )


def require_public(*rows: Release) -> None:
    """Let only releases go on whose plain image may leave the server, in an export or a bundle.

    Raises:
        Conflict: one is confidential.
    """
    for row in rows:
        if row.confidential:
            raise Conflict(
                f"{row.model} {row.version} is confidential: its image leaves this server encrypted only.",
                "Cameras fetch it from this server or a mirror; for anything else, add a public release.",
            )


def is_release(file: TargetFile) -> bool:
    """Whether a target is a release's slot (the other targets are block trees)."""
    custom = file.unrecognized_fields.get("custom")
    return isinstance(custom, dict) and "camward" in custom


def _target(file: TargetFile) -> tuf.Target:
    custom = dict(file.unrecognized_fields["custom"])
    return tuf.Target(path=file.path, length_bytes=file.length, sha256=file.hashes["sha256"], custom=custom)


def find(session: Session, version: str, model: str | None = None) -> Release:
    """The release of that version; `model` is needed only when several models have it.

    Raises:
        NotFound: there is none.
        Conflict: several models have it.
    """
    query = select(Release).where(Release.version == version)
    rows = session.scalars(query.where(Release.model == model) if model else query).all()
    if not rows:
        raise NotFound(f"There is no release {version}.", "See 'camward-server release list'.")
    if len(rows) > 1:
        raise Conflict(f"Several models have a release {version}.", "Name one with --model.")
    return rows[0]


def target_file(row: Release) -> dict[str, TargetFile]:
    """The director's targets that assign `row`: the same object as in the image repository."""
    file = TargetFile(row.length_bytes, {"sha256": row.sha256}, row.target, {"custom": row.custom})
    return {row.target: file}


def describe(row: Release) -> release.Release:
    """The release as the device's parser reads it.

    Raises:
        FormatError: the stored manifest is damaged.
    """
    return release.parse(
        tuf.Target(path=row.target, length_bytes=row.length_bytes, sha256=row.sha256, custom=row.custom)
    )
