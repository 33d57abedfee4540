"""Both repositories with their offline keys, a blob folder and a custody, and cameras that look at them."""

import shutil
import types

from agent.core.trust_repository import Repository
from tests.unit.server.conftest import NOW
from update_server.files import SECRET
from update_server.repository import ceremony, director, image, signers
from update_server.repository.blobs import Blobs
from update_server.repository.custody import Changes, Custody
from update_server.repository.devicecheck import NOBODY, DeviceCheck
from update_server.repository.director import Director
from update_server.repository.image import ImageRepository, Lifetimes
from update_server.repository.releases import Releases
from update_server.repository.verifier import verify_signature

LIFETIMES = Lifetimes(timestamp_s=7000, snapshot_s=30_000)
PASS = b"passphrase"
PREFIXES = {
    ("image", "root"): image.ROOT_PREFIX, ("image", "targets"): image.TARGETS_PREFIX,
    ("director", "root"): director.ROOT_PREFIX,
}  # fmt: skip


def build(root):
    for name in ("image", "director", "keys", "offline", "blobs"):
        (root / name).mkdir()
    image.make(root / "image", root / "keys", root / "offline", PASS, LIFETIMES, NOW)
    director.make(root / "director", root / "keys", root / "offline", PASS, NOW)


class Room:
    def __init__(self, root, write=None):
        self.root = root
        options = {"write": write} if write else {}
        self.image = ImageRepository(root / "image", root / "keys", LIFETIMES, **options)
        self.director = Director(root / "director", root / "keys", LIFETIMES, 600)
        self.check = DeviceCheck(self.image, self.director)
        self.releases = Releases(self.image, Blobs(root / "blobs"), Blobs(root / "private", SECRET), self.check)
        self.custody = Custody(self.image, self.director, self.releases)

    @classmethod
    def copy(cls, made, root, **options):
        shutil.copytree(made, root)
        return cls(root, **options)

    def offline(self, repository, role, *numbers):
        prefix = PREFIXES[repository, role]
        files = (self.root / "offline" / f"{prefix}-{number}.pem" for number in numbers)
        return [signers.load(f"encrypted-file:{file}", PASS) for file in files]

    def new_key(self, name):
        return signers.make(self.root / "offline" / f"{name}.pem", PASS)

    def prepare(self, repository, now=NOW, **changes):
        return self.custody.prepare_root(repository, Changes(**changes), now)

    def publish(self, session, made, *signing, now=NOW):
        for signer in signing:
            ceremony.sign(made, signer)
        return self.custody.publish(session, made, now)

    def rotate(self, session, repository, *, now=NOW, signing=None, **changes):
        """Prepare, sign with the first offline root keys, publish."""
        made = self.prepare(repository, now, **changes)
        numbers = (1, 2, 3) if repository == "image" else (1, 2)
        return self.publish(session, made, *(signing or self.offline(repository, "root", *numbers)), now=now)

    def served(self, repository):
        if repository == "image":
            return {path.name: path.read_bytes() for path in self.root.joinpath("image").iterdir()}
        roots = {path.name: path.read_bytes() for path in self.root.joinpath("director").iterdir()}
        return roots | self.director.compose(NOBODY, {}, (1, 1, 1), NOW).files()


class Camera:
    """What one camera has stored of one repository, beginning with root 1."""

    def __init__(self, name, root):
        self.name = name
        self.stored = {"root": root, "timestamp": None, "snapshot": None, "targets": None}

    def look(self, served, now=NOW):
        """The device's own verifier over `served` (bytes by name); raises as it does."""

        def keep(role, body):
            self.stored[role] = body

        repository = Repository(self.name, self.stored, verify_signature, keep)
        steps = self._steps(repository, now)
        request = next(steps)
        try:
            while True:
                request = steps.send(served.get(request.path))
        except StopIteration:
            return types.SimpleNamespace(root=repository.root.metadata.version)

    @staticmethod
    def _steps(repository, now):
        yield from repository.refresh_root(now)
        timestamp, body = yield from repository.refresh_timestamp(now)
        repository.keep_timestamp(timestamp, body)
        snapshot = yield from repository.refresh_snapshot(timestamp, now)
        yield from repository.refresh_targets(snapshot, now)
