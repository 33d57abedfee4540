"""A real server with a real broker on free loopback ports, and cameras that talk to it as the device does."""

import base64
import contextlib
import functools
import hashlib
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from agent.formats import canonical_json
from agent.formats.block_tree import BLOCK_BYTES, root_of
from update_server import settings
from update_server.fleet import devices
from update_server.keyfiles import public_pem
from update_server.main import main
from update_server.repository import releases
from update_server.services import Services

REPOSITORY = Path(__file__).resolve().parents[3]
DEADLINE_S = 120
LOG_CHARS = 3000


def free_ports(count):
    """Ports that are free now; held open together so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(condition, what):
    """Poll until `condition()` is true; the deadline is generous because machines are slow."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out waiting for {what}")


@contextlib.contextmanager
def environment(changes):
    """The environment with `changes`, for commands that run in this process."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def command(*arguments, folder=None, check=True, env=None):
    """Run camward-server in this process (starting Python anew takes a second), as its console script does."""
    words = [str(word) for word in arguments]
    if folder is not None:
        words += ["--dir", str(folder)]
    out, err = io.StringIO(), io.StringIO()
    with environment(env or {}), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as ending:
            code = ending.code or 0
    done = subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
    if check:
        assert done.returncode == 0, done.stderr
    return done


def command_line(*arguments):
    """Run camward-server as a process of its own."""
    line = [sys.executable, "-m", "update_server.main", *map(str, arguments)]
    return subprocess.run(line, check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


@dataclass
class Server:
    folder: Path
    device_port: int
    people_port: int
    mqtt_port: int
    password: str
    process: subprocess.Popen | None = None
    ca: Path = field(init=False)

    def __post_init__(self):
        self.ca = self.folder / "pki" / "ca.pem"

    def run(self, *arguments, **options):
        return command(*arguments, folder=self.folder, **options)

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout)

    @functools.cached_property
    def services(self):
        """The server's parts, opened in this process beside the running one, as a command does."""
        return Services(settings.load(self.folder))

    def assign(self, camera, version):
        """What `device assign` does, without starting a process."""
        with self.services.database.write() as session:
            device = devices.find(session, camera.id)
            row = releases.find(session, version, device.model) if version else None
            self.services.assign(session, device, row, int(time.time()))

    @property
    def device_url(self):
        return f"https://127.0.0.1:{self.device_port}"

    @property
    def people_url(self):
        return f"https://127.0.0.1:{self.people_port}"

    def context(self, certificate=None, key=None):
        context = ssl.create_default_context(cafile=str(self.ca))
        if certificate:
            context.load_cert_chain(certificate, key)
        return context


def start(server, *, with_broker=True):
    broker = ["--with-broker"] if with_broker else []
    with (server.folder / "test.log").open("ab") as log:
        server.process = subprocess.Popen(
            [sys.executable, "-m", "update_server.main", "serve", str(server.folder), *broker],
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    line = server.process.stdout.readline()
    assert line.strip() == "camward-server: ready", (server.folder / "test.log").read_text()


def stop(server):
    # What the test itself has ended, it has waited for.
    alone = server.process.returncode is None and server.process.poll() is not None
    server.process.terminate()
    server.process.wait(30)
    server.process.stdout.close()
    log = (server.folder / "test.log").read_text() if (server.folder / "test.log").exists() else ""
    print("the server's log ends with:", log[-LOG_CHARS:])  # shown by pytest where a test fails
    if "services" in vars(server):
        server.services.close()
    assert not alone, f"the server had ended by itself: {log[-LOG_CHARS:]}"


@contextlib.contextmanager
def ingest(server, number):
    """An ingest process beside the server, while inside; it may be killed meanwhile."""
    with (server.folder / "test.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "update_server.main", "ingest", str(server.folder), str(number)],
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line.strip() == f"camward-server ingest {number}: ready", (server.folder / "test.log").read_text()
        yield process
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@contextlib.contextmanager
def running(folder, **how):
    """A server of its own with its broker, while inside; arguments as of `make_server`."""
    made = make_server(folder, **how)
    start(made)
    try:
        yield made
    finally:
        stop(made)


def make_server(folder, *, host="127.0.0.1", listen="127.0.0.1", extra=(), database=None, **changes):
    """A server that is not running. `host`: what cameras call it, if that is not where it listens; `extra`: words."""
    device_port, people_port, mqtt_port = free_ports(3)
    out = command(
        "init", folder, "--operator", "River Office", "--host", host, "--listen", listen,
        "--device-port", device_port, "--people-port", people_port, "--mqtt-port", mqtt_port, *extra,
        *(["--database", database] if database else []),
    ).stdout  # fmt: skip
    password = out.split("password: ")[1].split()[0]
    text = (folder / "server.toml").read_text()
    for name, value in {"tick_s": 0.1, **changes}.items():
        lines = [f"{name} = {value}" if line.startswith(name + " ") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    (folder / "server.toml").write_text(text)
    return Server(folder, device_port, people_port, mqtt_port, password)


class Camera:
    """A camera as the server sees it: keys, a certificate, an evidence key, an unsealing key."""

    def __init__(self, server, folder, serial):
        self.server, self.folder, self.serial = server, folder, serial
        folder.mkdir()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.evidence_key = ec.generate_private_key(ec.SECP256R1())
        self.unsealing_key = ec.generate_private_key(ec.SECP256R1())
        spki = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.id = base64.b32encode(hashlib.sha256(spki).digest()).decode()[:26].lower()
        self.seq = 0

    def csr(self, key=None, serial=None):
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, "camward-ingest"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, serial or self.serial),
            ]
        )
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key or self.key, hashes.SHA256())
        return base64.b64encode(request.public_bytes(serialization.Encoding.DER))

    def token(self, serial=None, valid_s=600):
        services = self.server.services
        with services.database.write() as session:
            current, now = services.ownership.current, int(time.time())
            text = services.enrolment.make_token(session, current, serial, valid_s, now).text
        body = text.removeprefix("camward1.")
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))

    def simpleenroll(self, token, body=None):
        with httpx.Client(verify=self.server.context()) as client:
            return client.post(
                self.server.device_url + "/.well-known/est/simpleenroll",
                content=body or self.csr(),
                auth=(token["id"], token["secret"]),
                headers={"Content-Type": "application/pkcs10"},
            )

    def install(self, answer):
        certificates = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))
        self.certificate = certificates[0]
        (self.folder / "cert.pem").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        (self.folder / "key.pem").write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def enrol(self):
        self.owner_token = self.token()
        answer = self.simpleenroll(self.owner_token)
        assert answer.status_code == 200, answer.text
        self.install(answer)
        with self.client() as client:
            assert client.put("/device/v1/identity", json=self.identity()).status_code == 204
        return self

    def identity(self, **changes):
        evidence, unsealing = (public_pem(key.public_key()) for key in (self.evidence_key, self.unsealing_key))
        return {
            "evidence_public_key": evidence, "unsealing_public_key": unsealing, "serial": self.serial,
            "model": "kawa-1", "hardware": "a", "version": "1.0.0", **changes,
        }  # fmt: skip

    def context(self):
        return self.server.context(self.folder / "cert.pem", self.folder / "key.pem")

    def client(self):
        return httpx.Client(verify=self.context(), base_url=self.server.device_url)

    def envelope(self, kind, body, *, sign=True, **changes):
        self.seq += 1
        value = {
            "v": 1,
            "type": kind,
            "id": self.id,
            "boot": "b1",
            "seq": self.seq,
            "at": int(time.time()),
            "body": body,
        }
        value |= changes
        if sign and kind in ("report", "evidence"):
            r, s = decode_dss_signature(self.evidence_key.sign(canonical_json.encode(value), ec.ECDSA(hashes.SHA256())))
            value["signature"] = {"alg": "ES256", "sig": (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()}
        return json.dumps(value).encode()


def block(version, number):
    """The content of one block of a version."""
    return hashlib.sha256(f"{version}/{number}".encode()).digest() * (BLOCK_BYTES // 32)


def write_build(folder, version, blocks=40, content=None, **changes):
    """What a firmware build hands over: slot (made up, unless given), tree, manifest."""
    folder.mkdir(exist_ok=True)
    name = f"kawa-1-{version}"
    if content is None:
        content = b"".join(block(version, number) for number in range(blocks))
    blocks = len(content) // BLOCK_BYTES
    leaves = b"".join(
        hashlib.sha256(content[at : at + BLOCK_BYTES]).digest() for at in range(0, len(content), BLOCK_BYTES)
    )
    slot, tree, manifest = folder / f"{name}.slot", folder / f"{name}.tree", folder / f"{name}.json"
    slot.write_bytes(content)
    tree.write_bytes(leaves)
    described = {
        "v": 1, "model": "kawa-1", "hardware": ["a"], "version": version, "security_epoch": 1, "severity": "high",
        "support_ends": "2031-12-31", "notes": {"en": "Better.", "ja": "改善しました。"},
        "components": [
            {
                "name": "slot", "layout": "ab-1", "block_bytes": BLOCK_BYTES, "block_count": blocks,
                "tree_root": root_of(leaves).hex(),
                "tree": {"name": tree.name, "length": len(leaves), "sha256": hashlib.sha256(leaves).hexdigest()},
            },
            {"name": "bootloader", "fixed": True},
        ],
    }  # fmt: skip
    manifest.write_text(json.dumps({"camward": described | changes}))
    return slot, tree, manifest


def add_release(server, folder, version):
    slot, tree, manifest = write_build(folder, version)
    server.run("release", "add", slot, "--tree", tree, "--manifest", manifest)
    return slot, tree
