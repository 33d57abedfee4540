"""What logins cost, and what 1,000 refused ones a second do to everything else: the real agent and camera processes.

The camera's other work is looked at for as long without the wrong logins, in the same run, and stands beside.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agent.app import digest
from tests.bench.on_camera import cpu_s
from tests.bench.rows import row
from tests.contract.ports.board import CODE, Board

USER, PASSWORD = "kanri", "fk3-Plum-orbit-98"
LOGINS = 40
LOGIN_MS = 150.0
RATE, SECONDS = 1050.0, 28.0
"""A little above what is asked for, so that what is answered reaches it."""
REFUSED_PER_S = 1000.0
FRAMES_PER_S = 2.8
"""The camera's stream has three."""
GROWTH_MB = 1.0
SETTLE_S = 8.0
"""The first wrong tries of each name are judged: hashes of 20 MB each, and tables that fill. After it nothing grows."""
OWNERS_ADDRESS = "192.0.2.7"
ASK_EVERY_S, PASSWORD_EVERY_S = 0.05, 2.0


@dataclass
class Seen:
    """One period: milliseconds by what was asked for, logins refused, frames' times, MB by process, the agent's CPU."""

    ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ("state", "digest", "login")})
    turned_away: int = 0
    frames_at: list[float] = field(default_factory=list)
    grown_mb: dict[str, float] = field(default_factory=dict)
    core_percent: float = 0.0

    def frames_per_s(self) -> float:
        """Of the stream, between the first frame and the last."""
        return (len(self.frames_at) - 1) / (self.frames_at[-1] - self.frames_at[0])

    def longest_gap_ms(self) -> float:
        """Between two frames."""
        return max(b - a for a, b in zip(self.frames_at, self.frames_at[1:], strict=False)) * 1000


@contextmanager
def _claimed() -> Iterator[Board]:
    with tempfile.TemporaryDirectory(prefix="camward-bench-") as folder:
        board = Board(Path(folder), b"")
        board.leave_factory(b"\0" * 8192)
        board.power_on()
        try:
            board.start_camera()
            reply = board.ask("web", "claim", code=CODE, user=USER, password=PASSWORD)
            if not reply["ok"]:
                raise SystemExit(f"the camera cannot be claimed: {reply}")
            yield board
        finally:
            board.stop()


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def _login(board: Board) -> bool:
    return bool(board.ask("web", "login", user=USER, password=PASSWORD)["ok"])


def _digest(board: Board) -> None:
    """A recorder logs in to the stream."""
    nonce = board.ask("rtsp", "nonce")["nonce"]
    counted, uri = ("00000001", "0a4f113b", "auth"), "rtsp://camera/stream"
    known = digest.secret("SHA-256", USER, PASSWORD)
    asked = {
        "user": USER, "realm": digest.REALM, "nonce": nonce, "uri": uri, "method": "DESCRIBE", "algorithm": "SHA-256",
        "response": digest.response("SHA-256", known, "DESCRIBE", uri, nonce, counted),
        "nc": counted[0], "cnonce": counted[1], "qop": counted[2],
    }  # fmt: skip
    if not board.ask("rtsp", "digest", **asked)["ok"]:
        raise SystemExit("the recorder was turned away")


def _mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError("no VmRSS")


def _watch(board: Board, seen: Seen) -> "subprocess.Popen[str]":
    """ffmpeg plays the stream over TLS; a line comes with each frame."""
    url = f"rtsps://{USER}:{quote(PASSWORD)}@127.0.0.1:{board.camera.ports['rtsps']}/stream"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-probesize", "32", "-analyzeduration", "1", "-i", url]
    player = subprocess.Popen(
        [*command, "-c", "copy", "-flush_packets", "1", "-f", "framecrc", "-"], stdout=subprocess.PIPE, text=True
    )

    def read() -> None:
        for line in player.stdout or ():
            if not line.startswith("#"):
                seen.frames_at.append(time.monotonic())

    threading.Thread(target=read, daemon=True).start()
    return player


def _period(board: Board) -> Seen:
    """Everything else, for SECONDS less the time to settle."""
    seen = Seen()
    pids = {"agent": board.process.pid, "camera": board.camera.process.pid}
    time.sleep(SETTLE_S)
    before = {name: _mb(pid) for name, pid in pids.items()}
    used_s, begun = cpu_s(board.process.pid), time.monotonic()
    player = _watch(board, seen)
    ends_at = time.monotonic() + SECONDS - SETTLE_S
    next_login_at = time.monotonic()
    while time.monotonic() < ends_at:
        seen.ms["state"].append(_timed(lambda: board.ask("onvif", "state")))
        seen.ms["digest"].append(_timed(lambda: _digest(board)))
        if time.monotonic() >= next_login_at:
            next_login_at += PASSWORD_EVERY_S
            answers: list[bool] = []
            seen.ms["login"].append(_timed(lambda: answers.append(_login(board))))  # noqa: B023 (called at once)
            seen.turned_away += not answers[0]
        time.sleep(ASK_EVERY_S)
    seen.core_percent = (cpu_s(board.process.pid) - used_s) / (time.monotonic() - begun) * 100
    player.kill()
    player.wait()
    seen.grown_mb = {name: _mb(pid) - before[name] for name, pid in pids.items()}
    return seen


def _flooded(board: Board) -> tuple[Seen, dict[str, Any]]:
    where = str(board.run / "login" / "web.sock")
    command = [sys.executable, "-m", "tests.bench.credentials_flood", where, str(RATE), str(SECONDS), USER]
    flood = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    seen = _period(board)
    told: dict[str, Any] = json.loads(flood.communicate()[0])
    if "ok" in told["codes"]:
        raise SystemExit(f"a wrong login got in: {told}")
    return seen, told


def _row(what: str, values: list[float], unit: str, idle: float, target: float | None = None) -> dict[str, Any]:
    return {**row(what, values, unit, target), "peers": {"idle": idle}}


def _most(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def run() -> list[dict[str, Any]]:
    """Measure; rows as tests.bench writes them."""
    with _claimed() as board:
        used_s = cpu_s(board.process.pid)
        logins = [_timed(lambda: _login(board)) for _ in range(LOGINS)]
        used_ms = (cpu_s(board.process.pid) - used_s) / LOGINS * 1000
        idle = _period(board)
        flooded, told = _flooded(board)
        again = [_timed(lambda: _login(board)) for _ in range(3)]
    answered = sum(told["codes"].values())
    hashed = told["codes"].get("denied", 0)
    names = {"state": "onvif asks the state", "digest": "a recorder logs in by digest", "login": "the owner logs in"}
    rows = [
        row("login, Argon2id, through the login socket", logins, "ms", LOGIN_MS),
        row("  the agent's CPU time for one", [used_ms], "ms", None),
        {
            **row("wrong logins refused in a second", [answered / told["took_s"]], "1/s", REFUSED_PER_S),
            "better": "higher",
        },
        row("  of all, judged by their hash", [float(hashed)], "", None),
        row("  of all, told that the agent is busy", [float(told["codes"].get("busy", 0))], "", None),
        row("  the slowest answer", [told["slowest_s"] * 1000], "ms", None),
    ]
    for name, what in names.items():
        usual = idle.ms[name]
        rows.append(_row(f"meanwhile: {what}", flooded.ms[name], "ms", statistics.median(usual)))
        rows.append(_row("  95 of 100 within", [_most(flooded.ms[name])], "ms", _most(usual)))
    frames = _row("meanwhile: frames a second", [flooded.frames_per_s()], "1/s", idle.frames_per_s(), FRAMES_PER_S)
    grown, usual_mb = flooded.grown_mb, idle.grown_mb
    return [
        *rows,
        _row("  of these, turned away", [float(flooded.turned_away)], "", float(idle.turned_away), 0),
        {**frames, "better": "higher"},
        _row("  longest gap between two", [flooded.longest_gap_ms()], "ms", idle.longest_gap_ms()),
        _row("meanwhile: the agent's RSS grows by", [grown["agent"]], "MB", usual_mb["agent"], GROWTH_MB),
        _row("  the camera application's by", [grown["camera"]], "MB", usual_mb["camera"]),
        _row("meanwhile: the agent's share of one core", [flooded.core_percent], "%", idle.core_percent),
        row("a login afterwards", again, "ms", LOGIN_MS),
    ]
