"""Telemetry as it is taken in: of several samples in one message (agent.formats.samples), or of one, as older cameras
send it; and after how long its absence means something.
"""

from agent.core import gathering
from agent.formats import messages, ownership
from agent.formats.envelope import SAMPLES, Envelope
from agent.formats.errors import FormatError
from update_server.db.models import Device
from update_server.errors import NotFound
from update_server.fleet.ownership import Ownership
from update_server.fleet.stream import Camera
from update_server.settings import Devices

SILENT_MESSAGES = 3  # so many are missing, and a camera counts as silent


def taken(device: Device | Camera, envelope: Envelope, now: int) -> None:
    """Note what a message says; the camera shows what was measured last.

    Raises:
        FormatError: one of its samples is malformed; nothing is noted.
    """
    samples = envelope.body.get(SAMPLES, [envelope.body])
    telemetry = [messages.parse_telemetry(sample) for sample in samples][-1]
    at = min(envelope.at, now)  # a camera's clock that was ahead once must not shut out what follows
    if device.state_at is None or at > device.state_at:  # from after its last will, if that was not its last word
        device.online = True
    known_to = (device.telemetry_at or 0, device.telemetry_seq or 0)
    if device.telemetry_at is None or (at, envelope.seq) >= known_to:
        known = telemetry.as_dict()
        device.telemetry = {name: value for name, value in known.items() if value is not None}
        device.telemetry_at, device.telemetry_seq, device.version = at, envelope.seq, telemetry.version


def silent_after_s(records: Ownership, sha256: str, settings: Devices) -> int:
    """Without a word for longer than this, a camera counts as silent, whatever the broker believes.

    What counts is the record `sha256`, with which it enrolled, whatever the settings say by now.
    """
    try:
        said = ownership.parse(records.record(sha256))
    except (NotFound, FormatError):
        return _silent_s(settings.line, settings.telemetry_interval_s)
    return _silent_s(said.line, said.telemetry_interval_s)


def _silent_s(line: str, interval_s: int) -> int:
    return SILENT_MESSAGES * interval_s * gathering.most(line, interval_s)
