"""What the ingest's link says of a connection that fails."""

import datetime
import logging
import socket
import time

import pytest

from update_server.pki import authority
from update_server.serving.link import Link, server_part

NOW = datetime.datetime.now(datetime.UTC)
WAIT_S = 30


@pytest.fixture
def pki(tmp_path):
    made = authority.make(tmp_path, "Op", NOW)
    made.write_ingest(NOW)
    return tmp_path


def test_a_connection_that_fails_is_in_the_log_with_its_reason(pki, caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    caplog.set_level(logging.WARNING)
    link = Link("127.0.0.1", port, pki, server_part(0), lambda _batch: None)
    link.start()
    deadline = time.monotonic() + WAIT_S
    while not caplog.messages and time.monotonic() < deadline:
        time.sleep(0.05)
    link.stop()
    assert [one for one in caplog.messages if "refused" in one] == [
        f"No connection to the broker at 127.0.0.1:{port}: [Errno 111] Connection refused."
    ]


def test_a_thread_of_the_connection_that_ends_by_an_error_is_no_quiet_end(pki, caplog, monkeypatch):
    def breaks(*_arguments, **_options):
        raise ValueError("a packet that nobody expects")

    link = Link("127.0.0.1", 1, pki, server_part(0), lambda _batch: None)
    monkeypatch.setattr(link._client, "loop_forever", breaks)
    assert not link.died()
    link.start()
    deadline = time.monotonic() + WAIT_S
    while not link.died() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert link.died()
    assert "a packet that nobody expects" in caplog.text
    link.stop()
    assert not link.died()
