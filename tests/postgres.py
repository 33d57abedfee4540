"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, heard on a Unix socket there alone.

PostgreSQL refuses to run as root, so root becomes its user, or, where that is no user here (a user namespace that holds
root alone), nobody in a namespace of its own.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1
USERS = ("postgres", "nobody")
ROLE = "camward"
START_S = 60
# A test kills whom it likes, but never the machine under the database.
WITHOUT_DISK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


class Cluster:
    """A running server; `url(name)` is the address of a database in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        """The address of the database `name`."""
        return f"postgresql://{ROLE}@/{name}?host={self._folder}"

    def run(self, statement: str) -> None:
        """Run one statement, say `CREATE DATABASE`."""
        import psycopg

        conninfo = f"host={self._folder} user={ROLE} dbname=postgres"
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(statement)

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database, empty or as another one is; its address."""
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


def programs() -> Path:
    """Where Debian keeps the server's programs, of the newest version that is installed.

    Raises:
        FileNotFoundError: it is not installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError("PostgreSQL is not installed: run 'make setup'")
    return found[-1].parent


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """A server, while inside; `durable` as operators run it, otherwise nothing is flushed to the disk."""
    folder = Path(tempfile.mkdtemp(prefix="camward-postgres-", dir="/tmp"))
    try:
        user, prefix = _become(folder)
        initdb = [*prefix, str(programs() / "initdb"), "--auth=trust", f"--username={ROLE}", "--encoding=UTF8"]
        more = ["--locale=C.UTF-8", "--no-sync", str(folder / "data")]
        subprocess.run([*initdb, *more], check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
        options += [] if durable else WITHOUT_DISK
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, str(programs() / "postgres"), "-D", str(folder / "data"), *options],
                cwd=folder, stdout=log, stderr=log, preexec_fn=_die_with_parent, **user,  # noqa: PLW1509
            )  # fmt: skip
        try:
            _wait(folder, process)
            yield Cluster(folder)
        finally:
            process.send_signal(signal.SIGINT if durable else signal.SIGQUIT)
            process.wait(START_S)
    finally:
        shutil.rmtree(folder)


def _become(folder: Path) -> tuple[dict[str, int], list[str]]:
    """How to start a program as somebody who is not root, to whom `folder` now belongs."""
    if os.geteuid() != 0:
        return {}, []
    for name in USERS:
        try:
            account = pwd.getpwnam(name)
            os.chown(folder, account.pw_uid, account.pw_gid)
        except (KeyError, OSError):
            continue
        return {"user": account.pw_uid, "group": account.pw_gid}, []
    return {}, ["unshare", "--user", "--map-user=65534", "--map-group=65534"]


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    ready = [str(programs() / "pg_isready"), "-q", "-h", str(folder), "-U", ROLE]
    deadline = time.monotonic() + START_S
    while subprocess.run(ready, check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder / "log").read_text(errors="replace"))
        time.sleep(0.05)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
