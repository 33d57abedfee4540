"""Time receipts: what time it is, signed for one camera in answer to its nonce (docs/time.md).

Each is made with the director's timestamp key, so a camera gets only as many as it can have use for.
"""

import threading

from agent.core import receipt
from agent.core.trust_repository import Repository
from agent.formats import fields
from agent.formats.errors import FormatError, Rejected
from agent.formats.receipt import NONCE_BYTES
from update_server.errors import BadInput, PublishRefused, TooManyAttempts
from update_server.repository.director import Director
from update_server.repository.verifier import verify_signature

PER_HOUR = 60  # a camera needs one in each boot, and may restart about every minute
HOUR_S = 3600
MAX_REMEMBERED = 10_000  # cameras; when more have asked within the hour, those of the past are dropped


class Receipts:
    """Gives receipts; counts them in memory, each server process for itself."""

    def __init__(self, director: Director, remembered: int = MAX_REMEMBERED) -> None:
        self._director = director
        self._remembered = remembered
        self._lock = threading.Lock()
        self._given: dict[str, list[int]] = {}

    def give(self, device_id: str, nonce: str, now: int) -> bytes:
        """A receipt that this camera's own verifier accepts.

        Raises:
            BadInput: the nonce is not the lower-case hexadecimal of 16 bytes.
            TooManyAttempts: the camera has had enough of them for this hour.
            PublishRefused: the camera would refuse it, say because this server's clock is wrong.
            SigningFailed: the key is out of reach.
        """
        try:
            fields.as_hex(nonce, "the nonce", NONCE_BYTES)
        except FormatError as error:
            raise BadInput(f"{error.detail}.") from None
        self._count(device_id, now)
        body = self._director.sign_receipt(device_id, nonce, now)
        try:
            director = Repository("director", {"root": self._director.latest_root()}, verify_signature, _keep_nothing)
            receipt.verify(body, device_id, nonce, director, 0)
        except Rejected as error:
            raise PublishRefused(f"The device's verifier refuses this time receipt ({error}).") from error
        return body

    def _count(self, device_id: str, now: int) -> None:
        with self._lock:
            recent = self._recent(device_id, now)
            if len(recent) >= PER_HOUR:
                raise TooManyAttempts("This camera has had its time receipts.", recent[0] + HOUR_S - now)
            if len(self._given) >= self._remembered:
                self._given = {name: found for name in self._given if (found := self._recent(name, now))}
            self._given[device_id] = [*recent, now]

    def _recent(self, device_id: str, now: int) -> list[int]:
        """When this camera was given receipts within the last hour; none from a future that our clock has left."""
        return [at for at in self._given.get(device_id, ()) if now - HOUR_S < at <= now]


def _keep_nothing(_role: str, _body: bytes) -> None:
    """Nothing new is learned here."""
