"""What a thief of the server's folder has: the online keys, and nothing that the offline roles would count.

This is what tests/scenario/test_stolen_director.py takes for granted about the thief, held against a real server.
"""

import json
import re

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

PRIVATE = re.compile(rb"-----BEGIN (?:EC |RSA |)PRIVATE KEY-----.+?-----END (?:EC |RSA |)PRIVATE KEY-----", re.DOTALL)
ENCRYPTED = b"ENCRYPTED PRIVATE KEY"
ONLINE = {"image": {"snapshot", "timestamp"}, "director": {"targets", "snapshot", "timestamp"}}


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def stolen_keys(folder):
    """The public halves of every private key in any file of the folder, the database included; encrypted files."""
    found, sealed = set(), []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        body = path.read_bytes()
        found |= {spki(load_pem_private_key(pem, None).public_key()) for pem in PRIVATE.findall(body)}
        if ENCRYPTED in body:
            sealed.append(path)
    return found, sealed


def newest_root(folder, name):
    roots = [path for path in folder.rglob("*.root.json") if name in path.relative_to(folder).parts]
    return json.loads(max(roots, key=lambda path: int(path.name.partition(".")[0])).read_bytes())["signed"]


def test_the_servers_folder_holds_the_online_keys_and_no_offline_key(server, release):
    stolen, sealed = stolen_keys(server.folder)
    assert sealed == []
    for name, online in ONLINE.items():
        root = newest_root(server.folder, name)
        for role, keys in root["roles"].items():
            public = {
                spki(load_pem_public_key(root["keys"][one]["keyval"]["public"].encode())) for one in keys["keyids"]
            }
            if role in online:
                assert public <= stolen, f"the search did not find the {name} {role} keys, so it proves nothing"
            else:
                assert not public & stolen, f"{name} {role} is offline"
                assert len(public) > keys["threshold"] > 1
