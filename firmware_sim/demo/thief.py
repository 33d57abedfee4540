"""Somebody who stole the update server: its disk, its database and its online keys. They have no offline key.

What they can do is exactly what Camward has to withstand: change the files that cameras download, and sign orders to
install anything that was ever released.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.formats import canonical_json
from firmware_sim.demo.step import StepFailed

DATABASE_BUSY_S = 30.0
_ROLES = ("targets", "snapshot", "timestamp")
_INSERT = (
    "INSERT INTO director_metadata (device_id, role, version, signed_at, expires_at, body) VALUES (?, ?, ?, ?, ?, ?)"
)
_NEWEST = (
    "SELECT version, expires_at, body FROM director_metadata WHERE device_id = ? AND role = ? ORDER BY version DESC"
)


class Thief:
    """Works in the server's folder while the server runs."""

    def __init__(self, server: Path) -> None:
        """Use the folder that `camward-server init` made."""
        self._server = server

    @contextmanager
    def spoiled(self, sha256: str, name: str, offset: int) -> Iterator[Path]:
        """Flip one bit of a downloadable file while inside; the file's length and name stay.

        Args:
            sha256: of the genuine file, hex.
            name: the target's name.
            offset: of the byte.

        Raises:
            StepFailed: there is no such file.
        """
        path = self._server / "targets" / f"{sha256}.{name}"
        if not path.is_file():
            raise StepFailed(f"the server has no file {path.name}")
        _flip(path, offset)
        try:
            yield path
        finally:
            _flip(path, offset)

    def artifacts(self, version: str) -> list[tuple[str, str]]:
        """SHA-256 and name of every artifact from which cameras could take this version instead of its image."""
        found = sorted((self._server / "targets").glob(f"*-to-{version}.segments"))
        return [(path.name.partition(".")[0], path.name.partition(".")[2]) for path in found]

    def order(self, device_id: str, target: str) -> None:
        """Order one camera to install `target`, however old it is, signed with the stolen online keys.

        Raises:
            StepFailed: the target was never released, the camera is unknown to the server, or its database is not what
                the thief knows.
        """
        try:
            self._order(device_id, {target: self._released(target)}, int(time.time()))
        except sqlite3.Error as error:
            raise StepFailed(f"the thief cannot use the server's database: {error}") from error

    def _order(self, device_id: str, files: dict[str, Any], now: int) -> None:
        with closing(sqlite3.connect(self._server / "server.db", timeout=DATABASE_BUSY_S)) as database, database:
            database.execute("BEGIN IMMEDIATE")
            below: tuple[int, bytes] | None = None
            for role in _ROLES:
                row = database.execute(_NEWEST, (device_id, role)).fetchone()
                if row is None:
                    raise StepFailed(f"the server has no orders for camera {device_id}")
                version, expires_at, body = row[0] + 1, row[1], json.loads(row[2])
                signed = body["signed"] | {"version": version}
                if role == "targets":
                    signed["targets"] = files
                elif below is not None:
                    signed["meta"] = {f"{_ROLES[_ROLES.index(role) - 1]}.json": _pin(*below)}
                if role == "timestamp":
                    signed["x-camward-issued-at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
                made = self._sign(role, body["signatures"][0]["keyid"], signed)
                database.execute(_INSERT, (device_id, role, version, now, expires_at, made))
                below = (version, made)

    def _released(self, target: str) -> dict[str, Any]:
        """Find the manufacturer's signed description of a target: the newest image targets metadata has them all."""
        folder = self._server / "tuf" / "image"
        newest = max(folder.glob("*.targets.json"), key=lambda path: int(path.name.partition(".")[0]), default=None)
        found = None if newest is None else json.loads(newest.read_bytes())["signed"]["targets"].get(target)
        if not isinstance(found, dict):
            raise StepFailed(f"{target} was never released")
        return found

    def _sign(self, role: str, keyid: str, signed: dict[str, Any]) -> bytes:
        pem = (self._server / "keys" / f"director-{role}.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise StepFailed(f"the director's {role} key is of another kind")
        signature = key.sign(canonical_json.encode(signed), ec.ECDSA(hashes.SHA256())).hex()
        return json.dumps({"signatures": [{"keyid": keyid, "sig": signature}], "signed": signed}).encode()


def _pin(version: int, body: bytes) -> dict[str, Any]:
    return {"version": version, "length": len(body), "hashes": {"sha256": hashlib.sha256(body).hexdigest()}}


def _flip(path: Path, offset: int) -> None:
    mode = path.stat().st_mode
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes((byte ^ 1,)))
    path.chmod(mode)
