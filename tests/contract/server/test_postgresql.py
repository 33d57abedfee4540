"""The whole server on PostgreSQL: made, migrated, cameras brought in, a rollout, what people see, several at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import func, select

from tests import postgres
from tests.contract.server.test_broker import Link, telemetry
from update_server.db.models import Device, Message

CAMERAS = 4


@pytest.fixture(scope="module")
def database():
    with postgres.cluster() as cluster:
        yield cluster.create("camward")


@pytest.fixture(scope="module")
def server(database, tmp_path_factory, tools):
    with tools.running(tmp_path_factory.mktemp("postgresql") / "s", database=database) as made:
        yield made


def stored(server):
    with server.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Message))


def test_the_database_is_the_one_that_was_named(server, database):
    assert f'database = "{database}"' in (server.folder / "server.toml").read_text()
    assert not (server.folder / "server.db").exists()
    assert server.services.database.engine.url.get_backend_name() == "postgresql"


def test_nothing_is_made_over_a_database_in_use(server, database, tmp_path, tools):
    options = ("--operator", "x", "--host", "127.0.0.1", "--database", database)
    before = server.json("device", "list")
    done = tools.command("init", tmp_path / "other", *options, check=False)
    assert (done.returncode, "has tables already" in done.stderr) == (1, True)
    assert not (tmp_path / "other").exists()
    assert server.json("device", "list") == before


def test_a_fleet_is_brought_in_at_once_reports_and_is_updated(server, new_camera, tmp_path, tools):
    cameras = [new_camera(f"KW1-{number:06d}") for number in range(CAMERAS)]
    with ThreadPoolExecutor(CAMERAS) as pool:
        list(pool.map(lambda camera: camera.enrol(), cameras))
    for camera in cameras:
        link = Link(camera)
        for kind, body in (("telemetry", telemetry()), ("alarm", {"code": "door", "detail": "open \0"})):
            assert not link.publish(f"{link.topic}up/{kind}", camera.envelope(kind, body)).is_failure
        link.close()
    tools.wait_for(lambda: stored(server) == 2 * CAMERAS, "the messages")
    listed = server.json("device", "list")
    assert sorted(row["serial"] for row in listed) == [camera.serial for camera in cameras]
    assert {row["attention"] for row in listed} == {"door: open \ufffd"}

    tools.add_release(server, tmp_path / "build", "1.1.0")
    server.run("rollout", "create", "1.1.0", "--phases", "100%")
    with server.services.database.read() as session:
        assigned = session.scalars(select(Device.assigned_version)).all()
    assert assigned == ["1.1.0"] * CAMERAS
    with cameras[0].client() as client:
        assert client.get(f"/tuf/director/{cameras[0].id}/timestamp.json").status_code == 200


def test_people_see_it(server, tools):
    with httpx.Client(verify=server.context(), base_url=server.people_url, follow_redirects=True) as client:
        client.post("/login", data={"name": "admin", "password": server.password})
        for page in ("/rollouts", "/rollouts/1", "/releases", "/passwords", "/?q=kw1-"):
            answer = client.get(page)
            assert answer.status_code == 200, page
        assert "KW1-000001" in answer.text, "small letters find what large ones name"
        wrong = client.post("/login", data={"name": "nobody\0", "password": "x"})
        assert wrong.status_code < 500


def test_the_server_outlives_a_database_that_goes_and_comes(server, tools):
    camera_count = len(server.json("device", "list"))
    with server.services.database.write() as session:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        session.connection().exec_driver_sql(f"SELECT count(pg_terminate_backend(pid)) {others}")
    time.sleep(0.5)  # the ticker meets its ended connections
    assert server.process.poll() is None
    assert len(server.json("device", "list")) == camera_count
