"""A fleet to look at: cameras in every state, a rollout in its second phase, one that paused, evidence."""

import base64
import hashlib
import json
import time

from agent.core import compliance
from agent.formats import evidence, utc
from tests.contract.server import harness
from update_server.db.models import Device, Evidence, Refusal, UpdateEvent
from update_server.fleet import history
from update_server.repository import image, releases, signers

COUNT = 14


def device_id(number):
    return base64.b32encode(hashlib.sha256(str(number).encode()).digest()).decode()[:26].lower()


def fill(server, folder):
    """Put the fleet into the server's database, with releases published as `release add` does it."""
    services, now = server.services, int(time.time())
    keys = server.folder.with_name(server.folder.name + ".offline")
    passphrase = (keys / "passphrase").read_bytes().strip()
    offline = signers.load_folder(keys, image.TARGETS_PREFIX, passphrase, image.TARGETS_THRESHOLD)
    with services.database.write() as session:
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            candidate = releases.inspect(*harness.write_build(folder, version))
            services.releases.add(session, candidate, offline, now - 86_400)
        pair = [releases.find(session, version) for version in ("1.0.0", "1.1.0")]
        services.deltas.want(session, *pair, now)  # the server makes it as soon as it runs
        for number in range(COUNT):
            session.add(camera(number, services.ownership.current, now))
        session.flush()
        first = services.rollouts.create(
            session, releases.find(session, "1.1.0"), phases="2,50%,100%", silent_after_s=3600, now=now - 7200
        )
        for number in range(8):
            report(services, session, number, "committed", "1.1.0", now - 3600)
        services.rollouts.tick(session, now - 3500)
        services.rollouts.abort(session, first, "admin", now - 3000)
        services.rollouts.create(
            session, releases.find(session, "1.2.0"), phases="2,50%,100%", silent_after_s=3600, now=now - 1200
        )
        fail_one(services, session, now - 600)
        proof(session, device_id(0), now)
        session.add(
            Refusal(
                device_id=device_id(0), received_at=now - 900, code="signature", detail="the signature does not verify"
            )
        )


def camera(number, ownership, now):
    online = number % 7 != 6
    return Device(
        id=device_id(number), serial=f"KW1-{number + 1:06d}", model="kawa-1", hardware="a", version="1.0.0",
        ownership_sha256=ownership, enrolled_at=now - 40 * 86_400, online=online,
        last_seen_at=now - (20 + number if online else 7200), telemetry_at=now - 20 - number,
        telemetry={
            "version": "1.0.0", "slot": "a", "phase": "idle", "uptime_s": 345_678 + number, "cpu_percent": 7.5,
            "rss_bytes": 31_400_000, "mem_available_bytes": 88_000_000, "disk_free_bytes": 402_653_184,
            "temperature_c": 41.5, "outbox_count": 0, "listeners_count": 2,
        },
    )  # fmt: skip


def report(services, session, number, event, version, at, code=""):
    device = session.get_one(Device, device_id(number))
    line = UpdateEvent(
        device_id=device.id, at=at, received_at=at, event=event, from_version=device.version, to_version=version,
        code=code, detail="", slot="b",
    )  # fmt: skip
    session.add(line)
    session.flush()
    if event == "committed":
        device.version = version
    services.rollouts.reported(session, device, line, at)


def fail_one(services, session, at):
    """One of the canaries of the second rollout rolls back, the other commits."""
    from update_server.rollouts import store

    rollout = store.everything(session)[0]
    _, device = store.members(session, rollout, state="assigned")[0]
    line = UpdateEvent(
        device_id=device.id, at=at, received_at=at, event="rolled_back", from_version=device.version,
        to_version="1.2.0", code="health", detail="the camera application did not answer on port 443", slot="b",
    )  # fmt: skip
    session.add(line)
    session.flush()
    device.attention = "rolled back 1.2.0 health the camera application did not answer on port 443"
    services.rollouts.reported(session, device, line, at)
    services.rollouts.tick(session, at)


def proof(session, device, now):
    """An evidence report with every verdict."""
    catalogue = compliance.parse_catalogue(history.resources.files("agent.core").joinpath("star1.json").read_bytes())
    kinds = [("PASS", "measured"), ("PASS", "measured"), ("N/A", "declared by the manufacturer"),
             ("INCONCLUSIVE", "not assessed"), ("PASS", "measured")]  # fmt: skip
    findings = []
    for number, criterion in enumerate(catalogue.criteria):
        verdict, basis = ("FAIL", "measured") if number == 12 else kinds[number % len(kinds)]
        probes = ("listeners", "login_probe")[: 1 + number % 2] if basis == "measured" else ()
        reason = {
            "PASS": "every service refused a stranger and let the owner in",
            "FAIL": "port 554 answers without encryption and is not in the declaration",
            "N/A": "not measured here; see https://example.org/policy",
            "INCONCLUSIVE": "the probe has not run since the last start",
        }[verdict]
        findings.append(evidence.Finding(criterion.id, verdict, basis, probes, reason))
    made = evidence.Report(
        at=now - 120, device=device, model="kawa-1", hardware="a", version="1.1.0", catalogue=catalogue.name,
        findings=tuple(findings), facts={
            "listeners": [443, 322], "login_probe": {"refused": 12},
            "plain_rtsp": {
                "open": True, "port": 554, "since": utc.render(now - 600), "until": utc.render(now + 86_400),
            },
        },
    )  # fmt: skip
    body = evidence.body(made)
    session.add(
        Evidence(device_id=device, at=made.at, received_at=now, report=body, envelope=json.dumps(body).encode())
    )
