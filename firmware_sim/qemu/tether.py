"""Start a program that dies with us.

A child is started through this very file, run as a script: it asks the kernel for SIGKILL when its parent ends, looks
whether the parent has ended meanwhile, and then becomes the program. So a SIGKILL of the test runner leaves no QEMU.

The kernel counts the *thread* that forked as the parent, so every start goes through one thread that lives as long as
the process. A program that changes its user loses the tether; the sweep in `firmware_sim.netns` catches those.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import IO

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal to get when the parent ends."""

_jobs: "SimpleQueue[Callable[[], None]]" = SimpleQueue()
_start_lock = threading.Lock()
_thread: threading.Thread | None = None


def spawn(
    argv: Sequence[str],
    *,
    log: IO[bytes] | int,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: IO[bytes] | int | None = None,
) -> "subprocess.Popen[bytes]":
    """Start `argv` so that it is killed when this process ends, however it ends.

    Args:
        argv: program and arguments.
        log: where standard error goes, and standard output unless `stdout` is given.
        pass_fds: descriptors the child inherits under the same numbers.
        env: environment; ours if None.
        cwd: folder to start in.
        stdout: where standard output goes.

    Raises:
        OSError: the interpreter could not be started. A program that does not exist shows as exit status 127.
    """
    command = [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), *argv]
    done = threading.Event()
    result: list[subprocess.Popen[bytes]] = []
    failure: list[OSError] = []

    def job() -> None:
        try:
            result.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log if stdout is None else stdout,
                    stderr=log,
                    pass_fds=tuple(pass_fds),
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
            )
        except OSError as error:
            failure.append(error)
        finally:
            done.set()

    _ensure_thread()
    _jobs.put(job)
    done.wait()
    if failure:
        raise failure[0]
    return result[0]


def _ensure_thread() -> None:
    global _thread
    with _start_lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_serve, name="tether", daemon=True)
            _thread.start()


def _serve() -> None:
    while True:
        _jobs.get()()


def _main(argv: Sequence[str]) -> int:
    """Tie ourselves to the parent, then become the program.

    Returns:
        1 if the parent is gone already, 127 if the program cannot be run.
    """
    parent, command = int(argv[1]), argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - becoming the program is the point
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(_main(sys.argv))
