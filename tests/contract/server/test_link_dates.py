"""The camera's session with the real broker, while its clock is wrong and after it was put right."""

import queue
import time

import pytest

from agent.adapters.linux.dates import Dates
from agent.adapters.linux.link import PahoLink

YEAR_S = 365 * 86400


@pytest.mark.parametrize("wrong_by", [50 * YEAR_S, -50 * YEAR_S])
def test_a_session_comes_up_as_soon_as_the_clock_is_right(camera, server, wrong_by):
    known = [int(time.time()) + wrong_by]
    events = queue.Queue()
    link = PahoLink(
        camera.folder / "cert.pem", camera.folder / "key.pem", events.put, lambda: Dates(known[-1], known[-1])
    )
    link.open("127.0.0.1", server.mqtt_port, server.ca.read_text(), camera.id, ())
    try:
        assert events.get(timeout=30)[0] == "down"
        assert link.connections() == []
        known.append(int(time.time()))
        while (event := events.get(timeout=60))[0] != "up":
            assert event[0] == "down"
        assert link.connections()[0]["verified"]
    finally:
        link.close()
