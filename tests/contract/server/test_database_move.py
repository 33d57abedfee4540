"""A server with cameras in the field moves from SQLite to PostgreSQL, killed on the way, and its cameras go on."""

import contextlib
import json
import random
import subprocess
import sys
import time

import psycopg
import pytest
from sqlalchemy import func, select, update

from tests import every_table, postgres
from tests.contract.server.test_broker import Link, telemetry
from update_server.db.models import Base, FactoryCa, Message

KILLS = 4
SEED = 45
MESSAGES = 20_000  # enough for a move to take seconds


@pytest.fixture(scope="module")
def address():
    with postgres.cluster() as cluster:
        yield cluster.create("camward")


@pytest.fixture
def server(tmp_path, tools):
    with tools.running(tmp_path / "s") as made:
        yield made


def counts(server):
    with server.services.database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables
        }


def say(camera, version):
    with contextlib.closing(Link(camera)) as link:
        assert not link.publish(
            f"{link.topic}up/telemetry", camera.envelope("telemetry", telemetry(version))
        ).is_failure


def moving(server, address, tools):
    line = [sys.executable, "-m", "update_server.main", "database", "move", address, "--dir", str(server.folder)]
    return subprocess.Popen(line, cwd=tools.REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_fleet_is_moved_by_hook_or_by_crook(server, new_camera, address, tools):
    camera = new_camera().enrol()
    say(camera, "1.0.1")
    tools.wait_for(lambda: counts(server)["message"] == 1, "the message")
    refused = server.run("database", "move", address, check=False)
    assert (refused.returncode, "uses" in refused.stderr) == (1, True), "the server runs"
    with server.services.database.write() as session:
        every_table.fill(session, MESSAGES)
        session.execute(update(FactoryCa).values(pem=server.ca.read_text()))  # the server reads it at its start
    tools.stop(server)
    del server.services
    before = counts(server)
    settings = (server.folder / "server.toml").read_text()

    chance = random.Random(SEED)
    with psycopg.connect(address.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:

        def at_work():
            asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            return connection.execute(asked).fetchone()[0]

        for _ in range(KILLS):
            process = moving(server, address, tools)
            tools.wait_for(at_work, "it to begin")
            time.sleep(chance.uniform(0, 1.0))
            assert process.poll() is None, "it was in the middle"
            process.kill()
            process.wait()
            tools.wait_for(lambda: not at_work(), "PostgreSQL to notice")
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
            assert (server.folder / "server.toml").read_text() == settings
    assert counts(server) == before
    server.services.close()
    del server.services

    told = json.loads(server.run("database", "move", address, "--json").stdout)
    assert {one["table"]: one["rows"] for one in told["tables"]} == before
    assert all(len(one["sha256"]) == 64 for one in told["tables"])
    assert f'database = "{address}"' in (server.folder / "server.toml").read_text()
    assert (server.folder / "server.toml.sqlite").read_text() == settings
    assert (server.folder / "server.db").exists()

    tools.start(server)
    assert counts(server) == before
    say(camera, "1.0.2")
    tools.wait_for(lambda: counts(server)["message"] == before["message"] + 1, "the next message")
    with server.services.database.read() as session:
        newest = select(Message.seq).where(Message.device_id == camera.id).order_by(Message.id.desc())
        assert session.scalars(newest.limit(1)).one() == max(session.scalars(newest)), "it is numbered last"
    with camera.client() as client:
        assert client.get(f"/tuf/director/{camera.id}/timestamp.json").status_code == 200
    assert new_camera().enrol().id in [row["id"] for row in server.json("device", "list")]
    again = server.run("database", "move", address, check=False)
    assert again.returncode == 1
