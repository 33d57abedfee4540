"""Valid inputs of every format, made anew: by the formats' own writers, and repositories as the tests make them."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.app import change_state, enrolment_state, update_state
from agent.core import attack, commands, lockout, update
from agent.formats import (
    alarm,
    boot_record,
    bundle,
    canonical_json,
    command,
    config,
    cose,
    delivery,
    discovery,
    envelope,
    evidence,
    login,
    messages,
    outbox_record,
    ownership,
    plain_rtsp,
    quarantine,
    receipt,
    required_change,
    running,
    samples,
    sealed,
    segments,
    taken,
    token,
    voucher,
)
from agent.formats import json as agent_json
from firmware_sim.world.firmware import Geometry
from tests.repositories import DEVICE_ID, NOW, Repository, World, make_release
from tests.tools import common_passwords

ROOT_FOLDER = Path(__file__).resolve().parents[2]
GEOMETRY = Geometry(slot_blocks=14, root_blocks=12)

_KEY = ec.derive_private_key(1001, ec.SECP256R1())
PEM = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "seed")])
    begin = datetime.fromtimestamp(NOW, UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(_KEY.public_key())
    builder = builder.serial_number(5).not_valid_before(begin).not_valid_after(begin + timedelta(days=9000))
    return builder.sign(_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def _signed(signed: dict[str, Any]) -> bytes:
    signature = {"keyid": "ab" * 32, "sig": _KEY.sign(canonical_json.encode(signed), ec.ECDSA(hashes.SHA256())).hex()}
    return agent_json.dump({"signed": signed, "signatures": [signature]})


def _file(repository: Repository, role: str) -> bytes:
    names = [name for name in repository.files if name.endswith(f"{role}.json")]
    return repository.files[names[-1]]


def _releases() -> bytes:
    """Targets that list slots alone, without their trees."""
    top = json.loads(TARGETS)
    listed = top["signed"]["targets"]
    top["signed"]["targets"] = {path: entry for path, entry in listed.items() if "custom" in entry}
    return json.dumps(top).encode()


def _delegating(delegations: dict[str, Any]) -> bytes:
    top = json.loads(TARGETS)
    top["signed"]["delegations"] = {"keys": {"ab": json.loads(KEY_ENTRY)}, **delegations}
    return json.dumps(top).encode()


_WORLD = World()
_RELEASE = _WORLD.offer(make_release())
ROOT = _file(_WORLD.image, "root")
TARGETS = _file(_WORLD.image, "targets")
RELEASES = _releases()
SNAPSHOT = _file(_WORLD.image, "snapshot")
TIMESTAMP = _file(_WORLD.director, "timestamp")
CERTIFICATE = _certificate()
CERTIFICATE_PEM = ssl.DER_cert_to_PEM_cert(CERTIFICATE).encode()
KEY_ENTRY = json.dumps(
    {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": PEM.decode()}}
).encode()
KEY = json.dumps({"keyid": "ab", "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "public": PEM.decode()}).encode()
KEYS = json.dumps({"keys": {"ab": json.loads(KEY_ENTRY), "cd": {"keytype": "x", "scheme": "y", "keyval": {}}}}).encode()
DELEGATING = _delegating(
    {
        "roles": [
            {"name": "one", "keyids": ["ab"], "threshold": 1, "terminating": False, "paths": ["a/*", "*"]},
            {"name": "ü", "keyids": ["ab"], "threshold": 1, "terminating": True, "path_hash_prefixes": ["0", "f1"]},
        ]
    }
)
BINS = _delegating({"succinct_roles": {"keyids": ["ab"], "threshold": 1, "bit_length": 8, "name_prefix": "bin"}})

BOOT_RECORDS = tuple(
    boot_record.encode(boot_record.BootRecord(*values))
    for values in ((1, "a", "-", 0, 0, 0, 0, "-", 0, 1), (2**32 - 1, "b", "a", 10, 2, 9, 3, "r", 1, 2**32 - 1))
)
HEALTH = {"deadline_s": 60, "checks": [{"check": "answers", "service": "web"}, {"check": "server", "deadline_s": 90}]}
_PROGRAM = {
    "name": "river", "uid": 900, "gid": 900, "receive": ["interval"], "max_message_bytes": 1024,
    "publish": [{"topic": "level", "durable": True}], "messages_per_minute": 60, "bytes_per_hour": 1000,
    "keep_bytes": 65536,
}  # fmt: skip
PROGRAMS = json.dumps({"programs": [_PROGRAM]}).encode()
PROGRAM_LINES = (
    b'{"v":1,"n":1,"op":"publish","topic":"level","data":"Mi4zMSBt"}\n',
    b'{"v":1,"n":2,"op":"receive"}\n',
)
CONFIG = json.dumps(
    {
        "v": 1,
        "model": "kawa-1",
        "hardware": "a",
        "version": "1.0.0",
        "security_epoch": 1,
        "build_time": 1_790_000_000,
        "image_root": "/etc/camward/root.json",
        "layout": GEOMETRY.layout(),
        "login_gid": 900,
        "services": [{"name": "web", "kind": "web", "port": 443}],
        "health": HEALTH,
        "update": {"check_interval_s": 60, "telemetry_interval_s": 60},
        "password": {"min_chars": 12},
        "declarations": {"a": [1, "b"]},
        "user_folders": ["/data/camera"],
        "programs": [_PROGRAM],
    }
).encode()
LAYOUT = json.dumps(GEOMETRY.layout()).encode()
LABEL = json.dumps(
    {
        "v": 1,
        "serial": "KW1-000001",
        "model": "kawa-1",
        "hardware": "a",
        "mac": "52:54:00:00:00:01",
        "claim_salt": "00" * 16,
        "claim_sha256": "ff" * 32,
    }
).encode()
OWNERSHIP = ownership.encode(
    ownership.Ownership(
        operator="川の事務所",
        server_url="https://10.0.2.2:8443",
        broker_host="10.0.2.2",
        broker_port=8883,
        ca="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
        director_root=_file(_WORLD.director, "root").decode(),
        command_keys=(PEM.decode(),),
        sealing_key=PEM.decode(),
        check_interval_s=60,
        telemetry_interval_s=30,
    )
)
COMMAND = _signed(command.signed_part(DEVICE_ID, 7, NOW, NOW + 60, command.REBOOT, {}))
_PUBLIC = [
    ec.derive_private_key(number, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for number in (1, 2)
]
CHANGED_KEYS = json.dumps(
    {"command_keys": [], "authority_keys": [one.decode() for one in _PUBLIC], "sealing_key": None}
).encode()
SETTINGS = b'{"check_interval_s":900,"telemetry_interval_s":600,"line":"wired"}'
PLAIN_RTSP_SENT = plain_rtsp.encode_sent({"keiko": (7, 9)})
PLAIN_RTSP = plain_rtsp.encode(plain_rtsp.Opened("keiko", 7, 9, 3))
QUARANTINE = quarantine.encode(quarantine.Quarantine(True, 7, 9, "x"))
PROXY_SAID = json.dumps({"proxy": {"host": "proxy.example", "port": 3128}}).encode()
NO_PROXY = json.dumps({"proxy": None}).encode()
COMMAND_REPORT = json.dumps(command.report_body(command.CommandReport("done", 7, "reboot", "", 1))).encode()
COMMAND_STATE = commands.encode(
    commands.State(5, commands.Kept(7, "ab" * 32, command.REBOOT, {}, command.DONE, ""), None)
)
_TOKEN = token.Token(url="https://10.0.2.2:8443", secret="s3cret", id="t-1", ca=CERTIFICATE, ownership_sha256="ab" * 32)
TOKEN = token.encode(_TOKEN).encode()
TOKEN_EST = token.encode(
    _TOKEN.replace(secret="", est_url="https://est.example/.well-known/est/cameras", est_ca=CERTIFICATE)
).encode()
VOUCHER = _signed(voucher.signed_part("KW1-000001", TOKEN.decode(), NOW))
RECEIPT = _signed(receipt.signed_part(DEVICE_ID, "ab" * receipt.NONCE_BYTES, NOW))
TAKEN = _signed(taken.signed_part(DEVICE_ID, (taken.One(7, "ab" * 32, ""), taken.One(9, "cd" * 32, "format"))))
RECORDS = (
    outbox_record.encode("alarm", 7, 7, NOW, b"sealed"),
    outbox_record.encode("telemetry", 2, 1, NOW, b"") + b"torn" + outbox_record.encode("report", 3, 3, 0, b"CWo1"),
)
LOGIN_LINES = tuple(
    login.encode_request(op, "192.0.2.7", {name: "xy" for name, _ in needed + optional})
    for op, (needed, optional) in sorted(login.OPERATIONS.items())
)
PROBE = discovery.encode_probe("urn:uuid:1")
MATCHES = discovery.encode_matches(
    "urn:uuid:2",
    "urn:uuid:1",
    discovery.Match(
        "urn:uuid:3",
        discovery.OUR_TYPES,
        discovery.scopes("kawa-1", {"state": "unclaimed", "serial": "KW1-000001", "hardware": "a"}),
        ("https://192.0.2.7/onvif/device_service",),
    ),
    (1795000000, 1),
)
TELEMETRY = agent_json.dump(
    messages.telemetry_body(
        {"version": "1.0.0", "slot": "a", "phase": "idle", "uptime_s": 5, "cpu_percent": 12.5, "rss_bytes": None}
    )
)
REPORT = agent_json.dump(messages.report_body(messages.Report("refused", "1.0.0", "1.1.0", "rollback", "d", "b", None)))
STATE = messages.encode_state(messages.State(True, "1.0.0", "a", ""))
_FINDING = evidence.Finding("S1.1-01", evidence.PASS, evidence.MEASURED, ("listeners",), "tried")
EVIDENCE = agent_json.dump(
    evidence.body(
        evidence.Report(5, DEVICE_ID, "kawa-1", "a", "1.0.0", "star1", (_FINDING,), {"listeners": {"tcp": [443, None]}})
    )
)
_SAMPLE = {"at": NOW, "version": "1.0.0", "slot": "a", "phase": "idle", "rss_bytes": 2**40, "temperature_c": -2.5}
SAMPLES = (
    samples.encode(DEVICE_ID, "boot-1", 3, [_SAMPLE]),
    samples.encode(DEVICE_ID, "b", 2**40, [_SAMPLE, {"at": 0, "version": "2", "phase": "x"}, _SAMPLE]),
)
_ENVELOPE = envelope.Envelope("telemetry", DEVICE_ID, "boot-1", 3, NOW, {"a": 1.25, "b": [True, None]}, b"")
ENVELOPES = (
    envelope.encode(_ENVELOPE),
    envelope.encode(_ENVELOPE.replace(type="evidence", body={"x": "é"}, signature=bytes(64))),
)
_SESSION = cose.Session(b"k" * cose.KID_BYTES, b"e" * cose.ENC_BYTES, b"w" * cose.WRAPPED_BYTES)
SEALED_MESSAGES = (
    cose.encode(cose.Sealed(_SESSION, "boot-1", 3, b"i" * cose.IV_BYTES, b"c" * 200)),
    cose.encode(cose.Sealed(_SESSION, "b", 2**40, b"i" * cose.IV_BYTES, b"c" * cose.TAG_BYTES)),
)
CATALOGUE = (ROOT_FOLDER / "agent" / "core" / "star1.json").read_bytes()
FIELDS = json.dumps(
    {
        "a": "abcd",
        "b": {"c": 1},
        "d": [1, 2],
        "e": 5,
        "f": -1.5,
        "g": True,
        "h": None,
        "url": "https://x:1",
        "i": "ab" * 13,
    }
).encode()


def _lockout() -> bytes:
    made = lockout.Lockout()
    made.failed("192.0.2.7", "admin", 5)
    return made.encode()


LOCKOUT = _lockout()
_ALARM = alarm.Alarm("started", 1_800_000_000, 20, 1, "192.0.2.7", "claim")
ALARM = agent_json.dump(alarm.body(_ALARM))


def _attack() -> bytes:
    made = attack.Attack()
    for _ in range(attack.START_TRIES):
        made.wrong("192.0.2.7", "claim", 5.0, 1_800_000_000)
    return made.encode()


ATTACK = _attack()
SEGMENTS = (
    segments.encode([(0, 1)], [(1, 20, 0, 0, bytes(32))]),
    segments.encode(
        [(3, 200), (300, 100), (1000, 1)], [(256, 9000, 0, 0, bytes(32)), (45, 77, 12, 512, bytes(32))], True
    ),
)
_ARTIFACT = delivery.Artifact("ab" * 32, "kawa-1-1.0.0-1.1.0.delta", 500, "cd" * 32, 100, "ef" * 32, b"e", b"s")
NEIGHBOURS = b'{"neighbours":{"serve":true,"port":8446}}'
RANGE_REQUEST = b"GET /targets/a HTTP/1.1\r\nHost: b\r\nRange: bytes=4096-8191\r\n\r\n"
RUNNING = running.encode(running.Running("b", "kawa.slot", "ab" * 32, 40960, "kawa.tree", "cd" * 32))
TRANSFER = b'{"max_bytes_per_s":2048,"max_bytes_per_month":1048576,"full_downloads":"never"}'
DELIVERY = agent_json.dump(
    delivery.as_json(
        delivery.Delivery(True, (delivery.Source("https://a:1", ""), delivery.Source("https://b", "c")), _ARTIFACT)
    )
)
BUNDLE = bundle.encode(
    "kawa-1-a-1.1.0.slot",
    [("/tuf/image/timestamp.json", 5), ("/tuf/director/me/timestamp.json", 7), ("/targets/" + "ab" * 32 + ".a", 9)],
    {"/tuf/director/other/timestamp.json": "/tuf/director/me/timestamp.json"},
)
PUBLIC = agent_json.dump(
    {"url": "https://releases.example/kawa/", "ca": "/etc/camward/releases.pem", "automatic": "critical"}
)
PROXY = agent_json.dump({"host": "proxy.example", "port": 3128, "login_file": "/data/camward/config/proxy-login"})
_CHANGE = required_change.RequiredChange(1_800_000_000, 1_800_000_000, 1_800_086_400, 1_800_172_800, "staff_left")
REQUIRED_CHANGE = agent_json.dump(required_change.as_json(_CHANGE))
CHANGE_REPORT = agent_json.dump(
    required_change.report_body(required_change.ChangeReport("refused", 1_800_000_000, 1, 2, "too_soon"))
)
CHANGE_STATE = change_state.encode(
    change_state.State(1_800_000_000, 1_800_000_100, _CHANGE, "reminder", "accepted", 1, {"keiko": ("$argon2id$",)})
)
ENROLMENT = enrolment_state.encode("owning", _TOKEN)
_SAVED = update_state.saved(_RELEASE)
UPDATE = update_state.encode(
    update_state.FRESH.replace(phase=update.PHASES[1], slot="b", release=_SAVED, failed=("0.9.0",))
)
UPDATE_RELEASE = agent_json.dump(_SAVED)
OVERLAY = agent_json.dump(
    {"v": 1, "windows": "sun 03:00-05:00", "time_zone": "CET-1CEST,M3.5.0,M10.5.0/3", "postpone_days": {"low": 3}}
)
SCHEDULE = agent_json.dump(
    {"windows": "daily 03:00-05:00", "time_zone": "JST-9", "postpone_days": {"high": 1}, "download": "window"}
)
POLICY = agent_json.dump(
    {
        "profile": "custom", "min_chars": 12, "max_chars": 64, "classes": 3, "rules": ["repeats"], "common": "10k",
        "role_min_chars": {"administrator": 16}, "words": ["Mizube Denki"], "remind_days": 365,
    }
)  # fmt: skip
WORDS = agent_json.dump(
    {"v": 2, "groups": [{"what": "ours", "words": ["admin root", "suii"]}, {"words": ["7ujmko0admin"]}]}
)
WORD_FILTER = common_passwords.make(["herons", "egrets", "storks"], 6, 2, bytes(32))
assert config.parse(CONFIG)  # the least obvious one

ACCOUNTS = (
    agent_json.dump(
        {
            "v": 1,
            "users": {
                "anna": {"role": "administrator", "phc": "$argon2id$x", "set_at": 1_790_000_000},
                "ben": {"role": "viewer", "phc": "$argon2id$y", "set_at": 0},
            },
        }
    ),
    agent_json.dump({"v": 1, "users": {name: {"md5": "0f" * 16, "sha256": "f0" * 32} for name in ("anna", "ben")}}),
)
YESCRYPT = "$y$j9T$k2XAnEHBqQ1Ct2aMXFKNa/$uYc7NP4va2qAuywUNFefQaOtC2j8HCcENf3WL84Nbh8"
SHADOW_STORE = agent_json.dump(
    {"v": 1, "next": 2001, "users": {"anna": {"crypt": YESCRYPT, "uid": 2000}, "ben": {"crypt": "", "uid": 0}}}
)
TOKEN_STORE = agent_json.dump({"v": 1, "users": {"anna": "ABCDEFGHIJKLMNOPQRST"}})
SYSTEM_LOGINS = {"first_uid": 2000, "gid": 2000, "home": "/", "shell": "/bin/sh"}
PASSWD = b"root:x:0:0:root:/run:/bin/false\ncamera:x:900:900:camera:/run:/bin/false\n"
SHADOW = b"root:*:20000::::::\ncamera:!:20000:0:99999:7:::\n"
HTDIGEST = b"# users\nanna:camera:" + b"0f" * 16 + b"\nben:$apr1$abcdefgh$G8IsPsylW5ROvIKsQMRG61\n"
AUDIT = agent_json.dump(
    {
        "policy": "report",
        "declared": ["root"],
        "files": [{"path": "/data/web/users", "kind": "htpasswd", "declared": []}],
    }
)
AUDIT_STATE = agent_json.dump(
    {
        "v": 1,
        "list": "0f" * 8,
        "progress": {"0f" * 16: -1, "f0" * 16: 17},
        "told": ["keys None  /root/.ssh/authorized_keys"],
    }
)


class PlainSecret:
    """A device secret that seals nothing: what is behind the seal is for the parser to judge."""

    def open(self, _name: str, sealed: bytes) -> bytes:
        """The bytes themselves."""
        return sealed


SEALED_AUDIT_STATE = sealed.encode(AUDIT_STATE)
