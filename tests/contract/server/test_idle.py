"""An idle check: one request, and a body that costs a camera on a metered line next to nothing."""

import json
import time

from agent.core import trust
from agent.core.clock import Time
from agent.formats.tuf import MAX_VERSION
from update_server.repository.devicecheck import verify_signature

IDLE_BYTES = 500
RUNNING = "1.1.0"
LONGEST_SIGNATURE_CHARS = 2 * 72  # hexadecimal of a DER P-256 signature, which has 70 to 72 bytes (rarely fewer)
ROLES = ("root", "timestamp", "snapshot", "targets")


def check(camera, client, stored):
    """One check of the camera; what it stored goes into `stored`. Returns outcome and the bodies it was sent."""
    who = trust.Device(camera.id, "kawa-1", "a", RUNNING, 1)
    conversation = trust.Check(who, stored, Time(int(time.time()), 0, 0), verify_signature)
    bodies = []
    while (wanted := conversation.wants()) is not None:
        base = "image" if wanted.repository == "image" else f"director/{camera.id}"
        answer = client.get(f"/tuf/{base}/{wanted.path}")
        bodies.append(answer.content)
        if answer.status_code == 404:
            conversation.absent()
        else:
            conversation.feed(answer.content)
        for name, body in conversation.accepted():
            repository, role = name.split("/")
            stored[repository][role] = body
    return conversation.outcome, bodies


def factory(camera):
    folder = camera.server.folder / "tuf"
    stored = {name: dict.fromkeys(ROLES) for name in ("image", "director")}
    for name, roles in stored.items():
        roles["root"] = (folder / name / "1.root.json").read_bytes()
    return stored


def test_an_idle_check_is_one_request_with_a_small_body(camera, release):
    stored = factory(camera)
    camera.server.assign(camera, RUNNING)
    with camera.client() as client:
        outcome, bodies = check(camera, client, stored)
        assert outcome is None
        assert len(bodies) > 1
        for _ in range(3):
            outcome, bodies = check(camera, client, stored)
            assert outcome is None
            assert len(bodies) == 1
            assert len(bodies[0]) < IDLE_BYTES


def test_the_body_stays_small_whatever_the_versions_grow_to(camera):
    director = camera.server.services.director
    body = director.compose(camera.id, {}, (MAX_VERSION, MAX_VERSION, MAX_VERSION), int(time.time())).timestamp
    (signature,) = json.loads(body)["signatures"]
    assert len(body) + LONGEST_SIGNATURE_CHARS - len(signature["sig"]) < IDLE_BYTES
    meta = json.loads(body)["signed"]["meta"]
    assert meta == {"snapshot.json": {"version": MAX_VERSION}}
