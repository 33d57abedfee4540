"""A session with a broker whose line goes dead without a word, in a network namespace that this program has alone.

Prints one JSON line: seconds until the link knew after it had something to say, or null if it did not within WAIT_S.
Argument 1: for how long the link lets something stay unacknowledged (seconds; 0: what the kernel does by itself);
argument 2: a folder for certificates.
"""

import fcntl
import json
import os
import queue
import socket
import struct
import sys
import time
from pathlib import Path

from agent.adapters.linux import link as links
from agent.adapters.linux.link import PahoLink
from firmware_sim.netns import SIOCSIFFLAGS, require_closed_network
from tests.contract.ports.hostile_broker import HostileBroker
from tests.contract.ports.tls_server import certificate

WAIT_S = 20.0
KEEP_ALIVE_S = 1200  # of a mobile line: the ping is far away


def main(unacknowledged_s, folder):
    require_closed_network()
    links.UNACKNOWLEDGED_S = unacknowledged_s
    ca = certificate(folder, "server", "127.0.0.1")
    certificate(folder, "device", "127.0.0.1")
    broker = HostileBroker(folder, lambda connection, _: connection.recv(65536) and time.sleep(2 * WAIT_S))
    events = queue.SimpleQueue()
    link = PahoLink(folder / "device.pem", folder / "device.key", events.put)
    link.open("127.0.0.1", broker.port, ca, "a" * 26, (), KEEP_ALIVE_S)
    assert events.get(timeout=60) == ("up",)
    link.begin()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        fcntl.ioctl(ours, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", 0))
    begun = time.monotonic()
    assert link.publish("1", "camward/1/" + "a" * 26 + "/up/alarm", b"{}", False)
    try:
        event = events.get(timeout=WAIT_S)
        took = time.monotonic() - begun if event[0] == "down" else -1.0
    except queue.Empty:
        took = None
    print(json.dumps(took), flush=True)
    os._exit(0)  # what waits here waits for a dead line


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
