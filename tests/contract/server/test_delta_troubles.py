"""Artifacts in trouble: a camera that says something odd of itself, and a disk that is full."""

import subprocess
import time

import pytest

from tests.contract.server import harness
from tests.contract.server.test_confidential import FIRST, PUBLIC, add
from update_server.db.models import Device
from update_server.deltas import service
from update_server.deltas.service import MADE, WANTED
from update_server.repository import releases


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A server of which nothing runs."""
    made = harness.make_server(tmp_path_factory.mktemp("quiet") / "s")
    yield made
    made.services.close()


def camera(letter, row):
    hardware = row.custom["camward"]["hardware"][0]
    return Device(
        id=letter * 26, serial=f"S-{letter}", model=row.model, hardware=hardware, version="1.0.0",
        ownership_sha256="", enrolled_at=1, online=True,
    )  # fmt: skip


def test_what_one_camera_says_of_itself_stops_no_other(quiet, tmp_path):
    plain = b"".join(number.to_bytes(4, "big") * 1024 for number in range(60))  # less when it is compressed
    files = harness.write_build(tmp_path, PUBLIC, content=plain)
    quiet.run("release", "add", files[0], "--tree", files[1], "--manifest", files[2])
    services, now = quiet.services, int(time.time())
    with services.database.write() as session:
        row = releases.find(session, PUBLIC)
        for letter in "ab":
            session.add(camera(letter, row))
            session.flush()
            services.assign(session, session.get_one(Device, letter * 26), row, now)
        session.get_one(Device, "a" * 26).model = "other"  # as PUT /device/v1/identity takes it
    assert services.make_delta(now), "nothing was made"
    with services.database.read() as session:
        signed = services.director.delivery(session, "b" * 26)
    assert "artifact" in signed, "the other camera was not told of it"


def test_a_full_disk_is_tried_again(quiet, tmp_path, monkeypatch):
    add(quiet, tmp_path, FIRST, "--confidential")
    services, now, real = quiet.services, int(time.time()), subprocess.Popen

    def cramped(command, **options):
        """A file of more than 4 KiB is too large for this disk."""
        return real(["/bin/sh", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "x", *command], **options)

    with services.database.read() as session:
        row = releases.find(session, FIRST)
        wanted = next(one for one in services.deltas.listed(session, row) if not one.from_version)
    with monkeypatch.context() as patch:
        patch.setattr(service.subprocess, "Popen", cramped)
        with pytest.raises(OSError, match="too large"):
            services.deltas.make(wanted.from_root, wanted.to_root, lambda _done, _total: None, now)
    with services.database.write() as session:
        left = next(one for one in services.deltas.listed(session, row) if not one.from_version)
        assert left.state == WANTED
        assert not services.deltas.ready(session, "1.0.0", row, now), "a rollout would give the release to cameras"
    assert services.deltas.make(wanted.from_root, wanted.to_root, lambda _done, _total: None, now).state == MADE
