"""What the operator's server does when cameras come, leave and come again; and its factory vouchers."""

import json
import os
import time

import httpx
import pytest

from agent.core import voucher
from agent.formats import token as tokens
from agent.formats import tuf
from tests.contract.server import harness
from update_server.repository.verifier import verify_signature

# --- vouchers


@pytest.fixture
def made(server, tmp_path):
    """A voucher that the server has made and signed with two of the offline keys beside it."""
    out = tmp_path / "voucher.json"
    done = server.run("device", "voucher", "KW1-VOUCHER", "--out", out, "--valid", "30d")
    assert "KW1-VOUCHER" in done.stdout
    return out


def root(server):
    return tuf.parse_root((server.folder / "tuf/image/1.root.json").read_bytes(), 65536)


def judged(server, path, serial="KW1-VOUCHER", now=None):
    return voucher.verify(path.read_bytes(), root(server), serial, now or int(time.time()), verify_signature)


def test_a_camera_takes_the_voucher_that_the_server_makes_and_enrols_with_it_once(server, made, new_camera):
    found = judged(server, made)
    assert found.url == server.device_url
    assert made.stat().st_mode & 0o777 == 0o600
    camera = new_camera("KW1-VOUCHER")
    token = {"id": found.id, "secret": found.secret}
    assert new_camera("KW1-OTHER").simpleenroll(token).status_code == 401
    assert camera.simpleenroll(token).status_code == 200
    assert new_camera("KW1-VOUCHER").simpleenroll(token).status_code == 401, "a voucher serves one key"


def test_a_voucher_ends_when_it_says(server, made):
    with pytest.raises(voucher.ExpiredVoucher):
        judged(server, made, now=int(time.time()) + 31 * 86_400)


def test_a_voucher_is_signed_key_by_key_on_other_machines(server, tmp_path):
    out, offline = tmp_path / "voucher.json", server.folder.with_name(server.folder.name + ".offline")
    server.run("device", "voucher", "KW1-ELSEWHERE", "--out", out, "--prepare")
    kept = tmp_path / "root.json"
    kept.write_bytes((server.folder / "tuf/image/1.root.json").read_bytes())
    first, second = sorted(offline.glob("image-targets-*.pem"))[:2]
    word = ("--passphrase-file", offline / "passphrase", "--yes")
    for keys, complete in (
        ((), False),
        (("--key", first), False),
        (("--key", first), False),
        (("--key", second), True),
    ):
        done = harness.command("keys", "voucher", out, *keys, *word, check=False)
        assert done.returncode == 0, done.stderr
        assert "KW1-ELSEWHERE" in done.stdout
        assert (server.folder / "ownership/current").read_text() in done.stdout  # whose it is, not only its address
        checked = harness.command("keys", "voucher", out, "--root", kept, check=False)
        assert (checked.returncode == 0) is complete, checked.stderr
    assert judged(server, out, "KW1-ELSEWHERE").url == server.device_url


def test_nothing_is_signed_unseen(server, tmp_path):
    out, offline = tmp_path / "voucher.json", server.folder.with_name(server.folder.name + ".offline")
    server.run("device", "voucher", "KW1-UNSEEN", "--out", out, "--prepare")
    key = sorted(offline.glob("image-targets-*.pem"))[0]
    arguments = ("keys", "voucher", out, "--key", key, "--passphrase-file", offline / "passphrase")
    done = harness.command(*arguments, check=False)
    assert done.returncode == 1
    assert "Nothing was signed" in done.stderr
    assert json.loads(out.read_bytes())["signatures"] == []


def test_keys_that_are_not_the_targets_keys_make_no_voucher(server, tmp_path):
    out, offline = tmp_path / "voucher.json", server.folder.with_name(server.folder.name + ".offline")
    server.run("device", "voucher", "KW1-WRONG", "--out", out, "--prepare")
    roots = sorted(offline.glob("image-root-*.pem"))[:3]
    keys = [word for key in roots for word in ("--key", key)]
    harness.command("keys", "voucher", out, *keys, "--passphrase-file", offline / "passphrase", "--yes")
    checked = harness.command("keys", "voucher", out, "--root", server.folder / "tuf/image/1.root.json", check=False)
    assert checked.returncode == 1
    assert "forged_voucher" in checked.stderr


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"signed":{"_type":"voucher"},"signatures":[]}'])
def test_a_file_that_is_no_voucher_is_named_so(tmp_path, body):
    (tmp_path / "v").write_bytes(body)
    done = harness.command("keys", "voucher", tmp_path / "v", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no voucher" in done.stderr


def test_bad_input_leaves_no_file_and_no_token(server, tmp_path):
    for arguments in (("no serial!",), ("KW1-1", "--valid", "soon"), ("KW1-1", "--offline-keys", tmp_path)):
        done = server.run("device", "voucher", *arguments, "--out", tmp_path / "v.json", check=False,
                          env={"CAMWARD_OFFLINE_PASSPHRASE": "x" * 20})  # fmt: skip
        assert done.returncode == 1
        assert not (tmp_path / "v.json").exists()
    done = server.run("device", "voucher", "KW1-1", "--out", tmp_path / "none" / "v.json", check=False)
    assert done.returncode == 1
    assert os.listdir(tmp_path) == []


# --- cameras that leave and come again


def again(camera, new_camera):
    """The same camera after it has left or was erased: same serial number, new keys."""
    return new_camera(camera.serial).enrol()


def test_a_camera_that_left_comes_back_as_another_device(server, camera, new_camera):
    back = again(camera, new_camera)
    assert back.id != camera.id
    listed = {row["id"]: row["serial"] for row in server.json("device", "list")}
    assert listed[camera.id] == listed[back.id] == camera.serial
    several = server.run("device", "show", camera.serial, check=False)
    assert several.returncode == 1
    assert "Give the whole id" in several.stderr
    with back.client() as client:
        assert client.get(f"/tuf/director/{back.id}/timestamp.json").status_code == 200
        assert client.get(f"/tuf/director/{camera.id}/timestamp.json").status_code == 403


def test_removing_the_device_that_is_no_more_leaves_the_new_one(server, camera, new_camera):
    back = again(camera, new_camera)
    server.run("device", "remove", camera.id)
    with camera.client() as client:
        for path in (f"/tuf/director/{camera.id}/timestamp.json", "/tuf/image/timestamp.json", "/device/v1/ownership"):
            assert client.get(path).status_code == 403, path
        assert client.post("/.well-known/est/simplereenroll", content=camera.csr()).status_code == 403
    with back.client() as client:
        assert client.get("/device/v1/ownership").status_code == 200
    assert server.json("device", "show", camera.serial)["id"] == back.id


def test_what_was_assigned_to_the_old_device_is_not_assigned_to_the_new_one(server, camera, new_camera, release):
    server.assign(camera, "1.1.0")
    back = again(camera, new_camera)
    assigned = {row["id"]: row["assigned_version"] for row in server.json("device", "list")}
    assert (assigned[camera.id], assigned[back.id]) == ("1.1.0", None)


def test_a_removed_camera_that_kept_its_keys_enrols_anew_and_versions_go_on(server, camera):
    """Nobody left and nothing was erased: it was removed by mistake. What the camera has stored must still fit."""

    def version():
        with camera.client() as client:
            answer = client.get(f"/tuf/director/{camera.id}/timestamp.json")
            assert answer.status_code == 200, answer.text
            return answer.json()["signed"]["version"]

    before = version()
    server.run("device", "remove", camera.id)
    with pytest.raises(AssertionError):
        version()
    answer = camera.simpleenroll(camera.token())
    assert answer.status_code == 200
    camera.install(answer)
    with camera.client() as client:
        assert client.put("/device/v1/identity", json=camera.identity()).status_code == 204
    assert version() >= before


def test_the_certificate_of_one_operator_opens_nothing_at_another(server, camera, tmp_path):
    """What a former operator's CA has signed is a stranger's certificate here."""
    other = harness.make_server(tmp_path / "other")
    harness.start(other)
    try:
        context = other.context(camera.folder / "cert.pem", camera.folder / "key.pem")
        with httpx.Client(verify=context, base_url=other.device_url) as client, pytest.raises(httpx.TransportError):
            client.get("/device/v1/ownership")
        with pytest.raises(httpx.TransportError):  # and the camera takes no server but its operator's
            httpx.get(other.device_url + "/.well-known/est/cacerts", verify=camera.context())
    finally:
        harness.stop(other)


def test_a_token_names_the_operator_that_made_it(server):
    text = server.run("device", "token").stdout.strip()
    assert tokens.parse(text).url == server.device_url
