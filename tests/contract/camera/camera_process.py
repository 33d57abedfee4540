"""A camera running on this host as a process of its own, with ports of its own and a certificate for 127.0.0.1."""

import json
import re
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

READY_WITHIN_S = 30.0
STOPPED_WITHIN_S = 20.0


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "KW1-000001")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


def camera_config(folder: Path, **changes: object) -> dict:
    config: dict[str, object] = {
        "mode": "gated",
        "model": "kawa-1",
        "hardware": "a",
        "version": "1.0.0",
        "address": "127.0.0.1",
        "listeners": {"https": 0, "rtsps": 0, "rtsp": 0},
        "login_dir": str(folder / "login"),
        "evidence_dir": str(folder),
        "upload_dir": str(folder),
        "certificate": str(folder / "cert.pem"),
        "key": str(folder / "key.pem"),
        "run_as": None,
    }
    return {**config, **changes}


@dataclass
class CameraProcess:
    folder: Path
    process: subprocess.Popen[str]
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.ports['https']}"

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def stop(self) -> str:
        """SIGTERM; returns what the camera wrote on stderr."""
        self.process.terminate()
        try:
            _, errors = self.process.communicate(timeout=STOPPED_WITHIN_S)
        finally:
            self.process.kill()
        return errors


def start_camera(folder: Path, config: dict, program: Path | None = None) -> CameraProcess:
    """A camera that has said that it is ready; `program` holds the packages, if not those of this checkout."""
    process = launch(folder, config, program)
    line = next_line(process)
    if not line.startswith("camward-camera: ready"):
        process.kill()
        _, errors = process.communicate()
        raise RuntimeError(f"the camera did not start: {line!r} {errors}")
    return CameraProcess(folder, process, ports_of(line))


def launch(folder: Path, config: dict, program: Path | None = None) -> subprocess.Popen[str]:
    path = folder / "camera.json"
    path.write_text(json.dumps(config))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "firmware_sim.camera", "--config", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=program,
    )


def next_line(process: subprocess.Popen[str]) -> str:
    """What the process says next; empty when it ends or is silent for too long."""
    timer = threading.Timer(READY_WITHIN_S, process.kill)
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()


def ports_of(ready_line: str) -> dict[str, int]:
    return {name: int(port) for name, port in re.findall(r"(\w+)=(\d+)", ready_line)}
