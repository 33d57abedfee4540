"""What the factory and the build put into the world's cameras: label and configuration."""

from binascii import hexlify
from hashlib import sha256

import agent.core
from agent.app import identity
from agent.core import blocklist as lists
from agent.core import compliance
from agent.core.blocklist import WordList
from agent.core.deny_list import DenyList, read_list
from agent.formats import json
from agent.formats.label import normal_code
from agent.formats.neighbours import DEFAULT_PORT
from firmware_sim.world.firmware import Geometry
from firmware_sim.world.repository import HARDWARE, MODEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.app.ports import Ports
    from agent.core.compliance import Catalogue

SERIAL = "KW1-000001"
CLAIM_CODE = "ABCD-EFGH-2345-WXYZ"
CLAIM_SALT = bytes(range(16))
SERVER_URL = "https://operator.test:8443"
PUBLIC_URL = "https://releases.test/kawa/"
PUBLIC_CA = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n"
BUILD_TIME_S = 1763800000
CHECK_INTERVAL_S = 300
TELEMETRY_INTERVAL_S = 60
HEALTH_DEADLINE_S = 90
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def hexadecimal(data: bytes) -> str:
    """Lower-case hexadecimal (bytes.hex is not on every interpreter)."""
    return hexlify(data).decode()


def product_data(name: str) -> bytes:
    """A data file that the agent ships beside agent.core: the criteria, or the words no password may be.

    Raises:
        OSError: it is not there.
    """
    here = agent.core.__file__
    with open(here[: -len("__init__.py")] + name, "rb") as file:
        return file.read()


def catalogue() -> "Catalogue":
    """The criteria that evidence is about."""
    return compliance.parse_catalogue(product_data("star1.json"))


def blocklist() -> WordList:
    """The words that no password may be: our own, without the filters, because worlds are made by the thousand."""
    return WordList(lists.parse_words(product_data(lists.WORDS)))


def deny_list(own: "tuple[str, ...]") -> DenyList:
    """The passwords that the audit tries."""
    return read_list(product_data, own)


def name_of(ports: "Ports") -> str:
    """The id of a camera: kept by name, or what follows from the key of its identity."""
    return identity.named(ports.store)[0] or device_id(ports.keys.ensure("tls"))


def device_id(public_der: bytes) -> str:
    """The first 26 characters of base32 of the key's SHA-256, lower case."""
    number = int.from_bytes(sha256(public_der).digest(), "big") >> (256 - 130)
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))


def label_body() -> bytes:
    """`factory/label.json`."""
    return json.dump(
        {
            "v": 1,
            "serial": SERIAL,
            "model": MODEL,
            "hardware": HARDWARE,
            "mac": "52:54:00:00:00:01",
            "claim_salt": hexadecimal(CLAIM_SALT),
            "claim_sha256": hexadecimal(sha256(CLAIM_SALT + normal_code(CLAIM_CODE)).digest()),
        }
    )


def config_body(
    geometry: Geometry,
    version: str,
    security_epoch: int,
    schedule: "dict[str, Any] | None" = None,
    health: "dict[str, Any] | None" = None,
    serves_neighbours: bool = False,
    releases: "dict[str, Any] | None" = None,
    has_services: bool = True,
    password: "dict[str, Any] | None" = None,
    system_logins: "dict[str, Any] | None" = None,
    accounts: "dict[str, Any] | None" = None,
    takes_tokens: bool = False,
    programs: "list[Any] | None" = None,
    plain_rtsp_port: int = 0,
) -> bytes:
    """`/etc/camward/agent.json` of a firmware.

    `schedule`: members of `update` that say when it may restart; `health`: what it declares, by default that the
    services answer; `releases` where the manufacturer has a public image repository. A recovery system has no services.
    `password`: the policy, by default that of NIST. `system_logins` where administrators get a shell.
    `takes_tokens`: whether WS-UsernameToken is not ruled out. `programs`: that may use the link.
    `plain_rtsp_port` where RTSP in the clear may be opened.
    """
    update: dict[str, Any] = {"check_interval_s": CHECK_INTERVAL_S, "telemetry_interval_s": TELEMETRY_INTERVAL_S}
    update.update(schedule or {})
    declarations: dict[str, Any] = {"support_ends": "2031-12-31"}
    if serves_neighbours:
        update["neighbours"] = {"serve": True}
        declarations["listeners"] = [{"proto": "tcp", "port": DEFAULT_PORT}]
    services = [
        {"name": "web", "kind": "web", "port": 443},
        {"name": "rtsp", "kind": "rtsps", "port": 322},
        {"name": "onvif", "kind": "onvif", "port": 443},
    ]
    about = {
        "v": 1,
        "model": MODEL,
        "hardware": HARDWARE,
        "version": version,
        "security_epoch": security_epoch,
        "build_time": BUILD_TIME_S,
        "image_root": "/etc/camward/image_root.json",
        "layout": geometry.layout(),
        "services": services if has_services else [],
        "login_gid": 900,
        "health": health if health and has_services else {"deadline_s": HEALTH_DEADLINE_S},
        "update": update,
        "password": password or {"profile": "nist"},
        "declarations": declarations,
    }
    if releases is not None:
        about["releases"] = releases
    if system_logins is not None:
        about["system_logins"] = system_logins
        if "ssh_port" in system_logins:
            ssh = {"proto": "tcp", "port": system_logins["ssh_port"]}
            declarations["listeners"] = declarations.get("listeners", []) + [ssh]
    if accounts is not None:
        about["accounts"] = accounts
    if takes_tokens:
        about["ws_token"] = True
    if plain_rtsp_port and has_services:
        about["plain_rtsp_port"] = plain_rtsp_port
        plain = {"proto": "tcp", "port": plain_rtsp_port}
        declarations["listeners"] = declarations.get("listeners", []) + [plain]
    if programs:
        about["programs"] = programs
    return json.dump(about)
