"""The thief changes what they can reach, signs with what they stole, and puts files back."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.formats import canonical_json
from firmware_sim.demo.step import StepFailed
from firmware_sim.demo.thief import Thief

CAMERA = "a" * 26
ROLES = ("targets", "snapshot", "timestamp")


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, ec.EllipticCurvePrivateKey]:
    made = {role: ec.generate_private_key(ec.SECP256R1()) for role in ROLES}
    (tmp_path / "keys").mkdir()
    for role, key in made.items():
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / "keys" / f"director-{role}.pem").write_bytes(pem)
    return made


@pytest.fixture
def server(tmp_path: Path, keys: dict[str, ec.EllipticCurvePrivateKey]) -> Path:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / f"{'0' * 64}.old.slot").write_bytes(b"genuine")
    image = tmp_path / "tuf" / "image"
    image.mkdir(parents=True)
    for version, names in ((9, []), (10, ["old.slot"])):
        signed = {"targets": {name: {"length": 7} for name in names}}
        (image / f"{version}.targets.json").write_text(json.dumps({"signed": signed, "signatures": []}))
    with closing(sqlite3.connect(tmp_path / "server.db")) as database, database:
        database.execute(
            "CREATE TABLE director_metadata (device_id, role, version, signed_at, expires_at, body,"
            " PRIMARY KEY (device_id, role, version))"
        )
        for role in ROLES:
            signed = {"_type": role, "version": 4, "targets": {}, "meta": {}, "x-camward-issued-at": "then"}
            body = json.dumps({"signed": signed, "signatures": [{"keyid": "k" + role, "sig": "00"}]})
            database.execute("INSERT INTO director_metadata VALUES (?,?,?,?,?,?)", (CAMERA, role, 4, 1, 2, body))
    return tmp_path


def newest(server: Path, role: str) -> bytes:
    with closing(sqlite3.connect(server / "server.db")) as database:
        query = "SELECT body FROM director_metadata WHERE role = ? ORDER BY version DESC"
        body = database.execute(query, (role,)).fetchone()[0]
    return body if isinstance(body, bytes) else str(body).encode()


def test_a_spoiled_file_differs_in_one_bit_and_is_put_back(server: Path):
    path = server / "targets" / f"{'0' * 64}.old.slot"
    with Thief(server).spoiled("0" * 64, "old.slot", 2):
        assert path.read_bytes() == b"geouine"
    assert path.read_bytes() == b"genuine"


def test_a_file_that_is_not_there_cannot_be_spoiled(server: Path):
    with pytest.raises(StepFailed), Thief(server).spoiled("1" * 64, "old.slot", 0):
        pass


def test_an_order_is_signed_with_the_online_keys_and_pinned_from_timestamp_to_targets(server: Path, keys):
    Thief(server).order(CAMERA, "old.slot")
    below = b""
    for role in ROLES:
        body = newest(server, role)
        metadata = json.loads(body)
        signed, signature = metadata["signed"], metadata["signatures"][0]
        assert signed["version"] == 5
        assert signature["keyid"] == "k" + role
        message = canonical_json.encode(signed)
        keys[role].public_key().verify(bytes.fromhex(signature["sig"]), message, ec.ECDSA(hashes.SHA256()))
        if below:
            (pin,) = signed["meta"].values()
            assert pin == {"version": 5, "length": len(below), "hashes": {"sha256": hashlib.sha256(below).hexdigest()}}
        below = body
    assert json.loads(newest(server, "targets"))["signed"]["targets"] == {"old.slot": {"length": 7}}
    assert json.loads(below)["signed"]["x-camward-issued-at"] != "then"


@pytest.mark.parametrize(("camera", "target"), [("b" * 26, "old.slot"), (CAMERA, "never.slot")])
def test_what_the_server_does_not_know_cannot_be_ordered(server: Path, camera: str, target: str):
    with pytest.raises(StepFailed):
        Thief(server).order(camera, target)
    assert json.loads(newest(server, "timestamp"))["signed"]["version"] == 4
