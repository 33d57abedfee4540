"""Encrypted artifacts: what is stored tells nothing, one key opens one artifact, and a wrapped key stays as signed."""

import hashlib
import os
import subprocess
import sys

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.adapters.linux.unpacker import ZstdUnpacker
from agent.formats import base64, delivery, segments
from agent.formats.errors import Rejected
from agent.formats.segments import KEY_INFO
from tests.contract.server.harness import write_build
from tests.unit.server import keyroom
from tests.unit.server.conftest import NOW
from tests.unit.server.test_deltas import BLOCK, LIMIT_S, OLD, Pair, noise, run_worker
from update_server import keyfiles
from update_server.deltas import encode, slots, verify
from update_server.errors import BadInput, Conflict, Misconfigured, PublishRefused
from update_server.files import SECRET
from update_server.repository import releases, sealing
from update_server.repository.blobs import Blobs
from update_server.repository.sealing import ContentKeys

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NEW = noise(3, 1000) + OLD
RUN_BYTES = 64


def make(pair, key, *, full=False):
    pair.target.unlink(missing_ok=True)
    with slots.opened(pair.old) as old, slots.opened(pair.new) as new:
        made = encode.make(None if full else old, new, pair.target, lambda _done, _total: None, key)
        verify.verify(None if full else old, new, pair.target, made.index_length_bytes, key)
    return made


def installed(pair, made, key, *, full=False):
    """The new slot as the camera's own code makes it of the artifact (a full one, or one that holds all blocks)."""
    body, unpacker, found = pair.artifact, ZstdUnpacker(), b""
    index = segments.parse(body[: made.index_length_bytes])
    assert index.encrypted
    for number in range(index.segment_count):
        one = index.segment(number)
        frame = unpacker.decrypt(key, number, body[one.offset : one.offset + one.stored_bytes])
        source = pair.old_bytes[one.source_first * BLOCK :][: one.source_blocks * BLOCK]
        found += unpacker.unpack(frame, bytearray(b"" if full else source), one.blocks * BLOCK)
    return found


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path, OLD, NEW)


@pytest.mark.parametrize("full", [True, False])
def test_the_camera_comes_to_the_new_slot_with_the_key_and_to_nothing_without(pair, full):
    made = make(pair, KEY, full=full)
    assert made.sent_blocks == made.blocks
    assert installed(pair, made, KEY, full=full) == pair.new_bytes
    with pytest.raises(Rejected):
        installed(pair, made, OTHER, full=full)


def test_what_is_stored_holds_no_run_of_the_image(pair):
    make(pair, KEY, full=True)
    body, plain = pair.artifact, pair.new_bytes
    runs = {body[at : at + RUN_BYTES] for at in range(len(body) - RUN_BYTES)}
    assert not any(plain[at : at + RUN_BYTES] in runs for at in range(0, len(plain), RUN_BYTES))
    make(pair, b"", full=True)  # the control: noise stays as it is when it is only compressed
    body = pair.artifact
    runs = {body[at : at + RUN_BYTES] for at in range(len(body) - RUN_BYTES)}
    assert any(plain[at : at + RUN_BYTES] in runs for at in range(0, len(plain), RUN_BYTES))


def test_segments_do_not_change_places(pair):
    made = make(pair, KEY, full=True)
    index = segments.parse(pair.artifact[: made.index_length_bytes])
    first = index.segment(0)
    stored = pair.artifact[first.offset : first.offset + first.stored_bytes]
    with pytest.raises(InvalidTag):
        AESGCM(KEY).decrypt((1).to_bytes(12, "big"), stored, segments.MAGIC)
    assert AESGCM(KEY).decrypt(bytes(12), stored, segments.MAGIC)


@pytest.mark.parametrize(("made_with", "checked_with"), [(KEY, OTHER), (KEY, b""), (b"", KEY)])
def test_the_check_before_publication_wants_the_right_key(pair, made_with, checked_with):
    made = make(pair, made_with)
    with slots.opened(pair.old) as old, slots.opened(pair.new) as new, pytest.raises(PublishRefused):
        verify.verify(old, new, pair.target, made.index_length_bytes, checked_with)


def worker(pair, key):
    line = [sys.executable, "-m", "update_server.deltas.worker", "--new", pair.new.image, pair.new.tree]
    line += ["--out", pair.target, "--encrypt"]
    return subprocess.run(list(map(str, line)), check=False, input=key, capture_output=True, timeout=LIMIT_S)


def test_the_worker_takes_the_key_from_its_standard_input(pair):
    done = worker(pair, KEY)
    assert done.returncode == 0, done.stderr
    made = make(Pair(pair.folder, OLD, NEW), KEY, full=True)
    assert installed(pair, made, KEY, full=True) == pair.new_bytes


@pytest.mark.parametrize("key", [b"", KEY[:-1], KEY + b"x"])
def test_the_worker_makes_nothing_with_half_a_key(pair, key):
    assert worker(pair, key).returncode == 2
    assert not pair.target.exists()


def test_the_plain_worker_still_needs_no_key(pair):
    assert run_worker(pair).returncode == 0


# Keys on the server


def test_a_content_key_is_a_file_that_only_its_owner_reads(tmp_path):
    keys = ContentKeys(tmp_path / "keys")
    assert not keys.has("ab" * 32)
    keys.keep("ab" * 32, KEY)
    assert keys.has("ab" * 32)
    assert keys.find("ab" * 32) == KEY
    path = tmp_path / "keys" / ("ab" * 32 + ".key")
    assert [oct(one.stat().st_mode)[-3:] for one in (path.parent, path)] == ["700", "600"]
    path.write_bytes(KEY[:-1])
    with pytest.raises(Misconfigured, match="holds no content key"):
        keys.find("ab" * 32)
    with pytest.raises(Misconfigured, match="cannot be read"):
        keys.find("cd" * 32)


ARTIFACT = delivery.Artifact("", "a.segments", 100, "ab" * 32, 60, "cd" * 32, b"", b"")


def pem_pair():
    key = keyfiles.new_key()
    return key, keyfiles.public_pem(key.public_key())


def opened(key, made, artifact=ARTIFACT):
    suite = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    sealed = base64.decode(made["enc"]) + base64.decode(made["sealed"])
    return suite.decrypt(sealed, key, KEY_INFO + bytes.fromhex(artifact.index_sha256))


def signed(made, artifact=ARTIFACT):
    how = delivery.as_json(delivery.Delivery(False, (), artifact))
    how["artifact"]["key"] = made
    delivery.parse(how)
    return how


def test_each_camera_gets_the_key_wrapped_for_itself():
    (one, one_pem), (other, other_pem) = pem_pair(), pem_pair()
    first, second = sealing.wrapped(KEY, one_pem, ARTIFACT, {}), sealing.wrapped(KEY, other_pem, ARTIFACT, {})
    assert first != second
    assert opened(one, first) == opened(other, second) == KEY
    for key, made in ((one, second), (other, first)):
        with pytest.raises(InvalidTag):
            opened(key, made)


def test_what_was_signed_stays_as_long_as_artifact_and_camera_are_the_same():
    (_, pem), (_, other_pem) = pem_pair(), pem_pair()
    first = sealing.wrapped(KEY, pem, ARTIFACT, {})
    assert sealing.wrapped(KEY, pem, ARTIFACT, {}) != first, "HPKE is randomised"
    assert sealing.wrapped(KEY, pem, ARTIFACT, signed(first)) == first
    assert sealing.wrapped(KEY, other_pem, ARTIFACT, signed(first)) != first
    remade = ARTIFACT.replace(sha256="ef" * 32)
    assert sealing.wrapped(OTHER, pem, remade, signed(first)) != first
    plain = delivery.as_json(delivery.Delivery(False, (), ARTIFACT))
    assert sealing.wrapped(KEY, pem, ARTIFACT, plain) != first
    assert sealing.wrapped(KEY, pem, ARTIFACT, {"v": 1}) != first


def test_a_key_that_is_none_is_named():
    with pytest.raises(BadInput, match="unsealing key"):
        sealing.wrapped(KEY, "nonsense", ARTIFACT, {})


# Images


def test_a_private_blob_is_never_readable_by_others(tmp_path):
    source = tmp_path / "a.slot"
    source.write_bytes(b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    before = os.umask(0)
    try:
        Blobs(tmp_path / "private", SECRET).put(source, "a.slot", digest)
    finally:
        os.umask(before)
    path = tmp_path / "private" / f"{digest}.a.slot"
    assert [oct(one.stat().st_mode)[-3:] for one in (path.parent, path)] == ["700", "600"]


@pytest.fixture
def room(tmp_path):
    keyroom.build(tmp_path)
    return keyroom.Room(tmp_path)


def candidate(folder, version, *, confidential):
    return releases.inspect(*write_build(folder / "build", version), confidential=confidential)


def publish(room, session, made):
    draft = room.releases.prepare_add(session, made, NOW)
    return room.publish(session, room.custody.prepared(draft, NOW), *room.offline("image", "targets", 1, 2))


def test_a_release_that_is_signed_elsewhere_stays_confidential(room, database, tmp_path):
    with database.write() as session:
        publish(room, session, candidate(tmp_path, "2.0.0", confidential=True))
        room.releases.reconcile(session, NOW)
        publish(room, session, candidate(tmp_path, "2.1.0", confidential=False))
        room.releases.reconcile(session, NOW)
    with database.read() as session:
        rows = {version: releases.find(session, version) for version in ("2.0.0", "2.1.0")}
    assert [rows[version].confidential for version in ("2.0.0", "2.1.0")] == [True, False]
    kept = {path.name.partition(".")[2] for path in (tmp_path / "blobs").iterdir()}
    assert kept == {"kawa-1-2.0.0.tree", "kawa-1-2.1.0.tree", "kawa-1-2.1.0.slot"}
    releases.require_public(rows["2.1.0"])
    with pytest.raises(Conflict, match=r"kawa-1 2\.0\.0 is confidential"):
        releases.require_public(rows["2.1.0"], rows["2.0.0"])


@pytest.mark.parametrize("first", [True, False])
def test_an_image_does_not_change_sides(room, database, tmp_path, first):
    with database.write() as session:
        publish(room, session, candidate(tmp_path, "2.0.0", confidential=first))
        said = "prepared as confidential" if first else "public already"
        with pytest.raises(Conflict, match=said):
            publish(room, session, candidate(tmp_path, "2.0.0", confidential=not first))
