"""A tunnel through an HTTP proxy (CONNECT): whatever it answers is bounded, and one reason comes of it."""

import socket
from collections.abc import Callable
from pathlib import Path

from agent.formats import proxy
from agent.formats.errors import FormatError
from agent.formats.proxy import Proxy

_MEANS = {
    403: "the proxy forbids a connection with {where}",
    405: "the proxy forbids a connection with {where}",
    407: "the proxy wants {login}",
    502: "the proxy cannot reach {where}",
    503: "the proxy cannot reach {where}",
    504: "the proxy cannot reach {where}",
}


class ProxyFailed(OSError):
    """No tunnel; the text says why. `barred`: the proxy itself works, but leads not to this host and port."""

    def __init__(self, text: str, barred: bool = False) -> None:
        super().__init__(text)
        self.barred = barred


def open_tunnel(
    connected: socket.socket, by: Proxy, host: str, port: int, patience_s: float, clock: Callable[[], float]
) -> None:
    """Ask for a tunnel on a fresh connection with the proxy; afterwards it leads to `host`. In `patience_s` all in all.

    Raises:
        ProxyFailed: there is none.
    """
    login = _login(by)
    ends_at = clock() + patience_s
    head = b""
    try:
        connected.settimeout(patience_s)
        connected.sendall(proxy.request(host, port, login))
        while proxy.END not in head:
            left_s = ends_at - clock()
            if left_s <= 0:
                raise TimeoutError
            connected.settimeout(left_s)
            piece = connected.recv(proxy.MAX_HEAD_BYTES + 1 - len(head))
            if not piece:
                raise ProxyFailed("the proxy ended the connection")
            head += piece
            if len(head) > proxy.MAX_HEAD_BYTES:
                raise ProxyFailed("the proxy's answer does not end")
        # Of a tunnel to TLS nothing can come before we have spoken; of a refusal the body does not matter.
        status = proxy.parse_answer(head[: head.find(proxy.END) + len(proxy.END)])
    except ProxyFailed:
        raise
    except TimeoutError as error:
        raise ProxyFailed("the proxy is silent") from error
    except OSError as error:
        raise ProxyFailed(f"the proxy ended the connection: {error}") from error
    except FormatError as error:
        raise ProxyFailed(error.detail) from error
    if not 200 <= status <= 299:
        means = _MEANS.get(status, "the proxy refuses")
        text = means.format(where=f"{host}:{port}", login="another login" if login else "a login, and none is set")
        raise ProxyFailed(f"{text} ({status})", barred=status != 407)
    if not head.endswith(proxy.END):
        raise ProxyFailed("the proxy says more than it was asked")


def _login(by: Proxy) -> str:
    """Read at each connection, so that a new one is used at once.

    Raises:
        ProxyFailed: it cannot be read.
    """
    if not by.login_file:
        return ""
    try:
        with Path(by.login_file).open("rb") as source:
            return proxy.parse_login(source.read(proxy.MAX_LOGIN_BYTES + 2))
    except OSError as error:
        raise ProxyFailed(f"the proxy's login cannot be read: {error.strerror}") from error
    except FormatError as error:
        raise ProxyFailed(error.detail) from error
