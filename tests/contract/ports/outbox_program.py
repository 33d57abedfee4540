"""The agent's outbox and link, with nothing of the camera around them: a process to kill.

`outbox_program.py FOLDER FIRST`: queues alarms and reports in turn, numbered from FIRST on, and prints each number once
the message is kept. What FOLDER holds is made by tests.contract.ports.test_outbox_kills.
"""

import json
import queue
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from agent.adapters.linux.device_secret import UnsafeFileDeviceSecret
from agent.adapters.linux.keys import SystemEntropy, UnsafeFileKeyStore, verify_signature
from agent.adapters.linux.link import PahoLink
from agent.adapters.linux.machine import SystemClock
from agent.adapters.linux.sealer import HpkeSealer
from agent.adapters.linux.spool import FileSpool
from agent.adapters.linux.store import FileStore
from agent.app.desk import Desk
from agent.app.effects import Say
from agent.app.reporting import Reporting
from agent.app.trusted_time import TrustedTime
from agent.formats import messages, ownership
from agent.formats.config import MAX_TELEMETRY_AGE_S

EVERY_S = 0.25  # slow enough for the server's limits on one camera, fast enough to be in the middle of something


def make(folder, post):
    """Desk and reporting of a camera that is enrolled."""
    about = json.loads((folder / "about.json").read_text())
    store = FileStore(folder / "state")
    link = PahoLink(folder / "cert.pem", folder / "key.pem", post)
    ports = SimpleNamespace(
        store=store, spool=FileSpool(store), keys=UnsafeFileKeyStore(store), secret=UnsafeFileDeviceSecret(store),
        entropy=SystemEntropy(), clock=SystemClock(), link=link, verify_signature=verify_signature,
        sealer=HpkeSealer(),
    )  # fmt: skip
    config = SimpleNamespace(build_time=0, ws_token=False, telemetry_max_age_s=MAX_TELEMETRY_AGE_S)
    desk = Desk(ports, config, None)
    desk.device_id, desk.now = about["device"], time.monotonic()
    reporting = Reporting(desk, TrustedTime(desk))
    reporting.start(lambda: {"version": "1.0.0", "slot": "a"})
    reporting.enrolled(ownership.parse((folder / "ownership.json").read_bytes()))
    return desk, reporting


def take(reporting, event):
    """What happened on the session."""
    if event[0] == "acknowledged":
        reporting.acknowledged(event[1])
    elif event[0] == "refused":
        reporting.refused(event[1])
    elif event[0] == "message":
        reporting.receipt(event[2])
    else:
        reporting.linked(event[0] == "up", *(event[1:] or ("", "")))


def body(number):
    """Kind and body of a message."""
    if number % 2:
        return "alarm", {"code": "test", "detail": str(number)}
    return "report", messages.report_body(messages.Report("failed", "1.0.0", str(number), "", "", "b", None))


def main(folder, first):
    events = queue.Queue()
    desk, reporting = make(folder, events.put)
    number, due = first, time.monotonic()
    while True:
        try:
            take(reporting, events.get(timeout=0.02))
        except queue.Empty:
            pass
        desk.now = time.monotonic()
        desk.run_due()
        for effect in desk.take()[0]:
            if isinstance(effect, Say):
                print(effect.text, file=sys.stderr, flush=True)
        if desk.now >= due:
            due = desk.now + EVERY_S
            if reporting.queue(*body(number)):
                print(number, flush=True)
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
