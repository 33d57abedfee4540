"""Cameras by the thousand, in one process: real TLS with certificates of their own and MQTT 5, and nothing else."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from update_server.pki.authority import Authority, device_id

CONNECT, CONNACK, PUBLISH_QOS1, PUBACK = 0x10, 0x20, 0x32, 0x40
CLEAN_START = 0x02
KEEP_ALIVE_S = 1200  # as a camera on a mobile line
TCP_S, ANSWER_S = 5, 120  # a broker under load answers late
WINDOW = 16  # as the agent's
REFUSED = 0x80


class Light:
    """One camera."""

    def __init__(self, authority: Authority, folder: Path, number: int) -> None:
        """Make its key and certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.id = device_id(key.public_key())
        certificate = authority.certify_device(key.public_key(), f"L{number:06d}", 90, datetime.now(UTC))
        file = folder / f"{number}.pem"
        private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(key.private_bytes(*private) + certificate.public_bytes(serialization.Encoding.PEM))
        self._context = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
        self._context.load_cert_chain(file)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, port: int) -> None:
        """Connect, and wait for the broker's yes.

        Raises:
            OSError: there is nobody, no answer in time, or a no.
        """
        async with asyncio.timeout(TCP_S + ANSWER_S):
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=self._context, server_hostname="127.0.0.1", ssl_handshake_timeout=ANSWER_S
            )
            head = _text("MQTT") + bytes((5, CLEAN_START)) + KEEP_ALIVE_S.to_bytes(2, "big") + b"\0"
            self._writer.write(_packet(CONNECT, head + _text(self.id)))
            kind, body = await self._read()
            if kind != CONNACK or body[1] >= REFUSED:
                raise ConnectionRefusedError

    async def publish(self, topic: str, payloads: Sequence[bytes]) -> None:
        """Publish all of these at QoS 1, some at a time; returns when the broker has them."""
        if self._writer is None:
            raise ConnectionResetError
        sent = done = 0
        while done < len(payloads):
            while sent < len(payloads) and sent - done < WINDOW:
                mid = (sent % 60_000 + 1).to_bytes(2, "big")
                self._writer.write(_packet(PUBLISH_QOS1, _text(topic) + mid + b"\0" + payloads[sent]))
                sent += 1
            kind, body = await self._read()
            if kind == PUBACK:
                if len(body) > 2 and body[2] >= 0x10:
                    raise ConnectionRefusedError(f"the broker does not take messages: {body[2]:#x}")
                done += 1

    async def until_gone(self) -> None:
        """Wait until the connection ends."""
        try:
            while self._reader is not None and await self._reader.read(4096):
                pass
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _read(self) -> tuple[int, bytes]:
        if self._reader is None:
            raise ConnectionResetError
        try:
            kind = (await self._reader.readexactly(1))[0]
            length = shift = 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return kind, await self._reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError from error


def histogram(at: Sequence[float], bins: int = 30) -> str:
    """When things happened (seconds), as lines of text: how many in each second, or longer where it takes longer."""
    width = max(1, -(-int(max(at) + 1) // bins))
    counts = [0] * (int(max(at)) // width + 1)
    for one in at:
        counts[int(one) // width] += 1
    scale = max(1, max(counts) / 60)
    return "\n".join(
        f"{number * width:>5} s {count / width:>8.1f}/s {'#' * round(count / scale)}"
        for number, count in enumerate(counts)
    )


def most_in_a_second(at: Sequence[float]) -> int:
    """The largest number of them within one second by the clock."""
    counts: dict[int, int] = {}
    for one in at:
        counts[int(one)] = counts.get(int(one), 0) + 1
    return max(counts.values())


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _packet(kind: int, body: bytes) -> bytes:
    length, digits = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes((digit | 128 if length else digit,))
        if not length:
            return bytes((kind,)) + digits + body


def now_s() -> float:
    """Seconds of a clock that nobody sets."""
    return time.monotonic()
