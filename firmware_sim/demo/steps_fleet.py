"""The camera and its operator: enrolment, telemetry, the broker, the wire, the evidence."""

import json
import socket
import ssl
from pathlib import Path
from typing import Any

from firmware_sim.demo.operator import BROKER_PORT
from firmware_sim.demo.stage import Stage
from firmware_sim.demo.step import require
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.demo.wire import TLS_APPLICATION_DATA, Capture, begins_with_hello, tls_records
from firmware_sim.qemu.deadline import Deadline

ENROL_S = 180.0
TELEMETRY_S = 120.0
BROKER_S = 20.0
RELEASES = ("1.0.0", "1.1.0", "1.2.0")
MQTT_CONNACK = b"\x20"
MQTT_CONNECT = b"\x10\x1e\x00\x04MQTT\x05\x00\x00\x3c\x05\x11\x00\x27\x8d\x00\x00\x0cstranger-one"
"""CONNECT, MQTT 5, client id `stranger-one`, which leaves a session as it finds it (MQTT 5.0, 3.1)."""


def enrols(stage: Stage) -> str:
    """Start the operator's server, publish the releases, and enrol the camera with a one-time token."""
    operator, person = stage.operator, stage.person
    operator.begin_anew()
    operator.serve()
    stage.serving = True
    for version in RELEASES:
        image = stage.images[f"product-{version}"]
        operator.publish(image.slot, image.tree, image.release_json)
    token = operator.token()
    sign_in(stage)
    reply = person.ask("/api/enrol", {"token": token})
    require(reply.ok, f"the camera refused the token: {reply.text.strip()[:200]}")
    fleet = operator.wait_for(operator.devices, bool, Deadline(ENROL_S), "the camera in the operator's list")
    require(len(fleet) == 1 and fleet[0]["serial"] == stage.device.serial, "another camera has enrolled")
    stage.device_id = str(fleet[0]["id"])
    again = person.ask("/api/enrol", {"token": "camward1.e30"})
    require(not again.ok, "the camera takes a second, malformed token")
    return f"key made on the camera, certified by EST as {stage.device_id}; {len(RELEASES)} releases published"


def telemetry(stage: Stage) -> str:
    """Wait for the first telemetry."""
    device = stage.operator.wait_for(
        lambda: stage.operator.device(stage.device_id),
        lambda seen: bool(seen["online"] and seen["telemetry"].get("uptime_s")),
        Deadline(TELEMETRY_S),
        "telemetry",
    )
    seen: dict[str, Any] = device["telemetry"]
    require(device["version"] == "1.0.0", f"the server believes that the camera runs {device['version']!r}")
    stage.figures["agent_rss_bytes"] = seen.get("rss_bytes")
    return f"version {device['version']}, up {seen['uptime_s']} s, agent {seen.get('rss_bytes', 0) / 1e6:.1f} MB"


def stranger(stage: Stage) -> str:
    """Knock on the broker without a certificate, with a stranger's, and without TLS; the operator's own is let in."""
    ca = str(stage.operator.ca)
    said = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trust = ssl.create_default_context(cafile=ca)
        trust.minimum_version = trust.maximum_version = version
        said.append(f"{version.name}: {_refused_by_broker(trust)}")
    plain = _mqtt_in_the_clear()
    require(plain == b"", f"the broker answered MQTT without TLS: {plain!r}")
    # The control: the same words with a certificate of the fleet's CA are answered.
    known = ssl.create_default_context(cafile=ca)
    known.load_cert_chain(*(str(path) for path in stage.operator.own_certificate))
    answer = _mqtt(known)
    require(answer[:1] == MQTT_CONNACK, f"the broker answers the operator's own certificate with {answer!r}")
    require(bool(stage.operator.device(stage.device_id)["online"]), "the camera with its certificate is not connected")
    return f"refused ({', '.join(said)}); MQTT without TLS refused; with a certificate the same client is let in"


def unseen(stage: Stage) -> str:
    """Look at everything that went over the camera's cable so far."""
    stage.stop_listening()
    capture = Capture(stage.wire)
    secret = [stage.password, stage.device.code, stage.device.code.replace("-", "")]
    markers = ["camward/1/", "uptime_s", "rss_bytes", '"telemetry"', stage.user + ":", "camward1.", *secret]
    found = [marker for marker in markers if capture.contains(marker.encode())]
    require(not found, f"an eavesdropper reads {found} on the wire")
    streams = capture.of_port(BROKER_PORT)
    require(bool(capture.towards(BROKER_PORT)), "the capture saw no connection to the broker: it proves nothing")
    for stream in streams:
        require(
            begins_with_hello(stream.data), f"a connection to the broker from {stream.source} does not begin by TLS"
        )
    records = [record for stream in streams for record in tls_records(stream.data) or ()]
    payload = sum(len(body) for kind, body in records if kind == TLS_APPLICATION_DATA)
    require(payload > 0, "no application data went to the broker: the capture proves nothing")
    control = Capture(stage.ungated_wire)
    require(control.contains(b'username="admin"'), "the same search finds nothing on the control's cable either")
    shown = f"{len(capture.frames)} frames, {len(streams)} TLS streams to 8883 with {payload} B of ciphertext"
    return f"{shown}; no topic, payload, password or claim code (the control shows its user name)"


def evidence(stage: Stage) -> str:
    """Wait for the evidence that the camera collects after its last boot, and keep it."""
    device = stage.operator.wait_for(
        lambda: stage.operator.device(stage.device_id),
        _has_fresh_evidence,
        Deadline(TELEMETRY_S),
        "evidence",
    )
    report: dict[str, Any] = device["evidence"]["report"]
    findings = findings_of(report)
    require(len(findings) >= 16, f"the evidence has {len(findings)} findings, not the 16 criteria")
    loose = [one["criterion"] for one in findings if one["verdict"] == "PASS" and not one.get("probes")]
    require(not loose, f"{loose} PASS without a probe")
    failed = [f"{one['criterion']} ({one['reason']})" for one in findings if one["verdict"] == "FAIL"]
    require(not failed, f"criteria FAIL: {', '.join(failed)}")
    path = Path(stage.folder / "evidence.json")
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    stage.figures["findings"] = findings
    counts = {verdict: sum(1 for one in findings if one["verdict"] == verdict) for verdict in _VERDICTS}
    shown = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"JC-STAR ★1: {shown}; signed by the camera, kept in {path.name}"


def _has_fresh_evidence(device: dict[str, Any]) -> bool:
    """Say whether the evidence is younger than the last update event."""
    report = device.get("evidence")
    return report is not None and report["at"] >= max(event["at"] for event in device["updates"])


_VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", "N/A")


def findings_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the report's findings, one per criterion."""
    return [one for one in report.get("findings", []) if isinstance(one, dict)]


def sign_in(stage: Stage) -> None:
    """Make sure that the person's browser has a session.

    Raises:
        StepFailed: the camera refuses the login.
    """
    if stage.person.ask("/api/device").ok:
        return
    who = {"user": stage.user, "password": stage.password}
    reply = patiently(lambda: stage.person.ask("/api/login", who))
    require(reply.ok, f"the web login was refused: {reply.text.strip()[:200]}")


def _mqtt(trust: ssl.SSLContext) -> bytes:
    """Connect by TLS, say CONNECT, and return the answer.

    Raises:
        OSError: the broker ended the connection; `ssl.SSLError` where it said so by TLS.
    """
    with (
        socket.create_connection(("127.0.0.1", BROKER_PORT), timeout=BROKER_S) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        # With TLS 1.3 our side of the handshake ends before the broker has looked for our certificate.
        connection.sendall(MQTT_CONNECT)
        return connection.recv(64)


def _refused_by_broker(trust: ssl.SSLContext) -> str:
    """Return how the broker refused a client without a certificate.

    Raises:
        StepFailed: it did not.
    """
    try:
        answer = _mqtt(trust)
    except ssl.SSLEOFError:
        return "hung up"
    except ssl.SSLError as error:
        return (error.reason or "TLS alert").replace("_", " ").lower()
    except ConnectionError:
        return "hung up"
    require(answer == b"", f"the broker answered a client without a certificate: {answer!r}")
    return "hung up"


def _mqtt_in_the_clear() -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", BROKER_PORT), timeout=BROKER_S) as connection:
            connection.sendall(MQTT_CONNECT)
            answer = connection.recv(64)
    except OSError:
        return b""
    # A TLS alert is how a TLS server says that this is no TLS.
    return b"" if answer[:1] == b"\x15" else answer
