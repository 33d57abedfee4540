"""A new CA while an ingest process runs: it reads the files again, and says what fails until then."""

import pytest
from sqlalchemy import func, select

from tests.contract.server.test_broker import Link, telemetry
from update_server.db.models import Message


@pytest.fixture
def server(tmp_path, tools):
    with tools.running(tmp_path / "s", ingest_processes=1) as made:
        yield made


def stored(server):
    with server.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Message))


def send(camera, tools):
    """As a camera does: again, as long as the broker knows nobody who reads it."""
    link, body = Link(camera), camera.envelope("telemetry", telemetry())
    tools.wait_for(lambda: link.publish(f"{link.topic}up/telemetry", body).value == 0, "a reader")
    link.close()


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
