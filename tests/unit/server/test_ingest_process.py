"""An ingest process ends when it is told to, whatever it is doing at that moment."""

import subprocess
import sys

SWEEP = """
import signal, sys, threading, types
from pathlib import Path
from update_server.serving import ingest

class Link:
    connected = threading.Event()
    stop = lambda self: None
    died = lambda self: False

    def start(self):
        self.watched = True

left = 0

def trace(frame, event, argument):
    global left
    if link.watched:
        left -= 1
        if left == 0:
            signal.raise_signal(signal.SIGTERM)
    return trace

ingest.WATCH_S = 1e-6
ingest._link = lambda *_: link
ingest.link_files = lambda *_: ()
settings = types.SimpleNamespace(path=Path)
for at in range(1, 120):
    link, left = Link(), at
    link.watched = False
    sys.settrace(trace)
    ingest.run(settings, None, 1, print)
    sys.settrace(None)
print("ended")
"""


def test_a_signal_ends_it_at_any_line():
    """A handler that takes a lock waits for ever where the loop holds that lock."""
    line = [sys.executable, "-c", SWEEP]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "ended"
