"""A new CA while an ingest process runs: it reads the files again, and says what fails until then."""

import pytest
from sqlalchemy import func, select

from tests.contract.server.test_broker import Link, telemetry
from update_server.db.models import Message

NOBODY = 0x10  # no matching subscribers (MQTT 5, 3.4.2.1): a camera keeps its message


@pytest.fixture
def server(tmp_path, tools):
    with tools.running(tmp_path / "s", ingest_processes=1) as made:
        yield made


def stored(server):
    with server.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Message))


def publish(camera, body):
    """Telemetry; what the broker says to it."""
    link = Link(camera)
    answer = link.publish(f"{link.topic}up/telemetry", body).value
    link.close()
    return answer


def send(camera, tools):
    """As a camera does: again, as long as the broker knows nobody who reads it."""
    body = camera.envelope("telemetry", telemetry())
    tools.wait_for(lambda: publish(camera, body) == 0, "a reader")


def again(server, tools):
    """The server is started anew, by which it takes another CA up."""
    tools.stop(server)
    vars(server).pop("services", None)
    tools.start(server)


def test_a_process_goes_on_through_a_change_of_the_ca(server, new_camera, tools, tmp_path):
    with tools.ingest(server, 1) as process:
        added = server.run("consumer", "add", "office", "--program", "river", "--out", tmp_path / "first")
        assert added.returncode == 0
        assert (
            "pki/ca.pem to these consumers before 'ca issue', or they are cut off: office."
            in server.run("ca", "new").stdout
        )
        assert "('consumer renew'): office." in server.run("ca", "issue").stdout
        refused = server.run("ca", "retire", check=False)
        assert (refused.returncode, "1 consumers have no certificate" in refused.stderr) == (1, True)
        renewed = server.json("consumer", "renew", "office", "--out", tmp_path / "second")
        assert renewed["client"] == server.json("consumer", "list")[0]["client"]
        assert [one["consumers"] for one in server.json("ca", "list")] == [1, 0]
        again(server, tools)
        server.run("ca", "retire")
        again(server, tools)
        send(new_camera().enrol(), tools)
        tools.wait_for(lambda: stored(server) == 1, "the message")
        assert process.poll() is None
        log = (server.folder / "test.log").read_text()
        assert "The certificates have changed" in log
        assert "No connection to the broker" in log, "the broker was away meanwhile"
    what = [one["what"] for one in server.json("audit")]
    assert [what.count(one) for one in ("consumer add", "consumer renew", "ca retire")] == [1, 1, 1]


def test_a_broker_that_was_started_again_has_what_waited_and_tells_cameras_to_keep_the_rest(server, new_camera, tools):
    """Mosquitto 2.0 does not keep shared subscriptions on its disk; a process that is back renews its own."""
    camera = new_camera().enrol()
    waits, kept = (camera.envelope("telemetry", telemetry(f"1.0.{number}")) for number in (1, 2))
    with tools.ingest(server, 1):
        pass
    assert publish(camera, waits) == 0
    again(server, tools)
    assert publish(camera, kept) == NOBODY
    with tools.ingest(server, 1):
        tools.wait_for(lambda: stored(server) == 1, "what had waited")
        assert publish(camera, kept) == 0
        tools.wait_for(lambda: stored(server) == 2, "what the camera has kept")
