"""Mosquitto's configuration, generated: TLS 1.2 or newer, mutual, each camera confined to its own topics.

Everything mosquitto reads or writes lies in one folder, by relative names, so it is to be started in that folder. Where
the server runs as root, the folder belongs to mosquitto's own user, which reaches nothing else of the server.
"""

import getpass
import os
import pwd
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.formats import cose
from update_server.files import PUBLIC, SECRET, write_atomic
from update_server.pki.authority import CA_FILE, EXTERNAL_FILE, INGEST_NAME, ingest_name

USER = "mosquitto"  # Debian's package makes it
TLS_FILE = "openssl.cnf"  # what mosquitto.conf has no words for; named to its OpenSSL by OPENSSL_CONF
TLS = """\
# Made by camward-server, at each start, for the OpenSSL of mosquitto (OPENSSL_CONF=openssl.cnf).
openssl_conf = modules
[modules]
ssl_conf = ssl
[ssl]
system_default = broker
[broker]
MinProtocol = TLSv1.2
# No camera comes back with a ticket; each connection would get two, of 0.8 KB. And who came back with one would be
# asked for no certificate, so that an expired one would go on for two hours.
NumTickets = 0
"""
CERTIFICATES = {"ca.pem": PUBLIC, "server.pem": PUBLIC, "server.key.pem": SECRET}

# What is longer ends the session, and comes first in the next one. An evidence report is about 30 KB.
MAX_PACKET_BYTES = cose.MAX_SEALED_BYTES + 1024  # topic and properties
UP_KINDS = ("telemetry", "alarm", "evidence", "report")
# What TLS 1.2 may still use; TLS 1.3 has only good ones.
TLS12_CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"


Consumers = Iterable[tuple[str, str]]
"""Each consumer's name in its certificate, and the program whose topics are its own."""


def acl(shut_out: Iterable[str] = (), consumers: Consumers = (), processes: int = 0) -> str:
    """The access control list. `%u` is the common name of the client's certificate, so the camera's id.

    So many `processes` of the ingest read telemetry beside the server. Of `shut_out` nothing is taken and nothing given
    to; a denial goes before every pattern.
    """
    lines = [
        "# Made by camward-server. A camera writes its own up topics and state and reads its own down topics.",
        *(f"pattern write camward/1/%u/up/{kind}" for kind in UP_KINDS),
        "pattern write camward/1/%u/state",
        "pattern read camward/1/%u/down/#",
        "# Of its other programs, which the camera tells apart (docs/link-socket.md).",
        "pattern write camward/1/%u/app/+/up/+",
        "pattern read camward/1/%u/app/+/down/+",
        "",
        f"user {INGEST_NAME}",
        "topic read camward/1/+/up/#",
        "topic read camward/1/+/state",
        "topic write camward/1/+/down/#",
    ]
    for client, program in sorted(consumers):
        lines += ["", f"user {client}"]
        lines += [f"topic read camward/1/+/app/{program}/up/+", f"topic write camward/1/+/app/{program}/down/+"]
    for number in range(1, processes + 1):
        lines += ["", f"user {ingest_name(number)}", "topic read camward/1/+/up/telemetry"]
    for device_id in sorted(shut_out):
        lines += ["", f"user {device_id}", "topic deny #"]
    return "\n".join(lines) + "\n"


def config(port: int, listen: str, user: str) -> str:
    """The text of mosquitto.conf; `user` is whom mosquitto becomes should it be started as root."""
    address = "" if listen in {"", "0.0.0.0", "::"} else f" {listen}"
    lines = [
        "# Made by camward-server, at each start; one listener, mutual TLS, nobody anonymous.",
        "per_listener_settings false",
        "allow_anonymous false",
        "acl_file acl",
        f"listener {port}{address}",
        "protocol mqtt",
        "cafile ca.pem",
        "certfile server.pem",
        "keyfile server.key.pem",
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
        "persistence_location data/",
        "autosave_interval 60",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        f"user {user}",
    ]
    return "\n".join(lines) + "\n"


def write(
    folder: Path,
    pki: Path,
    port: int,
    listen: str,
    shut_out: Iterable[str] = (),
    consumers: Consumers = (),
    processes: int = 0,
) -> pwd.struct_passwd | None:
    """Write mosquitto.conf, openssl.cnf, acl and copies of the server's certificate into `folder`, for whom it returns.

    `shut_out`, `consumers` and `processes` are as of `acl`. None stands for the user we are: no root, or root of a
    user namespace that holds nobody else.

    Raises:
        OSError: they cannot be written.
    """
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    account = _account(folder)
    write_acl(folder, account, shut_out, consumers, processes)
    write_atomic(folder / "mosquitto.conf", config(port, listen, USER if account else getpass.getuser()).encode())
    write_atomic(folder / TLS_FILE, TLS.encode(), PUBLIC)
    for name, mode in CERTIFICATES.items():
        body = (pki / name).read_bytes()
        if name == CA_FILE and (pki / EXTERNAL_FILE).exists():
            body += (pki / EXTERNAL_FILE).read_bytes()
        write_atomic(folder / name, body, mode)
    if account is not None:
        # The names here are its own to choose: no link is followed, and nothing with a second name changes hands.
        for path in (folder / "data", *(folder / name for name in CERTIFICATES), *_state(folder)):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return account


def write_acl(
    folder: Path,
    account: pwd.struct_passwd | None,
    shut_out: Iterable[str],
    consumers: Consumers = (),
    processes: int = 0,
) -> None:
    """Write the access control list alone, for the user that `write` has returned.

    Raises:
        OSError: it cannot be written.
    """
    write_atomic(folder / "acl", acl(shut_out, consumers, processes).encode(), SECRET)
    if account is not None:
        # The name is its own to choose: no link is followed.
        os.chown(folder / "acl", account.pw_uid, account.pw_gid, follow_symlinks=False)


class Gate:
    """Keeps the broker's access control list as the database wants it, while the server runs."""

    def __init__(
        self,
        folder: Path,
        account: pwd.struct_passwd | None,
        written: Iterable[str],
        reload: Callable[[], None],
        consumers: Consumers = (),
        processes: int = 0,
    ) -> None:
        """`written`, `consumers`: as in the list already. `reload` has the broker read it, after each change.

        `processes`: as of `acl`.
        """
        self._processes = processes
        self._folder = folder
        self._account = account
        self._known: tuple[set[str], set[tuple[str, str]]] | None = (set(written), set(consumers))
        self._reload = reload

    def apply(self, shut_out: set[str], consumers: Consumers = ()) -> bool:
        """Write the list and have it read, if it is another one; whether it was.

        Raises:
            OSError: it cannot be written, or the broker is gone; the next call tries again.
        """
        wanted = (shut_out, set(consumers))
        if wanted == self._known:
            return False
        self._known = None  # until it is done
        write_acl(self._folder, self._account, *wanted, self._processes)
        self._reload()
        self._known = wanted
        return True


def _account(folder: Path) -> pwd.struct_passwd | None:
    """Mosquitto's user, to whom `folder` now belongs; None where we cannot give it away."""
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
    except (KeyError, OSError):
        return None
    return account


def _state(folder: Path) -> list[Path]:
    """What mosquitto has stored."""
    return [path for path in (folder / "data").iterdir() if path.lstat().st_nlink == 1]
