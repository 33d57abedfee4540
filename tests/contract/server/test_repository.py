"""What the server publishes is accepted by python-tuf's own client and by the device's verifier, over real TLS."""

import hashlib
import json
import time
from pathlib import Path

import httpx
import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from agent.core import trust
from agent.core.clock import Time
from update_server.repository.devicecheck import verify_signature


class Fetcher(FetcherInterface):
    """python-tuf's fetcher port over the camera's mutual TLS."""

    def __init__(self, client):
        self.client = client

    def _fetch(self, url):
        answer = self.client.get(url)
        if answer.status_code != 200:
            raise DownloadHTTPError(url, answer.status_code)
        yield answer.content


def updater(camera, client, repository, folder, root):
    base = camera.server.device_url
    return Updater(
        str(folder), f"{base}/tuf/{repository}/", str(folder), f"{base}/targets/",
        fetcher=Fetcher(client), bootstrap=root,
    )  # fmt: skip


def device_check(camera, client, version="1.0.0", stored=None):
    """The device's own conversation. Returns outcome and the stored files."""
    folder = camera.server.folder / "tuf"
    stored = stored or {
        "image": {"root": (folder / "image/1.root.json").read_bytes()},
        "director": {"root": (folder / "director/1.root.json").read_bytes()},
    }
    for repository in stored.values():
        for role in ("timestamp", "snapshot", "targets"):
            repository.setdefault(role, None)
    check = trust.Check(
        trust.Device(camera.id, "kawa-1", "a", version, 1), stored, Time(int(time.time()), 0, 0), verify_signature
    )
    requests = 0
    while (wanted := check.wants()) is not None:
        requests += 1
        base = "image" if wanted.repository == "image" else f"director/{camera.id}"
        answer = client.get(f"/tuf/{base}/{wanted.path}")
        assert answer.status_code in (200, 404), answer.text
        if answer.status_code == 404:
            check.absent()
        else:
            check.feed(answer.content)
    for name, body in check.accepted():
        repository, _, role = name.partition("/")
        stored[repository][role] = body
    return check.outcome, stored, requests


def test_python_tuf_accepts_the_image_repository(camera, release, tmp_path):
    slot, tree = release
    with camera.client() as client:
        root = (camera.server.folder / "tuf/image/1.root.json").read_bytes()
        client_updater = updater(camera, client, "image", tmp_path, root)
        client_updater.refresh()
        for file in (slot, tree):
            info = client_updater.get_targetinfo(file.name)
            assert Path(client_updater.download_target(info)).read_bytes() == file.read_bytes()


def test_python_tuf_accepts_the_director_repository(camera, release, tmp_path):
    camera.server.assign(camera, "1.1.0")
    with camera.client() as client:
        root = json.loads(client.get("/device/v1/ownership").content)["director_root"].encode()
        client_updater = updater(camera, client, f"director/{camera.id}", tmp_path, root)
        info = client_updater.get_targetinfo(release[0].name)
    assert info.unrecognized_fields["custom"]["camward"]["version"] == "1.1.0"


def test_the_devices_verifier_installs_what_is_assigned_and_then_idles_in_one_request(camera, release):
    with camera.client() as client:
        outcome, stored, _ = device_check(camera, client)
        assert outcome is None
        camera.server.assign(camera, "1.1.0")
        outcome, stored, _ = device_check(camera, client, stored=stored)
        assert (outcome.version, outcome.target) == ("1.1.0", release[0].name)
        outcome, stored, requests = device_check(camera, client, "1.1.0", stored)
        assert (outcome, requests) == (None, 1)
        camera.server.assign(camera, None)
        outcome, _, _ = device_check(camera, client, stored=stored)
        assert outcome is None


def test_a_release_for_another_model_is_not_assigned(camera, release):
    with camera.client() as client:
        assert client.put("/device/v1/identity", json=camera.identity(model="yama-2")).status_code == 204
    refused = camera.server.run("device", "assign", camera.id, "1.1.0", check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1


def test_an_older_release_than_runs_is_not_published_for_a_camera(camera, release):
    with camera.client() as client:
        client.put("/device/v1/identity", json=camera.identity(version="2.0.0"))
        before = client.get(f"/tuf/director/{camera.id}/timestamp.json").content
        refused = camera.server.run("device", "assign", camera.id, "1.1.0", check=False)
        assert refused.returncode == 1
        assert "rollback" in refused.stderr
        assert client.get(f"/tuf/director/{camera.id}/timestamp.json").content == before


def test_targets_come_in_ranges_with_a_strong_etag(camera, release):
    content = release[0].read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"/targets/{sha256}.{release[0].name}"
    with camera.client() as client:
        part = client.get(path, headers={"Range": "bytes=4096-8191"})
        assert (part.status_code, part.content) == (206, content[4096:8192])
        assert part.headers["ETag"] == f'"{sha256}"'
        rest = client.get(path, headers={"Range": "bytes=8192-", "If-Range": f'"{sha256}"'})
        assert (rest.status_code, rest.content) == (206, content[8192:])
        assert client.get(path, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
        for bad in ("/targets/..%2fserver.toml", "/targets/x", f"/targets/{'0' * 64}.no"):
            assert client.get(bad).status_code == 404


@pytest.mark.parametrize("name", ["2.root.json", "01.root.json", "../keys", "snapshot.json", "0.targets.json"])
def test_what_is_not_there_is_not_found(camera, name):
    with camera.client() as client:
        for base in ("image", f"director/{camera.id}"):
            assert client.get(f"/tuf/{base}/{name.replace('/', '%2f')}").status_code == 404


def test_a_damaged_build_is_refused_and_nothing_is_published(server, tools, tmp_path, release):
    slot, tree, manifest = tools.write_build(tmp_path / "b", "9.9.9")
    before = {p.name: p.read_bytes() for p in (server.folder / "tuf/image").iterdir()}
    content = bytearray(slot.read_bytes())
    content[5000] ^= 1
    slot.write_bytes(content)
    done = server.run("release", "add", slot, "--tree", tree, "--manifest", manifest, check=False)
    assert done.returncode == 1
    assert "do not belong together" in done.stderr
    assert {p.name: p.read_bytes() for p in (server.folder / "tuf/image").iterdir()} == before


def test_a_withdrawn_release_is_installed_by_nobody(server, tools, tmp_path, new_camera):
    tools.add_release(server, tmp_path / "b", "1.0.5")
    camera = new_camera().enrol()
    server.assign(camera, "1.0.5")
    refused = server.run("release", "withdraw", "1.0.5", check=False)
    assert "assigned" in refused.stderr
    server.assign(camera, None)
    server.run("release", "withdraw", "1.0.5")
    assert server.run("device", "assign", camera.id, "1.0.5", check=False).returncode == 1
    with camera.client() as client:
        assert device_check(camera, client)[0] is None


def test_tls_1_1_is_refused_and_1_2_is_taken(server):
    import ssl
    import warnings

    for version, works in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = server.context()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with httpx.Client(verify=context) as client:
            if works:
                assert client.get(server.device_url + "/.well-known/est/cacerts").status_code == 200
            else:
                with pytest.raises(httpx.TransportError):
                    client.get(server.device_url + "/.well-known/est/cacerts")
