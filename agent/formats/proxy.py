"""A proxy between this camera and its server: how it is named, what it is asked (RFC 9110, 9.3.6), what it answers.

The proxy only connects: TLS goes through it to the server, and it reads nothing but the server's name and port.
"""

from agent.formats import base64, fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_SITE_BYTES = 2048
MAX_HOST_CHARS = 253  # of a name in the DNS
MAX_PATH_CHARS = 256
MAX_LOGIN_BYTES = 512
MAX_HEAD_BYTES = 8 * 1024  # of the answer; proxies of companies have 500 bytes
END = b"\r\n\r\n"
_HOST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:"
_DECIMAL = "0123456789"


class Proxy(Value):
    """`host` (name or address) and TCP `port`; `login_file`: absolute path of a file with `USER:PASSWORD`, or empty."""

    FIELDS = ("host", "port", "login_file")
    host: str
    port: int
    login_file: str


def parse(source: "dict[str, Any]") -> Proxy:
    """Read the object.

    Raises:
        FormatError: it is not what this module describes.
    """
    fields.only(source, ("host", "port", "login_file"))
    host = fields.text(source, "host", MAX_HOST_CHARS)
    if not host or any(character not in _HOST for character in host):
        raise FormatError("proxy: host is neither a name nor an address")
    login_file = fields.text(source, "login_file", MAX_PATH_CHARS) if "login_file" in source else ""
    if login_file and not login_file.startswith("/"):
        raise FormatError("proxy: login_file is no absolute path")
    return Proxy(host, fields.integer(source, "port", 1, 65535), login_file)


def parse_site(body: bytes) -> "Proxy | None":
    """Read `config/proxy.json`, which stands above the manufacturer's word: a proxy, or none.

    Raises:
        FormatError: it is not what this module describes.
    """
    source = parse_object(body, MAX_SITE_BYTES)
    fields.only(source, ("v", "proxy"))
    fields.integer(source, "v", 1, 1)
    if "proxy" in source and source["proxy"] is None:
        return None
    return parse(fields.obj(source, "proxy"))


def encode_site(said: "Proxy | None") -> bytes:
    """`config/proxy.json` with this proxy, or with the word that there is none."""
    found: "dict[str, Any] | None" = None
    if said is not None:
        found = {"host": said.host, "port": said.port}
        if said.login_file:
            found["login_file"] = said.login_file
    return dump({"v": 1, "proxy": found})


def parse_login(body: bytes) -> str:
    """Read the file with the login: one line, `USER:PASSWORD`, in printable ASCII (RFC 7617, 2).

    Raises:
        FormatError: it is something else.
    """
    line = body[:-1] if body.endswith(b"\n") else body
    if len(line) > MAX_LOGIN_BYTES or line.find(b":") < 1 or any(not 0x20 <= byte <= 0x7E for byte in line):
        raise FormatError("the proxy's login is not one line USER:PASSWORD")
    return str(line, "utf-8")


def request(host: str, port: int, login: str) -> bytes:
    """What the proxy is asked: a tunnel to `host`; `login` is `USER:PASSWORD`, or empty."""
    where = ("[" + host + "]" if ":" in host else host) + ":" + str(port)
    lines = ["CONNECT " + where + " HTTP/1.1", "Host: " + where]
    if login:
        lines.append("Proxy-Authorization: Basic " + base64.encode(login.encode()))
    return "\r\n".join(lines).encode() + END


def parse_answer(head: bytes) -> int:
    """The status in the head of the proxy's answer, its empty line included. Headers say nothing that we go by.

    Raises:
        FormatError: it is no such head, or not a final one.
    """
    if len(head) > MAX_HEAD_BYTES or head.find(END) != len(head) - len(END):
        raise FormatError("the proxy's answer has no end, or more than it")
    line = head[: head.find(b"\r\n")]
    if any(not 0x20 <= byte <= 0x7E for byte in line):
        raise FormatError("the proxy does not speak HTTP")
    words = str(line, "utf-8").split(" ", 2)
    if words[0] not in ("HTTP/1.1", "HTTP/1.0") or len(words) < 2:
        raise FormatError("the proxy does not speak HTTP")
    if len(words[1]) != 3 or any(character not in _DECIMAL for character in words[1]):
        raise FormatError("the proxy's answer has no status")
    status = int(words[1])
    if not 200 <= status <= 599:
        raise FormatError("the proxy's answer has no final status")
    return status
