"""Wrong logins, so many a second, on a login socket; prints how many were answered with which code, as JSON.

`credentials_flood.py SOCKET RATE SECONDS USER`. A third comes from one address that tries one name, a third from an
address of its own each for USER, a third from an address of its own with a name of its own each.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

CONNECTIONS = 8
"""What the camera application keeps under way at most (firmware_sim.camera.agent_login.MAX_CONVERSATIONS)."""
WITHIN_S = 60.0


def question(number: int, user: str) -> bytes:
    """One wrong login, as a line."""
    own = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    source, name = (("203.0.113.9", "root"), (own, user), (own, f"user{number}"))[number % 3]
    asked = {"v": 1, "op": "login", "source": source, "user": name, "password": f"wrong-{number}"}
    return json.dumps(asked).encode() + b"\n"


def main(path: Path, rate: float, seconds: float, user: str) -> None:
    """Ask until the time is over; each connection keeps to its own schedule."""
    codes: Counter[str] = Counter()
    slowest = [0.0] * CONNECTIONS
    begun = time.monotonic()

    def ask(lane: int) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(WITHIN_S)
            sock.connect(str(path))
            with sock.makefile("rb") as answers:
                for number in range(lane, int(rate * seconds), CONNECTIONS):
                    time.sleep(max(0.0, begun + number / rate - time.monotonic()))
                    sent = time.monotonic()
                    sock.sendall(question(number, user))
                    codes[str(json.loads(answers.readline()).get("code", "ok"))] += 1
                    slowest[lane] = max(slowest[lane], time.monotonic() - sent)

    lanes = [threading.Thread(target=ask, args=(lane,)) for lane in range(CONNECTIONS)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    took_s = time.monotonic() - begun
    print(json.dumps({"codes": codes, "took_s": took_s, "slowest_s": max(slowest)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
