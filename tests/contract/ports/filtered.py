"""Addresses behind which nothing answers: what a packet filter, or an IPv6 that leads nowhere, looks like from here."""

import contextlib
import socket


@contextlib.contextmanager
def filtered(host="127.0.0.1", port=0):
    """A port (its number is given) that takes no connection and refuses none: its queue is full, so a SYN is lost."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((host, port))
        full.listen(0)
        for _ in range(3):  # one fits, and some may wait half made
            caller = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(full.getsockname())
        yield full.getsockname()[1]
