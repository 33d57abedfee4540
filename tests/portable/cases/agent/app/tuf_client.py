import sys
from binascii import hexlify
from hashlib import sha256

from agent.adapters.micropython.p256 import verify_signature
from agent.app.tuf_client import TufClient, begin
from agent.formats import tuf
from agent.formats.errors import Rejected, Unavailable

FIXTURES = sys.argv[3]
NOW = 1800000000
SLOT = b"".join(bytes([n]) * 4096 for n in range(3))
DIGESTS = {"sha256": lambda body: str(hexlify(sha256(body).digest()), "utf-8")}


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


class Folder:
    def __init__(self, base):
        self.base = base

    def get(self, path, max_bytes):
        body = read(self.base + path)
        print("  asks", path, max_bytes, body is not None)
        return body


class Memory:
    def __init__(self):
        self.files = {}

    def stored(self):
        return dict(self.files)

    def read(self, path, length_bytes):
        body = self.files.get(path)
        return body if body is not None and len(body) == length_bytes else None

    def write(self, name, body):
        print("  stores", name, len(body) > 0)
        self.files[name] = body

    def delete(self, name):
        print("  deletes", name)
        self.files.pop(name, None)


class Shelf:
    def __init__(self, body):
        self.body = body

    def get(self, path, max_bytes):
        # The last part without the hash, which is of fixed content: what the content is, the hash says.
        print("  fetches", path, max_bytes)
        return self.body


def attempt(what, step):
    print(what)
    try:
        print(" ", step())
    except (Rejected, Unavailable) as error:
        print(" ", error)


for world in ("install", "mixed", "rotated"):
    for name in ("image", "director"):
        base = FIXTURES + "/trust/" + world
        store, downloads = Memory(), Memory()
        served = Folder(base + "/served/" + name + "/")
        print("==", world, name)
        begin(store, read(base + "/stored/" + name + "/root"), tuf.read_p256_key, verify_signature)
        for at in (NOW, NOW + 86400 * 2):
            client = TufClient(store, served, at, tuf.read_p256_key, verify_signature, DIGESTS, print)
            attempt("refresh", client.refresh)
        client = TufClient(store, served, NOW, tuf.read_p256_key, verify_signature, DIGESTS, print)
        for body in (SLOT, SLOT[:-1], SLOT + b"x", None, SLOT):
            attempt("download", lambda: client.download("kawa-1-1.1.0.slot", Shelf(body), downloads))  # noqa: B023
            if body is SLOT:
                attempt("again", lambda: client.download("kawa-1-1.1.0.slot", Shelf(None), downloads))  # noqa: B023
                downloads.files.clear()
        attempt("unknown", lambda: client.download("../nothing", Shelf(b""), downloads))  # noqa: B023
attempt("no root", lambda: TufClient(Memory(), served, NOW, tuf.read_p256_key, verify_signature, DIGESTS, print))
attempt("bad root", lambda: begin(Memory(), b"{}", tuf.read_p256_key, verify_signature))
