"""The JSON API: tokens, rights, and that it says what its OpenAPI document says."""

import json

import httpx
import pytest

from tests.web import seed
from update_server.api.schema import document


@pytest.fixture(scope="module")
def reader(fleet):
    token = fleet.run("token", "create", "--name", "reader").stdout.strip()
    with httpx.Client(
        verify=fleet.context(), base_url=fleet.people_url + "/api/v1", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        yield client


@pytest.fixture(scope="module")
def writer(fleet):
    token = fleet.run("token", "create", "--name", "writer", "--write", "--valid", "1h").stdout.strip()
    with httpx.Client(
        verify=fleet.context(), base_url=fleet.people_url + "/api/v1", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        yield client


def test_status_devices_releases_rollouts(reader):
    assert reader.get("/status").json()["devices"] == seed.COUNT
    assert len(reader.get("/devices").json()) == seed.COUNT
    detail = reader.get("/devices/KW1-000001").json()
    assert detail["updates"][0]["event"] == "rolled_back"
    assert len(detail["evidence"]["findings"]) == 16
    assert {row["version"] for row in reader.get("/releases").json()} == {"1.0.0", "1.1.0", "1.2.0"}
    assert [row["id"] for row in reader.get("/rollouts").json()] == [2, 1]


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic YTpi", "Bearer"])
def test_without_a_valid_token_nothing_is_said(fleet, header):
    with httpx.Client(verify=fleet.context(), base_url=fleet.people_url + "/api/v1") as client:
        for path in json.loads(document())["paths"]:
            answer = client.get(path, headers={"Authorization": header} if header else {})
            assert answer.status_code in (401, 405), path


def test_a_long_body_is_refused_before_anybody_is_asked_who_they_are(fleet):
    with httpx.Client(verify=fleet.context(), base_url=fleet.people_url + "/api/v1") as client:
        assert client.post("/rollouts", content=b" " * 1000).status_code == 401
        assert client.post("/rollouts", content=b" " * 70_000).status_code == 400


def test_a_reading_token_changes_nothing(reader):
    assert reader.post("/rollouts/2/abort").status_code == 403
    assert reader.post("/enrolment-tokens", json={}).status_code == 403
    assert reader.put("/devices/KW1-000002/assignment", json={"version": None}).status_code == 403


def test_a_writing_token_assigns_and_makes_tokens(writer):
    made = writer.post("/enrolment-tokens", json={"serial": "KW1-000099", "valid_s": 600})
    assert made.status_code == 201
    assert made.json()["token"].startswith("camward1.")
    put = writer.put("/devices/KW1-000014/assignment", json={"version": "1.1.0"})
    assert put.json()["assigned_version"] == "1.1.0"
    assert writer.put("/devices/KW1-000014/assignment", json={"version": None}).json()["assigned_version"] is None
    assert writer.put("/devices/KW1-000014/assignment", json={"version": "7.7.7"}).status_code == 404


def test_a_writing_token_denies_and_allows_a_camera(writer, reader):
    path = "/devices/KW1-000014"
    assert reader.post(path + "/deny").status_code == 403
    assert reader.get(path).json()["denied_at"] is None
    denied = writer.post(path + "/deny").json()
    assert denied["denied_at"] > 0
    assert not denied["online"]
    assert reader.get(path).json()["denied_at"] == denied["denied_at"]
    assert reader.post(path + "/allow").status_code == 403
    assert writer.post(path + "/allow").json()["denied_at"] is None


def test_errors_say_what_and_what_to_do(writer):
    answer = writer.post("/rollouts", json={"version": "1.2.0"})
    assert answer.status_code == 409
    assert set(answer.json()) == {"code", "what", "remedy"}
    assert writer.post("/rollouts", json={"version": "1.2.0", "phases": "1"}).status_code == 400
    assert writer.post("/rollouts/99/pause").status_code == 404
    assert writer.get(f"/rollouts/{10**30}").status_code == 404
    assert writer.post("/rollouts", json={"version": "1.2.0", "silent_after_s": 10**30}).status_code == 422


def test_a_stolen_token_can_be_removed(fleet):
    token = fleet.run("token", "create", "--name", "stolen").stdout.strip()
    (row,) = [line for line in fleet.run("token", "list").stdout.splitlines() if "stolen" in line]
    token_id = row.split("\N{BOX DRAWINGS LIGHT VERTICAL}")[1].strip()
    assert token not in row
    with httpx.Client(verify=fleet.context(), base_url=fleet.people_url + "/api/v1") as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/status").status_code == 200
        fleet.run("token", "remove", token_id)
        assert client.get("/status").status_code == 401
    assert fleet.run("token", "remove", token_id, check=False).returncode == 1


def test_a_session_cookie_is_no_key_to_the_api(fleet):
    with httpx.Client(verify=fleet.context(), base_url=fleet.people_url) as client:
        client.post("/login", data={"name": "admin", "password": fleet.password})
        assert client.get("/").status_code == 200
        assert client.get("/api/v1/status").status_code == 401


def test_a_form_with_very_many_fields_is_refused(fleet):
    with httpx.Client(verify=fleet.context(), base_url=fleet.people_url) as client:
        form = {"name": "admin", "password": "x"}
        assert client.post("/login", data=form | {f"f{n}": "" for n in range(30)}).status_code == 400
