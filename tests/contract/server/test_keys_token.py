"""Keys on a PKCS#11 token (SoftHSM2): an offline key, and the online keys of a server that serves a camera."""

import subprocess
import sys

import pytest

from tests.contract.server import harness
from tests.contract.server.test_keys import one_line
from tests.contract.server.test_repository import device_check

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
P384 = """
import sys, pkcs11, pkcs11.util.ec as ec
with pkcs11.lib(sys.argv[1]).get_token(token_label="camward").open(user_pin=sys.argv[2], rw=True) as session:
    curve = {pkcs11.Attribute.EC_PARAMS: ec.encode_named_curve_parameters("1.3.132.0.34")}
    parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
    parameters.generate_keypair(id=bytes([0x38]), store=True)
"""


def uri(home, number, pin=True):
    return f"pkcs11:token=camward;id=%{number:02x}?module-path={MODULE}" + (f"&pin-source={home}/pin" if pin else "")


@pytest.fixture
def server(tmp_path):
    made = harness.make_server(tmp_path / "s")
    yield made
    if made.process is not None:
        harness.stop(made)


def test_a_key_is_made_on_the_token_and_signs_a_ceremony(token, server, tmp_path):
    harness.command("keys", "new", uri(token, 1), "--public", tmp_path / "aiko.pub")
    again = harness.command("keys", "new", uri(token, 1), "--public", tmp_path / "other.pub", check=False)
    assert "something with that id already" in one_line(again)
    harness.command("keys", "public", uri(token, 1), "-o", tmp_path / "same.pub")
    assert (tmp_path / "same.pub").read_bytes() == (tmp_path / "aiko.pub").read_bytes()
    file = tmp_path / "d.json"
    server.run("keys", "prepare", "root", "--repository", "director", "--remove", "root=director-root-1",
               "--add", f"root={tmp_path / 'aiko.pub'}", "-o", file)  # fmt: skip
    offline = server.folder.with_name("s.offline")
    harness.command("keys", "sign", file, "--offline-keys", offline, "--yes")
    refused = harness.command("keys", "sign", file, "--key", uri(token, 1, pin=False), "--yes", check=False)
    assert "needs its PIN" in one_line(refused)
    wrong = harness.command(
        "keys", "sign", file, "--key", uri(token, 1, pin=False), "--yes", env={"CAMWARD_PIN": "0"}, check=False
    )
    assert "does not sign: Pin" in one_line(wrong)
    pin = {"CAMWARD_PIN": (token / "pin").read_text()}
    assert "aiko" in harness.command("keys", "sign", file, "--key", uri(token, 1, pin=False), "--yes", env=pin).stdout
    assert "published" in server.run("keys", "import", file).stdout


def test_a_key_or_token_that_is_not_there_is_one_line(token, tmp_path):
    out = ("-o", tmp_path / "x.pub")
    assert "could not find" in one_line(harness.command("keys", "public", uri(token, 0x66), *out, check=False))
    other = uri(token, 1).replace("token=camward", "token=other")
    assert "No PKCS#11 token found for label other" in one_line(
        harness.command("keys", "public", other, *out, check=False)
    )
    assert not (tmp_path / "x.pub").exists()


def test_a_key_of_another_curve_on_the_token_is_refused(token, tmp_path):
    subprocess.run([sys.executable, "-c", P384, MODULE, (token / "pin").read_text()], check=True, capture_output=True)
    line = one_line(harness.command("keys", "public", uri(token, 0x38), "-o", tmp_path / "x.pub", check=False))
    assert "Only ECDSA P-256 keys are used" in line


def test_a_server_whose_online_keys_are_on_a_token_serves_cameras(token, server, tmp_path):
    """And without the token it does not start, and says so."""
    roles = {"image": ("snapshot", "timestamp"), "director": ("targets", "snapshot", "timestamp")}
    number = 16
    for repository, names in roles.items():
        words = []
        for name in names:
            number += 1
            harness.command("keys", "new", uri(token, number), "--public", tmp_path / f"{number}.pub")
            words += ["--online", f"{name}={uri(token, number)}"]
        file = tmp_path / f"{repository}.json"
        harness.command(
            "keys", "prepare", "root", "--repository", repository, *words, "-o", file, "--dir", server.folder
        )
        harness.command("keys", "sign", file, "--offline-keys", server.folder.with_name("s.offline"), "--yes")
        harness.command("keys", "import", file, "--dir", server.folder)
    for key in (server.folder / "keys").glob("*.pem"):
        key.unlink()  # the key files are not needed any more
    harness.start(server)
    camera = harness.Camera(server, tmp_path / "camera", "KW1-1").enrol()
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    harness.command("release", "add", slot, "--tree", tree, "--manifest", manifest, "--dir", server.folder)
    harness.command("device", "assign", camera.id, "1.1.0", "--dir", server.folder)
    with camera.client() as client:
        outcome, stored, _ = device_check(camera, client)
        assert outcome.version == "1.1.0"
    assert b'"version":2' in stored["director"]["root"].replace(b" ", b"")
    harness.stop(server)
    server.process = None
    (token / "tokens").rename(token / "gone")
    (token / "tokens").mkdir()
    try:
        done = harness.command_line("serve", server.folder, "--with-broker")
    finally:
        (token / "tokens").rmdir()
        (token / "gone").rename(token / "tokens")
    assert "No PKCS#11 token found for label camward" in one_line(done)
