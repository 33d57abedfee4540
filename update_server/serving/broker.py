"""Debian's mosquitto as a child of the server, for small installations: starts with it, dies with it."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from update_server.errors import Misconfigured
from update_server.files import SECRET
from update_server.fleet.broker import TLS_FILE
from update_server.serving.listener import bind

START_S = 20
STOP_S = 5
PR_SET_PDEATHSIG = 1


class BrokerChild:
    """A running mosquitto. Its messages go to `broker/mosquitto.log`."""

    def __init__(self, folder: Path, listen: str, port: int, account: pwd.struct_passwd | None) -> None:
        """Start it in `folder`, as the user `account` or (None) as ourselves, and wait until it accepts connections.

        Raises:
            Misconfigured: it is not installed, or ends at once; its last line is quoted.
            Conflict: the port is taken.
        """
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            raise Misconfigured("mosquitto is not installed.", "Run 'apt install mosquitto', or use your own broker.")
        bind(listen, port).close()
        self._log = folder / "mosquitto.log"
        # The folder may be mosquitto's: a link that it put there is not followed.
        log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, SECRET)
        try:
            self._process = subprocess.Popen(
                [program, "-c", "mosquitto.conf"],
                cwd=folder, env={**os.environ, "OPENSSL_CONF": TLS_FILE},
                user=account.pw_uid if account else None, group=account.pw_gid if account else None,
                extra_groups=[] if account else None, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_die_with_parent,  # noqa: PLW1509
            )  # fmt: skip
        finally:
            os.close(log)
        try:
            self._wait(_reachable(listen), port)
        except BaseException:
            self.stop()
            raise

    def ended(self) -> bool:
        """Whether it has stopped by itself."""
        return self._process.poll() is not None

    def reload(self) -> None:
        """Have it read its access control list again; sessions that stand are held to the new one at once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Stop it, politely first."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _wait(self, host: str, port: int) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.ended():
                break
            try:
                socket.create_connection((host, port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        lines = self._log.read_text(errors="replace").strip().splitlines() or ["no message"]
        raise Misconfigured(f"mosquitto does not start: {lines[-1]}.", f"See {self._log}.")


def _reachable(listen: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(listen, listen)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
