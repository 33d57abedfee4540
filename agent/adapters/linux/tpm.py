"""A TPM 2.0 through Linux' resource manager, which gives each program that opens it objects of its own."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from agent.formats import tpm
from agent.formats.errors import FormatError, Unavailable

DEVICE = "/dev/tpmrm0"
PAUSE_S = 0.25
PAUSES = 20  # 5 s in all: for a command, and once for the device
IMPATIENT_S = 60.0  # after a wait in vain there is none: the main loop signs, and has more to do than to wait
T = TypeVar("T")


def open_device() -> int:
    """A descriptor of the TPM, through the resource manager.

    Raises:
        OSError: there is none.
    """
    return os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)


class Tpm:
    """One command at a time: written whole, answered by one read, as the driver wants it.

    At most two objects are loaded at once (a TPM has room for three): the storage root, which stays, and the key that
    is used.
    """

    def __init__(
        self,
        connect: Callable[[], int] = open_device,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened before the first command, so that a camera without its TPM can say so."""
        self._connect = connect
        self._sleep = sleep
        self._now = now
        self._patient_at = now()
        self._pauses = PAUSES  # that are left, until the device is there for the first time
        self._handle = -1  # of the opened device
        self._root = 0  # the TPM's name for the loaded storage root
        self._lock = threading.RLock()

    def create(self, kind: str) -> tpm.Blob:
        """A new P-256 key, wrapped.

        Raises:
            Unavailable: there is no TPM, it refuses, or what it answers makes no sense.
        """
        with self._lock:
            response = self._run(tpm.create(self._storage_root(), kind))
            return _parsed(tpm.parse_created, response)

    def sign(self, blob: tpm.Blob, digest: bytes) -> bytes:
        """ECDSA over a SHA-256 digest: r and s of 32 bytes each.

        Raises:
            Unavailable: as `create`, or the key is another TPM's.
        """
        with self._loaded(blob) as handle:
            return _parsed(tpm.parse_signature, self._run(tpm.sign(handle, digest)))

    def agree(self, blob: tpm.Blob, point: bytes) -> bytes:
        """ECDH with the public key `point` (uncompressed): 32 bytes.

        Raises:
            Unavailable: as `create`, the key is another TPM's, or the point is not on the curve.
        """
        with self._loaded(blob) as handle:
            return _parsed(tpm.parse_product, self._run(tpm.multiply(handle, point)))

    def secret(self, index: int = tpm.SECRET_INDEX) -> bytes | None:
        """A secret in the TPM's own memory; None if there is none, or the writing of one was cut off.

        Raises:
            Unavailable: as `create`.
        """
        with self._lock:
            code, response = self._exchange(tpm.read_secret(index))
            if code in (tpm.NO_SUCH_HANDLE, tpm.UNWRITTEN):
                return None
            return _parsed(tpm.parse_secret, _good(code, response))

    def make_secret(self, index: int = tpm.SECRET_INDEX) -> bytes:
        """Draw one and keep it in the TPM's own memory; durable when it returns.

        Raises:
            Unavailable: as `create`, or there is no room.
        """
        made = os.urandom(tpm.SECRET_BYTES)
        with self._lock:
            if self.secret(index) is not None:
                raise Unavailable("the TPM holds a secret already")
            self.keep(made, index)
        return made

    def keep(self, value: bytes, index: int) -> None:
        """Have the TPM's own memory hold these 32 bytes, in the place of what was there; durable when it returns.

        Raises:
            Unavailable: as `create`, or there is no room.
        """
        with self._lock:
            code, response = self._exchange(tpm.read_secret(index))
            if code == tpm.NO_SUCH_HANDLE:
                self._run(tpm.define_secret(index))
            elif code != tpm.UNWRITTEN:
                _good(code, response)
            self._run(tpm.write_secret(value, index))

    def remove_secret(self, index: int = tpm.SECRET_INDEX) -> None:
        """Destroy it, if there is one: nothing can bring it back. Durable when it returns.

        Raises:
            Unavailable: as `create`.
        """
        with self._lock:
            code, response = self._exchange(tpm.remove_secret(index))
            if code != tpm.NO_SUCH_HANDLE:
                _good(code, response)

    @contextmanager
    def _loaded(self, blob: tpm.Blob) -> Iterator[int]:
        with self._lock:
            handle = _parsed(tpm.parse_handle, self._run(tpm.load(self._storage_root(), blob)))
            try:
                yield handle
            finally:
                self._flush(handle)

    def _flush(self, handle: int) -> None:
        try:
            self._run(tpm.flush(handle))
        except Unavailable:
            self._forget_device()  # the key goes with it: a few that stay loaded, and there is room for no more

    def _storage_root(self) -> int:
        if not self._root:
            self._root = _parsed(tpm.parse_handle, self._run(tpm.create_primary()))
        return self._root

    def _run(self, command: bytes) -> bytes:
        return _good(*self._exchange(command))

    def _exchange(self, command: bytes) -> tuple[int, bytes]:
        """The code of the response, and all of it. A TPM that cannot just now, as it says, is asked again for a while.

        Raises:
            Unavailable: there is no TPM, or none that answers.
        """
        code, response = self._answer(command)
        if self._now() < self._patient_at:
            return code, response
        for _ in range(PAUSES):
            if code not in tpm.PASSING:
                return code, response
            self._sleep(PAUSE_S)
            code, response = self._answer(command)
        if code in tpm.PASSING:
            self._patient_at = self._now() + IMPATIENT_S
        return code, response

    def _answer(self, command: bytes) -> tuple[int, bytes]:
        try:
            if self._handle < 0:
                self._handle = self._opened()
            os.write(self._handle, command)
            response = os.read(self._handle, tpm.MAX_BYTES)
        except OSError as error:
            self._forget_device()
            raise Unavailable(f"there is no TPM that answers: {error.strerror}") from error
        return _parsed(tpm.response_code, response), response

    def _opened(self) -> int:
        """The device, which may be late at the camera's start.

        Raises:
            OSError: there is none.
        """
        while True:
            try:
                handle = self._connect()
            except OSError:
                if not self._pauses:
                    raise
                self._pauses -= 1
                self._sleep(PAUSE_S)
            else:
                self._pauses = 0
                return handle

    def _forget_device(self) -> None:
        """What was loaded is gone with the handle."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._root = -1, 0


def _good(code: int, response: bytes) -> bytes:
    if code != tpm.OK:
        raise Unavailable(tpm.describe(code))
    return response


def _parsed(parse: Callable[[bytes], T], response: bytes) -> T:
    try:
        return parse(response)
    except FormatError as error:
        raise Unavailable(f"the TPM's answer makes no sense: {error.detail}") from error
