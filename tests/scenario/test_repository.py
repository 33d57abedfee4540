"""The world's repositories are genuine: python-tuf reads and verifies them, and so does the agent's own verifier."""

import pytest
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from agent.core.clock import Time
from agent.core.trust import Check, Device, Release
from agent.formats import utc
from firmware_sim.world.firmware import Geometry, build
from firmware_sim.world.repository import Repository, make_release, new_operator
from tests.scenario.makers import RealSigner, verify_signature

NOW = utc.parse("2026-11-22T00:00:00Z")
GEOMETRY = Geometry(slot_blocks=8, root_blocks=5)


@pytest.fixture
def operator():
    maker = new_operator(RealSigner, NOW)
    maker.adopt("a" * 26)
    maker.add(make_release(build(GEOMETRY, "1.1.0"), "1.1.0", 1))
    maker.assign("1.1.0")
    return maker, maker.files


@pytest.mark.parametrize("which", ["image", "director"])
def test_python_tuf_verifies_every_file(operator, which):
    maker, _ = operator
    repository: Repository = getattr(maker, which)
    root = Metadata[Root].from_bytes(repository.files["1.root.json"])
    root.verify_delegate("root", root)
    seen = 1
    for role, kind in (("targets", Targets), ("snapshot", Snapshot), ("timestamp", Timestamp)):
        name = "timestamp.json" if role == "timestamp" else f"1.{role}.json"
        metadata = Metadata[kind].from_bytes(repository.files[name])
        root.verify_delegate(role, metadata)
        seen += 1
    assert seen == len(repository.files)
    for keyid, key in root.signed.keys.items():
        assert key.keyid == keyid


def converse(check, maker, files):
    while (request := check.wants()) is not None:
        base = "image" if request.repository == "image" else f"director/{maker.device_id}"
        body = files.get(f"/tuf/{base}/{request.path}")
        if body is None:
            check.absent()
        else:
            check.feed(body)


def test_the_agents_own_verifier_finds_the_release(operator):
    maker, files = operator
    stored = {
        "image": {"root": maker.image.files["1.root.json"]},
        "director": {"root": maker.director.files["1.root.json"]},
    }
    check = Check(Device(maker.device_id, "kawa-1", "a", "1.0.0", 1), stored, Time(NOW, 0, 0), verify_signature)
    converse(check, maker, files)
    assert isinstance(check.outcome, Release)
    assert check.outcome == maker.releases["1.1.0"].release
    assert check.issued_at == NOW
