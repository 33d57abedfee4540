"""A broker with a good certificate that has been taken over: it sends what it likes, and notes what it is told."""

import random
import ssl

from tests.contract.listening import Listening
from tests.contract.ports.tls_server import certificate, until_closed

CONNACK = bytes.fromhex("20030000 00".replace(" ", ""))
PINGRESP = bytes.fromhex("d000")


def publish(topic: bytes, payload: bytes, qos: int = 1, mid: int = 1) -> bytes:
    """A PUBLISH without properties (MQTT 5, 3.3)."""
    number = mid.to_bytes(2, "big") if qos else b""
    body = len(topic).to_bytes(2, "big") + topic + number + b"\x00" + payload
    return bytes([0x30 | qos << 1]) + length(len(body)) + body


def length(size: int) -> bytes:
    """A variable byte integer (MQTT 5, 1.5.5)."""
    found = b""
    while True:
        size, low = divmod(size, 128)
        found += bytes([low | (128 if size else 0)])
        if not size:
            return found


class HostileBroker(Listening):
    """Answers CONNECT as `answer` says, then does `behave(connection, number of the session)`.

    Attributes:
        sessions: how many there were that got through TLS and sent something.
        heard: what came, of all sessions.
    """

    silence_s = 20.0
    at_once = False

    def __init__(self, folder, behave, answer=CONNACK, context=None, host="127.0.0.1", port=0):
        self.sessions = 0
        self.heard = b""
        self._behave, self._answer = behave, answer
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._context = context
        super().__init__(host, port)

    def converse(self, connection):
        with self._context.wrap_socket(connection, server_side=True) as secured:
            self.heard += secured.recv(65536)
            self.sessions += 1
            secured.sendall(self._answer)
            self._behave(secured, self.sessions)


def patient_broker(folder, host):
    """A broker that takes every session and waits; `ca` is its own certificate, for this name and for no address."""
    ca = certificate(folder, "server", "127.0.0.1", names=(host,))
    made = HostileBroker(folder, lambda connection, _: until_closed(connection))
    made.ca = ca
    return made


def mutated(seed: int) -> bytes:
    """One packet, or the begin of one: of any type, well-formed or broken in one of many ways."""
    chance = random.Random(seed)
    topic = b"camward/1/" + b"a" * 26 + b"/down/command"
    genuine = [
        publish(topic, b"{}"), publish(topic, b"{}", 0), publish(topic, b"{}", 2), CONNACK, PINGRESP,
        bytes.fromhex("4003000100"), bytes.fromhex("5003000100"), bytes.fromhex("62020001"), bytes.fromhex("70020001"),
        bytes.fromhex("900400010001"), bytes.fromhex("b00400010000"), bytes.fromhex("e00100"), bytes.fromhex("f00118"),
    ]  # fmt: skip
    packet = bytearray(chance.choice(genuine))
    way = chance.randrange(6)
    if way == 0:  # some bytes are others
        for _ in range(chance.randrange(1, 6)):
            packet[chance.randrange(len(packet))] = chance.randrange(256)
    elif way == 1:  # another length
        packet[1:2] = length(chance.choice((0, 1, 2, 3, 127, 128, 16_383, 8_192, 8_193, 268_435_455)))
        packet += chance.randbytes(chance.randrange(64))
    elif way == 2:  # any type and flags, and rubbish in a right length
        body = chance.randbytes(chance.randrange(40))
        packet = bytearray([chance.randrange(256)]) + length(len(body)) + body
    elif way == 3:  # properties, which may be none of this packet's, twice, or cut off
        inner = chance.randbytes(chance.randrange(24))
        body = len(topic).to_bytes(2, "big") + topic + b"\x00\x01" + length(chance.choice((len(inner), 127))) + inner
        packet = bytearray(b"\x32") + length(len(body)) + body
    elif way == 4:  # a topic that is no text
        packet = bytearray(publish(chance.randbytes(chance.randrange(1, 20)), b"x", chance.choice((0, 1, 2, 3))))
    else:  # an endless length
        packet = bytearray([chance.randrange(256)]) + b"\xff" * chance.randrange(1, 9)
    return bytes(packet)
