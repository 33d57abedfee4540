"""The camera and the people around it: boot, strangers, default passwords, weak passwords, claim, login."""

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial

from firmware_sim.attacks.login_paths import Outcome
from firmware_sim.attacks.spray import Pair, SprayResult, mirai_pairs, spray
from firmware_sim.demo import images
from firmware_sim.demo.person import Answer, is_jpeg
from firmware_sim.demo.stage import AGENT_READY, BOOT_S, BUG, CAMERA_READY, CLOSED_PORTS, OPEN_PORTS, PANIC, Stage
from firmware_sim.demo.step import StepFailed, require
from firmware_sim.netns import FRONT_ADDRESS
from firmware_sim.qemu.deadline import Deadline

SPRAY_S = 300.0
SAMPLE = 4
"""Pairs of Mirai's list that the demo tries beside admin/admin; the whole list is for the tests."""
FACTORY: Pair = ("admin", "admin")
KNOCK_S = 5.0
WAIT_MAX_S = 120.0
"""The longest lockout the demo sits out."""
WEAK = (
    ("admin", "the factory's own"),
    ("password12345", "a well-known one"),
    ("kanri-no-camera", "the user's name"),
    ("kw1-000001-river", "the serial number"),
    ("abcdefghijklmnop", "a sequence"),
    ("aaaaaaaaaaaaaaaa", "one character"),
)
GET_INFORMATION = "<tds:GetDeviceInformation/>"


def builds(stage: Stage) -> str:
    """Find the images, which `make images` or the demo's start has built."""
    for wanted in images.SET:
        if wanted.name != "lab-1.0.0":
            stage.images[wanted.name] = images.load(wanted.name)
    old, new = (stage.images[f"product-{version}"].tree.read_bytes() for version in ("1.0.0", "1.1.0"))
    leaves = [{data[at : at + 32] for at in range(0, len(data), 32)} for data in (old, new)]
    fresh = len(leaves[1] - leaves[0]) * 4096
    size = stage.images["product-1.1.0"].slot.stat().st_size
    stage.figures["slot_bytes"], stage.figures["update_bytes"] = size, fresh
    return f"1.0.0, 1.1.0, 1.2.0 (its camera application crashes) and an ungated control; a slot is {size / 1e6:.1f} MB"


def boots(stage: Stage) -> str:
    """Switch the factory-new camera on and look at its state."""
    stage.bring_camera()
    seconds = stage.booted(stage.camera, (AGENT_READY, CAMERA_READY), unless=(*PANIC, BUG))
    stage.figures["boot_s"] = round(seconds, 1)
    text = stage.camera.console.text()
    require("sha256,rsa2048:" in text and "camward-boot: starting slot a" in text, "U-Boot verified no signature")
    stage.person.meet(Deadline(BOOT_S))
    state = stage.person.ask("/api/state").body
    require(state.get("state") == "unclaimed", f"a factory-new camera is {state.get('state')!r}, not unclaimed")
    stage.bring_ungated()
    return f"U-Boot verified the signature and started slot A; unclaimed, ready {seconds:.1f} s after power-on"


def nobody(stage: Stage) -> str:
    """Knock on every door without any password."""
    person = stage.person
    for path in ("/snapshot.jpg", "/api/device", "/api/evidence"):
        status = person.get(path).status_code
        require(status == 403, f"{path} answered {status} on an unclaimed camera")
    require("claim" in person.get("/").text.lower(), "the web page does not offer the claim")
    reply = person.onvif(GET_INFORMATION)
    require(not reply.ok and "NotAuthorized" in reply.text, "ONVIF answered a stranger")
    played = person.play(None)
    require(not played.ok, "the stream played for a stranger")
    for port in OPEN_PORTS:
        require(_tls(FRONT_ADDRESS, stage.camera.port(port)), f"port {port} does not answer by TLS")
    loose = [port for port in CLOSED_PORTS if not _closed(FRONT_ADDRESS, stage.camera.port(port))]
    require(not loose, f"ports {loose} are open")
    return "web, snapshot, ONVIF and RTSPS refuse; ports " + ", ".join(map(str, CLOSED_PORTS)) + " are closed"


def defaults(stage: Stage) -> str:
    """Spray default passwords on the product, and on the control, where they work."""
    pairs = (FACTORY, *[pair for pair in mirai_pairs() if pair != FACTORY][:SAMPLE])
    web, rtsps = stage.camera.port(443), stage.camera.port(322)
    paths = {"web": web, "snapshot": web, "onvif": web, "rtsps": rtsps}
    result = spray(FRONT_ADDRESS, paths, pairs, within_s=SPRAY_S)
    _require_all(result, paths, Outcome.REFUSED, "the product")
    # The control: the same attack, where nobody guards.
    stage.booted(stage.ungated, (CAMERA_READY,))
    web, rtsps, rtsp = (stage.ungated.port(port) for port in (443, 322, 554))
    open_paths = {"web": web, "snapshot": web, "onvif": web, "rtsps": rtsps, "rtsp": rtsp}
    control = spray(FRONT_ADDRESS, open_paths, (FACTORY,), within_s=SPRAY_S)
    _require_all(control, open_paths, Outcome.ACCEPTED, "the ungated control")
    stage.send_ungated_home()
    tried = len(result.attempts)
    return f"{tried} tries on {len(paths)} paths refused; admin/admin opens all {len(open_paths)} paths of the control"


def weak(stage: Stage) -> str:
    """Try to claim with passwords that the policy must not take."""
    reasons = []
    for password, why in WEAK:
        reply = patiently(partial(stage.person.ask, "/api/policy", _who(stage, password)))
        found = reply.body.get("violations") or []
        require(bool(found), f"the policy takes {password!r} ({why})")
        require(all(one.get("en") and one.get("ja") for one in found), "a reason lacks its English or Japanese text")
        reasons.append(str(found[0]["code"]))
    claim = {"code": stage.device.code, **_who(stage, WEAK[1][0])}
    reply = patiently(lambda: stage.person.ask("/api/claim", claim))
    require(reply.status == 422, f"a claim with a weak password got {reply.status}, not the policy's refusal")
    require(stage.person.ask("/api/state").body.get("state") == "unclaimed", "a refused claim changed the state")
    return f"{len(WEAK)} refused with reasons in English and Japanese ({', '.join(dict.fromkeys(reasons))})"


def claims(stage: Stage) -> str:
    """Claim with the label's code and a good password; then nobody can claim again."""
    wrong = {"code": "AAAA-AAAA-AAAA-AAAA", **_who(stage, stage.password)}
    reply = patiently(lambda: stage.person.ask("/api/claim", wrong))
    require(not reply.ok, "a wrong code claimed the camera")
    good = {"code": stage.device.code, **_who(stage, stage.password)}
    reply = patiently(lambda: stage.person.ask("/api/claim", good))
    require(
        reply.ok and reply.body.get("role") == "administrator", f"the claim was refused: {reply.text.strip()[:200]}"
    )
    require(stage.person.ask("/api/state").body.get("state") == "claimed", "the camera is not claimed")
    again = patiently(lambda: stage.person.ask("/api/claim", good))
    require(not again.ok, "a claimed camera was claimed again")
    return f"{stage.user} is administrator; a wrong code and a second claim are refused"


def logs_in(stage: Stage) -> str:
    """Log in on every service with the new password; strangers and the factory's password stay out."""
    person, user, password = stage.person, stage.user, stage.password
    person.close()
    reply = patiently(lambda: person.ask("/api/login", {"user": user, "password": password}))
    require(reply.ok, f"the web login was refused: {reply.text.strip()[:200]}")
    picture = person.snapshot(user, password)
    played = person.play(user, password)
    require(played.ok, f"ffmpeg decoded no frame of the stream: {played.said[-200:]}")
    reply = person.onvif(GET_INFORMATION, user, password)
    require(reply.ok and stage.device.serial in reply.text, f"ONVIF refused the login ({reply.status})")
    require(not person.play(None).ok, "the stream plays without a password")
    require(not person.onvif(GET_INFORMATION).ok, "ONVIF answers without a password")
    person.close()
    require(person.get("/snapshot.jpg").status_code == 401, "the snapshot is shown without a password")
    require(is_jpeg(picture), "the snapshot is no picture")
    web, rtsps = stage.camera.port(443), stage.camera.port(322)
    paths = {"web": web, "onvif": web, "rtsps": rtsps}
    _require_all(spray(FRONT_ADDRESS, paths, (FACTORY,), within_s=SPRAY_S), paths, Outcome.REFUSED, "the product")
    size = len(played.picture)
    return f"web, snapshot, ONVIF; ffmpeg decoded a frame over RTSPS ({size} B); nobody and admin/admin stay out"


def patiently(call: Callable[[], Answer]) -> Answer:
    """Make a call, and again after the wait that the camera asked for (429)."""
    deadline = Deadline(WAIT_MAX_S)
    while True:
        answer = call()
        if answer.status != 429 or deadline.expired():
            return answer
        time.sleep(min(float(answer.body.get("retry_after_s", 1)), deadline.remaining_s()))


def _who(stage: Stage, password: str) -> dict[str, str]:
    return {"user": stage.user, "password": password}


def _require_all(result: SprayResult, paths: Mapping[str, int], wanted: Outcome, whom: str) -> None:
    """Every path was tried, nothing was left, and every try ended as `wanted`."""
    require(result.untried == 0, f"{result.untried} tries on {whom} were not made in {SPRAY_S:.0f} s")
    for path in paths:
        require(bool(result.outcomes(path)), f"{path} of {whom} was not tried")
    for one in result.attempts:
        if one.outcome is not wanted:
            raise StepFailed(f"{one.user}/{one.password} on {path_of(one.path)} of {whom}: {one.outcome} ({one.seen})")


def path_of(name: str) -> str:
    """Name a path for people."""
    return {"onvif": "ONVIF", "rtsps": "RTSPS", "rtsp": "RTSP"}.get(name, f"the {name} path")


def _tls(address: str, port: int) -> bool:
    try:
        return bool(ssl.get_server_certificate((address, port), timeout=KNOCK_S * 4))
    except OSError:
        return False


def _closed(address: str, port: int) -> bool:
    """Say whether nobody talks to us there. QEMU accepts for the guest, so only what comes after tells."""
    try:
        with socket.create_connection((address, port), timeout=KNOCK_S) as knock:
            knock.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            return knock.recv(1) == b""
    except OSError:
        return True
