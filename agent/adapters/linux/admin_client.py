"""The other end of the admin socket: what `camward-agent status` and its siblings speak."""

import socket
from pathlib import Path
from typing import Any

from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import dump, parse_object

MAX_ADMIN_LINE_BYTES = 64 * 1024  # the evidence table has about 6 KB
ADMIN_ANSWER_S = 300.0  # a collection of evidence tries every service on a slow camera

REFUSALS = {
    "denied": "The code is wrong, or this camera has been claimed already.",
    "wait": "Too many wrong tries.",
    "policy": "This password cannot be used:",
    "locked": "The camera's credentials are damaged; it is locked.",
    "busy": "The camera is busy; try again.",
}


class NotRunning(Unavailable):
    """Nobody listens where the agent would, or who did has ended without an answer."""

    code = "not_running"


def ask(run_folder: Path, op: str, **members: object) -> "dict[str, Any]":
    """One question to the running agent over its admin socket.

    Raises:
        NotRunning: nobody listens, or not to us.
        Unavailable: it refuses, or does not answer.
    """
    path = run_folder / "admin.sock"
    line = dump({"v": 1, "op": op, **members}) + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(ADMIN_ANSWER_S)
            client.connect(str(path))
            client.sendall(line)
            with client.makefile("rb") as answers:
                answer = answers.readline(MAX_ADMIN_LINE_BYTES)
        if not answer:
            raise NotRunning("the agent closed the connection; only root may ask")
        return parse_object(answer, MAX_ADMIN_LINE_BYTES)
    except (FileNotFoundError, ConnectionError) as error:
        raise NotRunning(f"the agent does not answer at {path}: {error.strerror}") from error
    except OSError as error:
        raise Unavailable(f"the agent does not answer at {path}: {error.strerror or error}") from error
    except FormatError as error:
        raise Unavailable("the agent's answer is none") from error


def must(answer: "dict[str, Any]") -> "dict[str, Any]":
    """The answer, if it says yes.

    Raises:
        Unavailable: it says no; with the reasons.
    """
    if answer.get("ok") is True:
        return answer
    reasons = [violation["en"] + " / " + violation["ja"] for violation in answer.get("violations", ())]
    told = str(answer.get("detail") or REFUSALS.get(str(answer.get("code")), "refused"))
    if "retry_after_s" in answer:
        told += f" Wait {answer['retry_after_s']} s."
    raise Unavailable("\n  ".join([told, *reasons]))
