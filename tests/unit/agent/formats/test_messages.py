"""Tokens, ownership records, envelopes, bodies, login lines, evidence, labels, configuration."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats import config, envelope, evidence, json, label, login, messages, ownership, token
from agent.formats.errors import FormatError
from tests.repositories import DEVICE_ID, World
from update_server.keyfiles import new_key, public_pem

TOKEN = token.Token(
    url="https://10.0.2.2:8443", secret="s3cret", id="t-1", ca=b"\x30\x82certificate", ownership_sha256="ab" * 32
)
ROOT = World().director.files["1.root.json"].decode()
RECORD = ownership.Ownership(
    operator="Kawa 河川事務所",
    server_url="https://10.0.2.2:8443",
    broker_host="10.0.2.2",
    broker_port=8883,
    ca="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
    director_root=ROOT,
    command_keys=("k",),
    sealing_key=None,
    check_interval_s=60,
    telemetry_interval_s=30,
)
ENVELOPE = envelope.Envelope("telemetry", DEVICE_ID, "boot-1", 7, 1800000000, {"a": 1.5}, b"")
CURVE_384 = public_pem(ec.generate_private_key(ec.SECP384R1()).public_key())
SIGNED = envelope.Envelope("report", DEVICE_ID, "boot-1", 8, 1800000000, {"a": "é"}, bytes(range(64)))
ALARM = SIGNED.replace(type="alarm", signature=b"")
FINDING = evidence.Finding("S1.1-01", evidence.PASS, evidence.MEASURED, ("listeners",), "tried")
REPORT = evidence.Report(5, DEVICE_ID, "kawa-1", "a", "1.0.0", "star1", (FINDING,), {"listeners": {}})
LABEL = {
    "v": 1,
    "serial": "KW1-000001",
    "model": "kawa-1",
    "hardware": "a",
    "mac": "52:54:00:00:00:01",
    "claim_salt": "00" * 16,
    "claim_sha256": "ff" * 32,
}
CONFIG = {
    "v": 1,
    "model": "kawa-1",
    "hardware": "a",
    "version": "1.0.0",
    "security_epoch": 1,
    "build_time": 1790000000,
    "image_root": "/usr/lib/camward/image-root.json",
    "layout": {},
    "services": [{"name": "web", "kind": "web", "port": 443}],
    "login_gid": 900,
    "health": {"deadline_s": 60},
    "update": {"check_interval_s": 60, "telemetry_interval_s": 60},
    "password": {},
    "declarations": {},
}


def test_token_round_trip() -> None:
    text = token.encode(TOKEN)
    assert token.parse(text) == TOKEN
    assert token.parse(f" {text[:20]}\r\n\t{text[20:]} \n") == TOKEN
    assert len(text) <= token.MAX_TOKEN_CHARS


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://10.0.2.2"},
        {"url": "https://"},
        {"url": "https://a/b"},
        {"url": "https://user@a"},
        {"url": "https://a b"},
        {"url": "https://é"},
        {"url": "https://a?x"},
        {"secret": "x" * 129},
        {"est_url": "https://est.example", "est_ca": b"x"},
        {"est_url": "https://est.example/.well-known/est", "est_ca": b""},
        {"est_url": "https://est.example/.well-known/est", "est_ca": b"x" * 2049},
        {"id": "a:b"},
        {"ca": b""},
        {"ca": b"x" * 2049},
        {"ownership_sha256": "AB" * 32},
    ],
)
def test_bad_tokens(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        token.parse(token.encode(TOKEN.replace(**change)))


def test_a_token_without_a_secret_is_an_invitation() -> None:
    invitation = TOKEN.replace(secret="")
    assert token.parse(token.encode(invitation)) == invitation


@settings(max_examples=200)
@given(st.text(max_size=40) | st.text("ABCabc012-_", max_size=40).map(lambda text: token.PREFIX + text))
def test_random_tokens_only_format_errors(text: str) -> None:
    with pytest.raises(FormatError):
        token.parse(text)


@pytest.mark.parametrize("text", ["camward1." + "A" * 4000, "A" * 10000, " " * 10000])
def test_long_tokens(text: str) -> None:
    with pytest.raises(FormatError):
        token.parse(text)


def test_ownership_round_trip() -> None:
    assert ownership.parse(ownership.encode(RECORD)) == RECORD
    sealing = RECORD.replace(sealing_key=public_pem(new_key().public_key()))
    assert ownership.parse(ownership.encode(sealing)) == sealing


@pytest.mark.parametrize(
    "change",
    [
        {"server_url": "http://x"},
        {"broker_host": ""},
        {"broker_host": "-x"},
        {"broker_host": "a b"},
        {"broker_host": "a..b"},
        {"broker_host": "x" * 64 + ".example"},
        {"ca": "-----BEGIN CERTIFICATE-----\nあ"},
        {"broker_port": 0},
        {"ca": "none"},
        {"director_root": "{}"},
        {"command_keys": (1,)},
        {"command_keys": ("k",) * 9},
        {"sealing_key": 5},
        {"sealing_key": ""},
        {"sealing_key": "pem"},
        {"sealing_key": CURVE_384},
        {"check_interval_s": 4},
        {"telemetry_interval_s": 86401},
    ],
)
def test_bad_ownership_records(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        ownership.parse(ownership.encode(RECORD.replace(**change)))


def test_envelope_round_trip() -> None:
    for made in (ENVELOPE, SIGNED, ALARM, ALARM.replace(signature=bytes(range(64)))):
        assert envelope.parse(envelope.encode(made)) == made
    assert b"signature" not in envelope.message(SIGNED)
    assert envelope.message(SIGNED) == envelope.message(SIGNED.replace(signature=b""))


@pytest.mark.parametrize(
    "made",
    [
        SIGNED.replace(signature=b""),
        SIGNED.replace(signature=bytes(63)),
        ENVELOPE.replace(signature=bytes(64)),
        ALARM.replace(signature=bytes(63)),
        ENVELOPE.replace(body={"a": b""}),
        ENVELOPE.replace(body={"a": "x" * envelope.MAX_ENVELOPE_BYTES}),
    ],
)
def test_envelopes_that_cannot_be_sent(made: envelope.Envelope) -> None:
    with pytest.raises(FormatError):
        envelope.encode(made)


@pytest.mark.parametrize("signature", [None, {}, {"alg": "ES256"}, {"alg": "none", "sig": "00" * 64}])
def test_an_alarm_that_claims_a_signature_has_one(signature: Any) -> None:
    whole = json.parse_object(envelope.encode(ALARM), 10_000)
    with pytest.raises(FormatError):
        envelope.parse(json.dump({**whole, "signature": signature}))


def test_floats_are_never_signed() -> None:
    with pytest.raises(FormatError):
        envelope.message(SIGNED.replace(body={"a": 0.5}))


TELEMETRY = {"version": "1.0.0", "slot": "a", "phase": "idle", "uptime_s": 5, "cpu_percent": 1.5, "temperature_c": -3}


def test_telemetry() -> None:
    body = messages.telemetry_body(TELEMETRY | {"rss_bytes": None, "novel": 1})
    assert body == TELEMETRY
    parsed = messages.parse_telemetry(body | {"novel": 1})
    assert parsed.uptime_s == 5
    assert parsed.rss_bytes is None
    assert parsed.temperature_c == -3


@pytest.mark.parametrize(
    "change",
    [
        {"version": None},
        {"slot": "c"},
        {"phase": None},
        {"uptime_s": -1},
        {"rss_bytes": 1.5},
        {"cpu_percent": -1},
        {"cpu_percent": "9"},
        {"cpu_percent": True},
        {"temperature_c": 301},
        {"cpu_percent": float("nan")},
    ],
)
def test_bad_telemetry(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        messages.telemetry_body(TELEMETRY | change)


def test_report() -> None:
    report = messages.Report("refused", "1.0.0", "1.1.0", "rollback", "older", "", None)
    assert messages.parse_report(messages.report_body(report)) == report
    long = messages.report_body(report.replace(detail="x" * 1000))
    assert len(messages.parse_report(long).detail) == messages.MAX_DETAIL_CHARS
    for change in ({"kind": "x"}, {"event": "x"}, {"slot": "c"}, {"code": 1}):
        with pytest.raises(FormatError):
            messages.parse_report(messages.report_body(report) | change)


@pytest.mark.parametrize(
    "state",
    [messages.State(True, "1.0.0", "b", ""), messages.State(False, "", "", ""), messages.State(False, "", "", "erase")],
)
def test_state(state: messages.State) -> None:
    assert messages.parse_state(messages.encode_state(state)) == state


LINES = [
    login.encode_request(op, "192.0.2.7", {name: "x" for name, _ in needed + optional})
    for op, (needed, optional) in login.OPERATIONS.items()
]


@pytest.mark.parametrize("line", LINES)
def test_every_operation_has_a_line(line: bytes) -> None:
    request = login.parse_request(line)
    assert request.source == "192.0.2.7"
    assert login.encode_request(request.op, request.source, request.arguments) == line


@pytest.mark.parametrize(
    ("op", "source", "arguments"),
    [
        ("shell", "x", {}),
        ("state", "", {}),
        ("state", "x" * 65, {}),
        ("state", "x", {"password": "y"}),
        ("login", "x", {"user": "y"}),
        ("login", "x", {"user": "y" * 65, "password": ""}),
        ("enrol", "x", {"grant": "g", "token": "t" * 3501}),
    ],
)
def test_bad_requests(op: str, source: str, arguments: dict[str, str]) -> None:
    with pytest.raises(FormatError):
        login.encode_request(op, source, arguments)


def test_longest_requests_fit_a_line() -> None:
    text = token.encode(TOKEN.replace(ca=b"x" * 1800))
    assert len(login.encode_request("enrol", "x" * 64, {"grant": "g" * 64, "token": text})) <= login.MAX_LINE_BYTES


def test_replies() -> None:
    assert login.encode_reply({"role": "viewer"}) == b'{"ok":true,"role":"viewer","v":1}\n'
    assert b'"code":"wait"' in login.encode_refusal("wait", {"retry_after_s": 3})
    with pytest.raises(FormatError):
        login.encode_refusal("x", {})
    with pytest.raises(FormatError):
        login.encode_reply({"x": "y" * 4096})


def test_evidence_round_trip() -> None:
    assert evidence.parse(evidence.body(REPORT)) == REPORT


@pytest.mark.parametrize(
    "change",
    [
        {"findings": ()},
        {"facts": {}},
        {"facts": {"other": {}}},
        {"findings": (FINDING, FINDING)},
        {"findings": (FINDING.replace(basis=evidence.DECLARED),)},
        {"findings": (FINDING.replace(basis=evidence.NOT_ASSESSED, verdict=evidence.FAIL),)},
        {"findings": (FINDING.replace(probes=()),)},
        {"findings": (FINDING.replace(reason=""),)},
        {"findings": (FINDING.replace(verdict="COMPLIANT"),)},
        {"device": "x"},
    ],
)
def test_evidence_that_claims_too_much(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        evidence.body(REPORT.replace(**change))


def test_label_and_claim_code() -> None:
    parsed = label.parse(json.dump(LABEL))
    assert parsed.claim_salt == bytes(16)
    assert label.normal_code("abcd-efgh ijkl") == b"ABCDEFGHIJKL"


def test_config() -> None:
    parsed = config.parse(json.dump(CONFIG))
    assert parsed.services == (config.Service("web", "web", 443),)


@pytest.mark.parametrize(
    "change",
    [
        {"image_root": "relative"},
        {"services": CONFIG["services"] * 2},  # type: ignore[operator]
        {"services": [{"name": "x", "kind": "telnet", "port": 23}]},
    ],
)
def test_bad_config(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        config.parse(json.dump(CONFIG | change))


@pytest.mark.parametrize(("said", "age_s"), [({}, 604_800), ({"telemetry_max_age_s": 3600}, 3600)])
def test_when_telemetry_is_too_old_is_the_manufacturers_to_say(said: dict[str, int], age_s: int) -> None:
    update = {"check_interval_s": 60, "telemetry_interval_s": 60, **said}
    assert config.parse(json.dump(CONFIG | {"update": update})).telemetry_max_age_s == age_s
    for wrong in (3599, 604_801):
        with pytest.raises(FormatError):
            config.parse(json.dump(CONFIG | {"update": update | {"telemetry_max_age_s": wrong}}))


PARSERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "ownership": (ownership.parse, ownership.encode(RECORD.replace(director_root=ROOT))),
    "envelope": (envelope.parse, envelope.encode(SIGNED)),
    "telemetry": (lambda body: messages.parse_telemetry(json.parse_object(body, 9999, True)), json.dump(TELEMETRY)),
    "state": (messages.parse_state, messages.encode_state(messages.State(True, "1.0.0", "a", ""))),
    "login": (login.parse_request, LINES[1]),
    "evidence": (lambda body: evidence.parse(json.parse_object(body, 9999)), json.dump(evidence.body(REPORT))),
    "label": (label.parse, json.dump(LABEL)),
    "config": (config.parse, json.dump(CONFIG)),
}
ODD: list[Any] = [None, True, 0, -1, 10**9, "", "x", "..", "\x00", [], {}, [[]], {"": None}, ["a", "a"]]


@settings(max_examples=600)
@given(st.sampled_from(sorted(PARSERS)), st.data())
def test_damaged_input_only_format_errors(name: str, data: st.DataObject) -> None:
    parse, good = PARSERS[name]
    body = bytearray(good)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(FormatError):
        parse(bytes(body))


@pytest.mark.parametrize("name", sorted(PARSERS))
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_members_only_format_errors(name: str, odd: Any) -> None:
    parse, good = PARSERS[name]
    source = json.parse_object(good, 10**6, floats=True)
    for member in sorted(source):
        for value in (odd, None):
            changed = dict(source)
            changed[member] = value
            if value is None:
                del changed[member]
            with contextlib.suppress(FormatError):
                parse(json.dump(changed))
        inner = source[member]
        if isinstance(inner, dict):
            for below in sorted(inner):
                with contextlib.suppress(FormatError):
                    parse(json.dump(source | {member: inner | {below: odd}}))


@settings(max_examples=300)
@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=60))
def test_random_bytes_only_format_errors(name: str, body: bytes) -> None:
    with pytest.raises(FormatError):
        PARSERS[name][0](body)
