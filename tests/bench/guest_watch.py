"""Runs on the emulated camera while something is installed there, and says on the console what it sees.

`guest_watch.py MODE SECONDS [NAME ...]`: with `phase`, each phase of the agent's update as its state file changes; with
`memory`, beside that the memory of the agent and of the processes with these names. The host takes the time when a line
arrives. Reading the memory of a process costs some milliseconds of an emulated processor, so what is timed runs with
`phase` only.
"""

import json
import os
import sys
import time

STATE = "/data/camward/update/state.json"
LOOK_S = 0.05
MEMORY_LOOKS = 5  # memory is read at every fifth look
AGENT = b"agent.main\0run"


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _processes(names: list[str]) -> dict[str, list[str]]:
    """Process ids of the agent, and of those with one of the names."""
    found: dict[str, list[str]] = {"agent": [], "peer": []}
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        name = _read(f"/proc/{pid}/comm").decode().strip()
        if name in names:
            found["peer"].append(pid)
        elif AGENT in _read(f"/proc/{pid}/cmdline"):
            found["agent"].append(pid)
    return found


def _field(text: bytes, name: str) -> int:
    """A value in KiB out of a table of /proc."""
    for line in text.decode().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def _memory(names: list[str]) -> str:
    """`agent PSS RSS PEAK peer PSS`, in KiB; PEAK is the agent's VmHWM since it was reset."""
    found = _processes(names)
    totals = {
        who: sum(_field(_read(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in pids) for who, pids in found.items()
    }
    status = _read(f"/proc/{found['agent'][0]}/status") if found["agent"] else b""
    rss, peak = _field(status, "VmRSS"), _field(status, "VmHWM")
    return f"bench: memory {totals['agent']} {rss} {peak} peer {totals['peer']}"


def _reset_peak() -> None:
    for pid in _processes([])["agent"]:
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5\n")  # proc(5): resets VmHWM


def main(mode: str, seconds: float, names: list[str]) -> None:
    """Look until the time is over."""
    if mode == "memory":
        _reset_peak()
    print("bench: watching", flush=True)
    ends_at, last, looks = time.monotonic() + seconds, "", 0
    while time.monotonic() < ends_at:
        body = _read(STATE)
        phase = json.loads(body)["phase"] if body else ""
        if phase != last:
            last = phase
            print(f"bench: phase {phase}.", flush=True)
        if mode == "memory" and looks % MEMORY_LOOKS == 0:
            print(_memory(names), flush=True)
        looks += 1
        time.sleep(LOOK_S)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
