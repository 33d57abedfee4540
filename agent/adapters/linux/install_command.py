"""`camward-agent install [FILE]`: order an installation at the console, and follow it to its end.

What a vendor's hotplug script calls as well, so the exit status tells: 0 when the new version is written and the camera
is about to restart into it, 1 when it was refused (one line on stderr, beginning with the name of the refusal).
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from agent.adapters.linux.admin_client import ask, must
from agent.formats.errors import Unavailable

LOOK_EVERY_S = 1.0
AWAY_LOOKS = 30  # looks without an answer until the agent counts as gone: it may be restarting
STATE = Path("/data/camward")
BUSY = ("checking", "reading_tree", "installing", "reading_back")


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "file", type=Path, nargs="?", help="an offline bundle; without one, the release that is announced is installed"
    )
    parser.add_argument("--state", type=Path, default=STATE, help="folder of the device's state (default: %(default)s)")
    parser.add_argument("--no-wait", action="store_true", help="return when the signatures have been verified")


def run(options: argparse.Namespace) -> int:
    """Do it.

    Raises:
        Unavailable: refused, or the agent does not answer.
    """
    if options.file is None:
        must(ask(options.run, "install"))
        _say("Installing the release that is announced.")
    else:
        answer = must(ask(options.run, "install", path=os.path.abspath(options.file)))
        _say(f"{answer['version']}: the signatures are good; installing.")
    return 0 if options.no_wait else _follow(options.run, options.state)


def _follow(run_folder: Path, state: Path) -> int:
    shown, away = "", 0
    while True:
        time.sleep(LOOK_EVERY_S)
        try:
            update = _update(run_folder)
            away = 0
        except Unavailable:
            away += 1
            if _saved_phase(state) not in (*BUSY, "idle"):
                break  # the machine goes down around us
            if away > AWAY_LOOKS:
                raise
            continue
        phase = str(update["phase"])
        if phase == "idle":
            raise Unavailable(str(update["last_result"]))
        if phase not in BUSY:
            break
        percent = update.get("progress_percent")
        told = phase if percent is None else f"{phase} {percent} %"
        if told != shown:
            _say(told)
            shown = told
    _say("Written and verified. The camera restarts into the new version by itself.")
    return 0


def _saved_phase(state: Path) -> str:
    """What the agent has saved: it does so before it acts, and so before it restarts the camera."""
    try:
        return str(json.loads((state / "update" / "state.json").read_bytes())["phase"])
    except (OSError, ValueError, KeyError, TypeError):
        return "idle"


def _update(run_folder: Path) -> "dict[str, Any]":
    found = must(ask(run_folder, "status"))["update"]
    return found if isinstance(found, dict) else {"phase": "idle", "last_result": "the agent's answer makes no sense"}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
