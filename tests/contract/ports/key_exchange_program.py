"""One handshake of the agent's TLS with a server of this machine's TLS library; says what they agreed on, and its size.

Needs nothing but the agent and Python, and is short: the emulated camera runs it as well (tests/emulated). Argument: a
folder to write to.
"""

import json
import socket
import ssl
import sys
import threading

from agent.adapters.linux.certificates import self_signed
from agent.adapters.linux.tls import client_context

folder = sys.argv[1]
key, certificate = self_signed("S1")
for name, text in (("key", key), ("certificate", certificate)):
    with open(folder + "/" + name, "w") as file:
        file.write(text)
ours, theirs = socket.socketpair()
ours.settimeout(60)
theirs.settimeout(60)


def client():
    context = client_context(certificate, device="x")
    try:
        context.wrap_socket(ours).close()
    except OSError:  # it is not the device x, which is found out when the handshake is over
        ours.close()


threading.Thread(target=client).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/certificate", folder + "/key")
come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
server = context.wrap_bio(come, go, server_side=True)
heard = said = b""
done = False
while not done:
    try:
        server.do_handshake()
        done = True
    except ssl.SSLWantReadError:
        pass
    piece = go.read()
    said += piece
    if not done:  # after that there are tickets alone, and the client may be gone
        theirs.sendall(piece)
        piece = theirs.recv(65536)
        heard += piece
        come.write(piece)


def extension(hello, wanted, skip):
    """The content of an extension (RFC 8446, 4.2) of the hello in this record; `skip` what lies before them."""
    at = skip(hello, 44 + hello[43])
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at < end:
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        if hello[at : at + 2] == wanted:
            return hello[at + 4 : at + 4 + size]
        at += 4 + size
    return b""


def of_client(hello, at):
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    return at + 1 + hello[at]


offered = extension(heard, b"\x00\x0a", of_client)[2:]
chosen = extension(said, b"\x00\x33", lambda _, at: at + 3)
print(
    json.dumps(
        {
            "library": ssl.OPENSSL_VERSION_INFO[:2],
            "version": server.version(),
            "offered": [offered[at : at + 2].hex() for at in range(0, len(offered), 2)],
            "group": chosen[:2].hex(),
            "client_hello_bytes": 5 + int.from_bytes(heard[3:5], "big"),
            "server_hello_bytes": 5 + int.from_bytes(said[3:5], "big"),
        }
    )
)
