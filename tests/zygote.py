"""`camward-server` for a program that calls it often: one process imports the program once, and forks for every call.

`python zygote.py serve SOCKET` waits for calls; `python zygote.py call SOCKET WORD...` makes one. A call runs in a
process of its own, with the caller's words, folder, environment and standard streams: as the real program does, without
the second that its imports take.
"""

import array
import importlib
import json
import os
import pkgutil
import socket
import sys

MAX_CALL_BYTES = 1 << 18
STREAMS = 3


def serve(path: str) -> None:
    """Answer calls until the process is ended. Prints one line when it is ready."""
    from update_server import commands, services  # noqa: F401
    from update_server.main import main

    for module in pkgutil.iter_modules(commands.__path__, "update_server.commands."):
        importlib.import_module(module.name)  # otherwise every call would import its own
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    print("ready", flush=True)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _run(connection, main)
        connection.close()
        _reap()


def _reap() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def _run(connection: socket.socket, main) -> None:  # its own process, to the end
    fds = array.array("i")
    body, ancillary, _, _ = connection.recvmsg(MAX_CALL_BYTES, socket.CMSG_SPACE(STREAMS * fds.itemsize))
    for _, _, data in ancillary:
        fds.frombytes(data)
    call = json.loads(body)
    for target, source in enumerate(fds):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    code = 1
    try:
        main(call["words"])
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code]))
        os._exit(code)


def call(path: str, words: list[str]) -> int:
    """Make one call; returns its exit code."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    body = json.dumps({"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}).encode()
    streams = array.array("i", range(STREAMS))
    connection.sendmsg([body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    answer = connection.recv(1)
    return answer[0] if answer else 1


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(call(sys.argv[2], sys.argv[3:]))
