"""Mosquitto's configuration, generated: TLS 1.2 or newer, mutual, each camera confined to its own topics."""

import getpass
from pathlib import Path

from update_server.files import write_atomic
from update_server.pki.authority import INGEST_NAME

MAX_PACKET_BYTES = 262_144  # the largest message is an evidence report, about 30 KB
UP_KINDS = ("telemetry", "alarm", "evidence", "report")
# What TLS 1.2 may still use; TLS 1.3 has only good ones.
TLS12_CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"


def acl() -> str:
    """The access control list. `%u` is the common name of the client's certificate, so the camera's id."""
    lines = [
        "# Made by camward-server. A camera writes its own up topics and state and reads its own down topics.",
        *(f"pattern write camward/1/%u/up/{kind}" for kind in UP_KINDS),
        "pattern write camward/1/%u/state",
        "pattern read camward/1/%u/down/#",
        "",
        f"user {INGEST_NAME}",
        "topic read camward/1/+/up/#",
        "topic read camward/1/+/state",
        "topic write camward/1/+/down/#",
    ]
    return "\n".join(lines) + "\n"


def config(folder: Path, pki: Path, port: int, listen: str) -> str:
    """The text of mosquitto.conf; `folder` is the broker's, `pki` where certificates lie (both absolute)."""
    address = "" if listen in {"", "0.0.0.0", "::"} else f" {listen}"
    lines = [
        "# Made by camward-server; one listener, mutual TLS, nobody anonymous.",
        "per_listener_settings false",
        "allow_anonymous false",
        f"acl_file {folder / 'acl'}",
        f"listener {port}{address}",
        "protocol mqtt",
        f"cafile {pki / 'ca.pem'}",
        f"certfile {pki / 'server.pem'}",
        f"keyfile {pki / 'server.key.pem'}",
        "# The floor; TLS 1.3 is used wherever the client can.",
        "tls_version tlsv1.2",
        f"ciphers {TLS12_CIPHERS}",
        "require_certificate true",
        "use_identity_as_username true",
        # Or one camera could connect under the client id of the ingest (or of another camera), and end its session.
        "use_username_as_clientid true",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "max_inflight_messages 100",
        "max_queued_messages 100000",
        "persistent_client_expiration 30d",
        "persistence true",
        f"persistence_location {folder / 'data'}/",
        "autosave_interval 60",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "# The user that owns the key files above.",
        f"user {getpass.getuser()}",
    ]
    return "\n".join(lines) + "\n"


def write(folder: Path, home: Path, pki: Path, port: int, listen: str) -> None:
    """Write mosquitto.conf and acl into `folder`; `home` and `pki` are the absolute paths they will have.

    Raises:
        OSError: they cannot be written.
    """
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    write_atomic(folder / "acl", acl().encode(), 0o600)
    write_atomic(folder / "mosquitto.conf", config(home, pki, port, listen).encode())
