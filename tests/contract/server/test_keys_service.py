"""A key in a cloud's key service: securesystemslib's real signer over a stand-in for the cloud's own library.

The stand-in is a folder on PYTHONPATH with the three names that the signer uses. Its service keeps its key in a file.
"""

import os

import pytest

from tests.contract.server import harness
from tests.contract.server.test_keys import one_line

LIBRARY = {
    "botocore/__init__.py": "",
    "botocore/exceptions.py": """
class BotoCoreError(Exception):
    pass
class ClientError(Exception):
    pass
""",
    "boto3/__init__.py": """
import os, pathlib
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

class Service:
    def __init__(self):
        self.home = pathlib.Path(os.environ["KEY_SERVICE"])

    def key(self, name):
        if (self.home / "down").exists():
            raise ClientError("AccessDeniedException")
        path = self.home / name.replace("/", "-")
        if not path.exists():
            curve = ec.SECP384R1() if "384" in name else ec.SECP256R1()
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            path.write_bytes(ec.generate_private_key(curve).private_bytes(*form))
        return serialization.load_pem_private_key(path.read_bytes(), None)

    def get_public_key(self, KeyId):
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        algorithm = "ECDSA_SHA_384" if "384" in KeyId else "ECDSA_SHA_256"
        return {"SigningAlgorithms": [algorithm], "PublicKey": self.key(KeyId).public_key().public_bytes(*form)}

    def sign(self, KeyId, Message, MessageType, SigningAlgorithm):
        kind = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        return {"Signature": self.key(KeyId).sign(Message, kind)}

def client(name):
    if name != "kms":
        raise ValueError(name)
    return Service()
""",
}


@pytest.fixture
def service(tmp_path):
    for name, text in LIBRARY.items():
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    home = tmp_path / "service"
    home.mkdir()
    paths = os.pathsep.join(filter(None, (str(tmp_path / "library"), os.environ.get("PYTHONPATH"))))
    with harness.environment({"PYTHONPATH": paths, "KEY_SERVICE": str(home)}):
        yield home


def test_an_online_key_in_a_key_service_signs_for_the_server(service, tmp_path):
    folder, run = tmp_path / "s", harness.command_line
    harness.command("init", folder, "--operator", "Op", "--host", "h")
    here, file = ("--dir", folder), tmp_path / "d.json"
    refused = run("keys", "prepare", "root", "--online", "timestamp=awskms:alias/p384", "-o", file, *here)
    assert "Only ECDSA P-256 keys are used" in one_line(refused)
    done = run("keys", "prepare", "root", "--online", "timestamp=awskms:alias/camward", "-o", file, *here)
    assert "NEW    image-timestamp (" in done.stdout, done.stderr
    harness.command("keys", "sign", file, "--offline-keys", tmp_path / "s.offline", "--yes")
    assert "published" in run("keys", "import", file, *here).stdout
    assert "awskms:alias/camward" in run("keys", "list", "--json", *here).stdout
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    release = ("release", "add", slot, "--tree", tree, "--manifest", manifest, *here)
    before = (folder / "tuf/image/timestamp.json").read_bytes()
    (service / "down").touch()
    line = one_line(run(*release))
    assert "awskms:alias/camward does not sign: ClientError AccessDeniedException" in line
    assert (folder / "tuf/image/timestamp.json").read_bytes() == before
    (service / "down").unlink()
    assert "is published" in run(*release).stdout
    (service / "alias-camward").unlink()  # the service answers with a new key of that name
    assert "signs with another key than expected" in one_line(run("release", "withdraw", "1.1.0", *here))
