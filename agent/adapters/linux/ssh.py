"""The SSH server that `agent/boot/run-ssh` becomes when it is told to, and the control group that all of it is in."""

import errno
import os
import socket
import time
from pathlib import Path

from agent.formats.errors import Unavailable

WORD = Path("/run/camward-ssh")
GROUP = Path("/sys/fs/cgroup/ssh")
READER_WITHIN_S = 20.0  # init starts run-ssh again within a second of its end
LISTENS_WITHIN_S = 60.0  # the first time, it makes its key
PAUSE_S = 0.2


class SystemSsh:
    """`agent.ports.machine.Ssh` by a FIFO and a control group (cgroup v2)."""

    def __init__(self, word: Path = WORD, group: Path = GROUP) -> None:
        """`word`: what run-ssh reads from; `group`: the folder of its control group. Nothing is touched yet."""
        self._word = word
        self._group = group

    def open(self, port: int, seconds: int) -> None:
        """See `Ssh.open`.

        Raises:
            Unavailable: nobody waits for the word, or nothing listens after it.
        """
        self._tell(f"{port} {seconds}\n".encode())
        until = time.monotonic() + LISTENS_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), PAUSE_S).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise Unavailable("the SSH server does not start") from None
                time.sleep(PAUSE_S)

    def close(self) -> None:
        """See `Ssh.close`; cgroup.kill ends what is being forked as well (Documentation/admin-guide/cgroup-v2.rst).

        Raises:
            Unavailable: the kernel refuses.
        """
        if not self._group.exists():
            return  # run-ssh does not get as far as waiting
        try:
            # Not created: a kernel before 5.14 has no such file, and then nothing is ended.
            kill = os.open(self._group / "cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(kill, b"1")
            finally:
                os.close(kill)
        except OSError as error:
            raise Unavailable(f"the SSH server cannot be ended: {error.strerror}") from error

    def _tell(self, word: bytes) -> None:
        until = time.monotonic() + READER_WITHIN_S
        while True:
            try:
                fifo = os.open(self._word, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    os.write(fifo, word)
                finally:
                    os.close(fifo)
                return
            except OSError as error:
                if error.errno not in {errno.ENXIO, errno.EPIPE} or time.monotonic() > until:
                    raise Unavailable(f"no SSH server waits at {self._word}: {error.strerror}") from error
                time.sleep(PAUSE_S)
