"""Credential spraying: known user names and passwords, tried on every way into one camera, as a botnet's scanner does.

Bounded in number and in time. What was not tried is reported too: silence must not look like a refusal.
"""

import http.client
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.attacks.first_use_tls import UnsafeFirstUseTls
from firmware_sim.attacks.login_paths import LOGIN_PATHS, Outcome, Seen, Try

MAX_TRIES = 5_000
"""Mirai's list on five paths is 305 tries."""

TRY_WITHIN_S = 30.0
"""One try on an emulated camera takes up to a few seconds, with a password hash behind each."""

MIRAI_FILE = Path(__file__).with_name("mirai_credentials.json")
VENDOR_FILE = Path(__file__).with_name("vendor_defaults.json")

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try and what became of it.

    Attributes:
        path: a name of `LOGIN_PATHS`.
        user: the name tried.
        password: the password tried.
        outcome: accepted only with proof.
        seen: what showed the outcome.
    """

    path: str
    user: str
    password: str
    outcome: Outcome
    seen: str


@dataclass(frozen=True, slots=True)
class SprayResult:
    """Everything that was tried, in order, and how much was left when the bounds were reached."""

    attempts: tuple[Attempt, ...]
    untried: int

    def outcomes(self, path: str) -> set[Outcome]:
        """The kinds of outcome on one path; empty when nothing was tried there.

        Raises:
            Nothing: an unknown path saw nothing.
        """
        return {attempt.outcome for attempt in self.attempts if attempt.path == path}

    def accepted(self) -> tuple[Attempt, ...]:
        """The tries that got in.

        Raises:
            Nothing: there may be none.
        """
        return tuple(attempt for attempt in self.attempts if attempt.outcome is Outcome.ACCEPTED)


def mirai_pairs() -> tuple[Pair, ...]:
    """The user names and passwords of Mirai's scanner, from the data file beside this module.

    Raises:
        OSError: the data file is missing.
        ValueError: it is not what it should be.
    """
    pairs = json.loads(MIRAI_FILE.read_text(encoding="utf-8"))["pairs"]
    return tuple((str(user), str(password)) for user, password in pairs)


def vendor_pairs() -> tuple[Pair, ...]:
    """What makers of cameras have shipped, each user name and password once, from the data file beside this module.

    Raises:
        OSError: the data file is missing.
        ValueError: it is not what it should be.
    """
    pairs = json.loads(VENDOR_FILE.read_text(encoding="utf-8"))["pairs"]
    return tuple(dict.fromkeys((str(user), str(password)) for _, user, password, _ in pairs))


def spray(
    host: str,
    ports: Mapping[str, int],
    pairs: Iterable[Pair],
    *,
    within_s: float,
    max_tries: int = MAX_TRIES,
    clock: Callable[[], float] = time.monotonic,
) -> SprayResult:
    """Try every pair on every path.

    Args:
        host: address of the camera.
        ports: path name (web, snapshot, onvif, rtsps, rtsp) to port; a path left away is not tried.
        pairs: user names and passwords, in the order to try them.
        within_s: seconds for all tries together; a try under way is not cut short, and lasts TRY_WITHIN_S at most.
        max_tries: bound on their number.
        clock: monotonic seconds.

    Raises:
        ValueError: a path is unknown.
    """
    unknown = set(ports) - set(LOGIN_PATHS)
    if unknown:
        raise ValueError(f"unknown path {min(unknown)}; known are {', '.join(LOGIN_PATHS)}")
    planned = [(path, user, password) for user, password in pairs for path in ports]
    tls = UnsafeFirstUseTls()
    ends_at = clock() + within_s
    attempts: list[Attempt] = []
    for path, user, password in planned[:max_tries]:
        if clock() >= ends_at:
            break
        seen = _attempt(path, Try(host, ports[path], user, password, TRY_WITHIN_S, tls))
        attempts.append(Attempt(path, user, password, seen.outcome, seen.detail))
    return SprayResult(tuple(attempts), len(planned) - len(attempts))


def _attempt(path: str, attempt: Try) -> Seen:
    try:
        return LOGIN_PATHS[path](attempt)
    except (OSError, http.client.HTTPException) as error:
        return Seen(Outcome.UNREACHABLE, f"{type(error).__name__}: {error}")
