"""Which artifacts are wanted, and what was made: for the versions that the fleet runs, once for each pair of trees.

An artifact is wanted when a release is added, when a rollout reaches cameras that run an older one, or when a person
says so. It is made in a process of its own (`worker`), one at a time, and found again by the roots of the two trees and
the recipe, so nothing is made twice. Until it is there, a rollout lets its cameras wait, for a limited time.

Those of a confidential release are encrypted, each with a key of its own (`repository.sealing`), and are the only way
to it: so the one that builds on nothing is always wanted, and cameras wait for it without a limit.
"""

import contextlib
import json
import logging
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from agent.formats.delivery import Artifact
from update_server.db.models import Delta, Device, Release
from update_server.db.session import Database
from update_server.deltas import encode
from update_server.errors import BadInput, NotFound
from update_server.files import locked
from update_server.repository import releases, sealing
from update_server.repository.blobs import Blobs
from update_server.repository.sealing import ContentKeys

LOG = logging.getLogger("camward.server")
WANTED, MADE, FAILED = "wanted", "made", "failed"
NOTHING = ""  # as a version and as a root: what an artifact builds on that holds the whole release
LEAST_SAVING = 0.05  # of a slot's bytes: for less than that, plain blocks are the simpler way
ROOT = Path(__file__).resolve().parents[2]

Progress = Callable[[int, int], None]  # blocks done, blocks in all


class Deltas:
    """Keeps the table of artifacts and makes them.

    Args:
        database: opened.
        blobs: where releases lie, and artifacts come to lie.
        private: where the images of confidential releases lie.
        keys: of encrypted artifacts.
        from_versions: from how many versions artifacts to one release are made unasked; 0 means none.
        wait_s: for how long a rollout waits for one.
    """

    def __init__(
        self, database: Database, blobs: Blobs, private: Blobs, keys: ContentKeys, from_versions: int, wait_s: int
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._private = private
        self._keys = keys
        self._from_versions = from_versions
        self._wait_s = wait_s
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End what is being made, and make nothing more."""
        self._stopped.set()

    def want_for(self, session: Session, row: Release, now: int) -> None:
        """Want artifacts to a release: from the versions that most cameras run, and one that builds on nothing."""
        if self._from_versions or row.confidential:
            self.want(session, None, row, now)
        if not self._from_versions:
            return
        same = (Device.model == row.model, Device.version != row.version)
        most = select(Device.version).where(*same).group_by(Device.version).order_by(func.count().desc())
        for version in session.scalars(most.limit(self._from_versions)).all():
            old = session.get(Release, (version, row.model))
            if old is not None:
                self.want(session, old, row, now)

    def want_confidential(self, session: Session, now: int) -> None:
        """Want what published confidential releases need, such as one whose list was signed elsewhere."""
        query = select(Release).where(Release.confidential, Release.state == releases.PUBLISHED)
        for row in session.scalars(query).all():
            self.want_for(session, row, now)

    def want(self, session: Session, old: Release | None, row: Release, now: int) -> Delta:
        """The pair's row, made if there is none."""
        found = self._row(session, _root(old), _root(row))
        if found is not None:
            return found
        wanted = Delta(
            from_root=_root(old), to_root=_root(row), recipe=encode.RECIPE, model=row.model,
            from_version=old.version if old else NOTHING, to_version=row.version, state=WANTED,
            wanted_at=now, changed_at=now,
        )  # fmt: skip
        session.add(wanted)
        session.flush()
        return wanted

    def ready(self, session: Session, version: str, row: Release, now: int) -> bool:
        """Whether cameras that run `version` need not wait: the artifact is there, cannot be, or is late."""
        if row.confidential:
            self.want(session, None, row, now)
            if self.artifact(session, NOTHING, row) is None:  # failed, or its key is gone: there is no other way
                return False
        old = session.get(Release, (version, row.model))
        if old is None or version == row.version or not self._from_versions or not self._wait_s:
            return True
        found = self._row(session, _root(old), _root(row))
        if found is None:
            into = (Delta.to_root == _root(row), Delta.recipe == encode.RECIPE, Delta.from_root != NOTHING)
            if (session.scalar(select(func.count()).where(*into)) or 0) >= self._from_versions:
                return True
            found = self.want(session, old, row, now)
            self.want(session, None, row, now)
        return found.state != WANTED or now - found.wanted_at >= self._wait_s

    def artifact(self, session: Session, version: str, row: Release) -> Artifact | None:
        """What a camera that runs `version` may fetch instead of the slot of `row`, if that is less, or the only way.

        The key of an encrypted one is not in it: it is wrapped for each camera.
        """
        old = session.get(Release, (version, row.model))
        for origin in ([_root(old)] if old else []) + [NOTHING]:
            found = self._row(session, origin, _root(row))
            if found is None or found.state != MADE:
                continue
            made = found.made
            if self._offered(made, row):
                return Artifact(
                    origin, made["name"], made["length_bytes"], made["sha256"], made["index_length_bytes"],
                    made["index_sha256"], b"", b"",
                )  # fmt: skip
        return None

    def _offered(self, made: dict[str, Any], row: Release) -> bool:
        if row.confidential:
            return self._keys.has(made["sha256"])
        return bool(made["length_bytes"] < row.length_bytes * (1 - LEAST_SAVING))

    def listed(self, session: Session, row: Release | None = None) -> list[Delta]:
        """The artifacts to a release, or all; the newest first."""
        query = select(Delta).where(Delta.recipe == encode.RECIPE).order_by(Delta.wanted_at.desc(), Delta.from_version)
        if row is not None:
            query = query.where(Delta.to_root == _root(row))
        return list(session.scalars(query))

    def work(self, now: int) -> bool:
        """Make the artifact that is wanted for longest; False if none is, or the server stops."""
        with self._database.read() as session:
            query = select(Delta).where(Delta.state == WANTED, Delta.recipe == encode.RECIPE)
            # Those that cameras wait for first.
            found = session.scalars(
                query.order_by(Delta.from_root == NOTHING, Delta.wanted_at, Delta.from_root)
            ).first()
        if found is None or self._stopped.is_set():
            return False
        begun = time.monotonic()
        try:
            row = self.make(found.from_root, found.to_root, lambda _done, _total: None, now)
        except _Stopped:
            return False
        LOG.info(
            "Delta %s to %s: %s, %.0f s.",
            row.from_version or "full",
            row.to_version,
            row.state,
            time.monotonic() - begun,
        )
        return True

    def make(self, from_root: str, to_root: str, progress: Progress, now: int) -> Delta:
        """Make the artifact of a pair that has a row, or find it made; its row as it is afterwards.

        Raises:
            NotFound: there is no such row.
            OSError: the disk is full.
        """
        with locked(self._blobs.folder.parent / "deltas.lock"):  # one at a time: each takes a core and 200 MB
            with self._database.read() as session:
                row = self._row(session, from_root, to_root)
                if row is None:
                    raise NotFound("This artifact is not wanted.")
                old = releases.find(session, row.from_version, row.model) if row.from_version else None
                new = releases.find(session, row.to_version, row.model)
                opens = not new.confidential or (row.state == MADE and self._keys.has(row.made["sha256"]))
                if row.state == MADE and opens and self._blobs.has(row.made["name"], row.made["sha256"]):
                    return row
            try:
                made, detail = self._made(old, new, progress), ""
            except BadInput as error:
                made, detail = {}, str(error)
                LOG.error("%s", error)
            with self._database.write() as session:
                row = self._row(session, from_root, to_root) or row
                row.state, row.made, row.detail, row.changed_at = MADE if made else FAILED, made, detail, now
            return row

    def _made(self, old: Release | None, new: Release, progress: Progress) -> dict[str, Any]:
        """What was made and stored.

        Raises:
            BadInput: a release's files are damaged, or no artifact can be made of them.
            OSError: the disk is full.
        """
        name = f"{new.model}-{old.version if old else 'full'}-to-{new.version}.segments"
        with tempfile.TemporaryDirectory(prefix=".delta-", dir=self._blobs.folder) as folder:
            out = Path(folder) / name
            command = [sys.executable, "-m", "update_server.deltas.worker", "--out", str(out)]
            command += ["--new", *self._files(new), *(["--old", *self._files(old)] if old else [])]
            key = sealing.new_key() if new.confidential else b""
            said = self._run([*command, "--encrypt"] if key else command, key, progress)
            if "made" not in said:
                raise BadInput(f"No artifact {name}: {said.get('error')}", str(said.get("remedy", "")))
            made: dict[str, Any] = said["made"] | {"name": name, "peak_bytes": said["peak_bytes"]}
            if key:
                self._keys.keep(made["sha256"], key)
            self._blobs.put(out, name, made["sha256"])
        return made

    def _files(self, row: Release) -> list[str]:
        """Slot and tree of a release.

        Raises:
            BadInput: one is missing or damaged.
        """
        described = releases.describe(row)
        blobs = self._private if row.confidential else self._blobs
        found = []
        for folder, name, sha256 in (
            (blobs, row.target, row.sha256), (self._blobs, described.tree_name, described.tree_sha256)
        ):  # fmt: skip
            if not folder.has(name, sha256):
                raise BadInput(
                    f"The file {name} is missing or damaged.",
                    f"Restore the '{folder.folder.name}' folder from your backup.",
                )
            found.append(str(folder.path(f"{sha256}.{name}")))
        return found

    def _run(self, command: Sequence[str], key: bytes, progress: Progress) -> dict[str, Any]:
        """The worker's last word; `key` goes to its standard input.

        Raises:
            BadInput: it ended without one, for want of memory.
        """
        said: dict[str, Any] = {}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as worker:
            watch = threading.Thread(target=self._watch, args=(worker,), daemon=True)
            watch.start()
            if worker.stdin is not None:
                with contextlib.suppress(BrokenPipeError), worker.stdin as given:  # it has ended, and says why below
                    given.write(key)
            for line in worker.stdout or ():
                said = json.loads(line)
                if "done" in said:
                    progress(said["done"], said["total"])
            complaint = (worker.stderr.read() if worker.stderr else b"").decode("utf-8", "replace").strip()
        watch.join()
        if self._stopped.is_set():
            raise _Stopped
        if "trouble" in said or worker.returncode < 0:  # such as a full disk, or killed for want of memory
            raise OSError(
                said.get("trouble") or f"the process that makes artifacts was ended by signal {-worker.returncode}"
            )
        if {"made", "error"} & said.keys():
            return said
        last = complaint.splitlines()[-1] if complaint else "it said nothing"
        raise BadInput(f"The process that makes artifacts has ended with code {worker.returncode}: {last}.")

    def _watch(self, worker: "subprocess.Popen[bytes]") -> None:
        while worker.poll() is None:
            if self._stopped.wait(0.2):
                worker.terminate()
                return

    @staticmethod
    def _row(session: Session, from_root: str, to_root: str) -> Delta | None:
        return session.get(Delta, (from_root, to_root, encode.RECIPE))


class _Stopped(Exception):
    """The server stops."""


def _root(row: Release | None) -> str:
    return releases.describe(row).tree_root if row else NOTHING
