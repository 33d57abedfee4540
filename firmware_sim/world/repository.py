"""Makes signed TUF and Uptane repositories: the manufacturer's image repository and the operator's director.

The signers are handed in: real keys on CPython, `UnsafeSigner` where there is no cryptography. Attack tests use the
same pieces to make what an attacker with some of the keys could make.
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import block_tree, canonical_json, json, utc
from agent.formats import command as command_format
from agent.formats import receipt as receipt_format
from agent.formats import release as release_format
from agent.formats import taken as taken_format
from agent.formats.release import Release
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Signer(Protocol):
        """Signs for one key."""

        public_pem: str

        def sign(self, message: bytes) -> bytes:
            """The signature, DER for real keys."""
            ...


ROLES = ("root", "targets", "snapshot", "timestamp")
IMAGE_KEYS = {"root": (5, 3), "targets": (3, 2), "snapshot": (1, 1), "timestamp": (1, 1)}
DIRECTOR_KEYS = {"root": (3, 2), "targets": (1, 1), "snapshot": (1, 1), "timestamp": (1, 1)}
DAY_S = 86400
LIFE_S = {"root": 3650 * DAY_S, "targets": 365 * DAY_S, "snapshot": 30 * DAY_S, "timestamp": 7 * DAY_S}
MODEL = "kawa-1"
HARDWARE = "a"


def keyid(signer: "Signer") -> str:
    """The key id as python-tuf computes it."""
    return _sha256(canonical_json.encode(_key(signer)))


def _key(signer: "Signer") -> "dict[str, Any]":
    return {
        "keytype": "ecdsa",
        "scheme": "ecdsa-sha2-nistp256",
        "keyval": {"public": signer.public_pem},
    }


def _sha256(data: bytes) -> str:
    return hexlify(sha256(data).digest()).decode()


def signed_file(signed: "dict[str, Any]", signers: "list[Signer]") -> bytes:
    """A metadata file: the `signed` part with one signature per signer."""
    message = canonical_json.encode(signed)
    signatures = [{"keyid": keyid(signer), "sig": hexlify(signer.sign(message)).decode()} for signer in signers]
    return json.dump({"signed": signed, "signatures": signatures})


def _no_signer(name: str) -> "Signer":
    raise ValueError(name)


class Repository:
    """One TUF repository and all its keys; publishes what its attributes say.

    Attributes:
        signers: by role. More than `threshold` of them may stand there; exactly as many as it needs sign.
        thresholds: by role.
        versions: by role, of the last published file.
        targets: the target descriptions, by name, of the next targets file.
        extra: members added to the `signed` part, by role.
        now_s: when things are signed.
        life_s: how long each role's files live.
        files: what was published last, by path, such as `timestamp.json` and `1.root.json`.
    """

    def __init__(
        self, name: str, numbers: "dict[str, tuple[int, int]]", make_signer: "Callable[[str], Signer]", now_s: int
    ) -> None:
        self.name = name
        self.signers: dict[str, list[Signer]] = {}
        self.thresholds: dict[str, int] = {}
        for role in ROLES:
            count, self.thresholds[role] = numbers[role]
            self.signers[role] = [make_signer(name + " " + role + " " + str(index)) for index in range(count)]
        self.versions = dict.fromkeys(ROLES, 0)
        self.targets: dict[str, dict[str, Any]] = {}
        self.extra: dict[str, dict[str, Any]] = {role: {} for role in ROLES}
        self.now_s = now_s
        self.life_s = dict(LIFE_S)
        self.files: dict[str, bytes] = {}

    def copy(self) -> "Repository":
        """A twin with the same keys: what a thief of all of them would have."""
        twin = Repository(self.name, dict.fromkeys(ROLES, (0, 0)), _no_signer, self.now_s)
        twin.signers = {role: list(self.signers[role]) for role in ROLES}
        twin.thresholds = dict(self.thresholds)
        twin.versions = dict(self.versions)
        twin.targets = dict(self.targets)
        twin.extra = {role: dict(self.extra[role]) for role in ROLES}
        twin.life_s = dict(self.life_s)
        twin.files = dict(self.files)
        return twin

    def signed(self, role: str, version: int, rest: "dict[str, Any]") -> "dict[str, Any]":
        """The `signed` part of a file: what all roles have, `rest`, and the extra members."""
        signed: dict[str, Any] = {
            "_type": role,
            "spec_version": "1.0.31",
            "version": version,
            "expires": utc.render(self.now_s + self.life_s[role]),
        }
        signed.update(rest)
        signed.update(self.extra[role])
        return signed

    def sign(self, role: str, signed: "dict[str, Any]") -> bytes:
        """The file, with as many signatures as the role needs."""
        return signed_file(signed, self.signers[role][: self.thresholds[role]])

    def root_signed(self, version: int) -> "dict[str, Any]":
        """The `signed` part of a root with the present keys."""
        keys, roles = {}, {}
        for role in ROLES:
            for signer in self.signers[role]:
                keys[keyid(signer)] = _key(signer)
            roles[role] = {
                "keyids": [keyid(signer) for signer in self.signers[role]],
                "threshold": self.thresholds[role],
            }
        return self.signed("root", version, {"keys": keys, "roles": roles, "consistent_snapshot": True})

    def publish_root(self, old_signers: "list[Signer] | None" = None) -> bytes:
        """A new root; after a change of root keys it is signed by the old ones as well."""
        self.versions["root"] += 1
        signers = list(self.signers["root"])
        known = [keyid(signer) for signer in signers]
        signers += [signer for signer in old_signers or [] if keyid(signer) not in known]
        body = signed_file(self.root_signed(self.versions["root"]), signers)
        self.files[str(self.versions["root"]) + ".root.json"] = body
        return body

    def publish_targets(self) -> bytes:
        """A new targets file from `targets`."""
        self.versions["targets"] += 1
        version = self.versions["targets"]
        body = self.sign("targets", self.signed("targets", version, {"targets": dict(self.targets)}))
        self.files[str(version) + ".targets.json"] = body
        return body

    def publish_snapshot(self) -> bytes:
        """A new snapshot of the present targets file."""
        self.versions["snapshot"] += 1
        version = self.versions["snapshot"]
        body = self.sign("snapshot", self.signed("snapshot", version, {"meta": {"targets.json": self.meta("targets")}}))
        self.files[str(version) + ".snapshot.json"] = body
        return body

    def publish_timestamp(self) -> bytes:
        """A new timestamp of the present snapshot, which it names by version alone, as the real server does."""
        self.versions["timestamp"] += 1
        rest = {"meta": {"snapshot.json": {"version": self.versions["snapshot"]}}}
        body = self.sign("timestamp", self.signed("timestamp", self.versions["timestamp"], rest))
        self.files["timestamp.json"] = body
        return body

    def publish(self) -> None:
        """Targets, snapshot, timestamp; and the first root if there is none."""
        if not self.versions["root"]:
            self.publish_root()
        self.publish_targets()
        self.publish_snapshot()
        self.publish_timestamp()

    def meta(self, role: str) -> "dict[str, Any]":
        """What the next role's file says about this role's present one."""
        body = self.files[str(self.versions[role]) + "." + role + ".json"]
        return {"version": self.versions[role], "length": len(body), "hashes": {"sha256": _sha256(body)}}


class Published(Value):
    """One release with its two files."""

    FIELDS = ("release", "image", "tree")
    release: Release
    image: bytes
    tree: bytes


def make_release(
    image: bytes,
    version: str,
    security_epoch: int,
    model: str = MODEL,
    hardware: str = HARDWARE,
    layout: str = "ab-1",
) -> Published:
    """A release of a slot image, with its block tree."""
    size = block_tree.BLOCK_BYTES
    tree = b"".join(block_tree.leaf(image[at : at + size]) for at in range(0, len(image), size))
    name = model + "-" + hardware + "-" + version
    return Published(
        Release(
            target=name + ".slot",
            length_bytes=len(image),
            sha256=_sha256(image),
            model=model,
            hardware=(hardware,),
            version=version,
            security_epoch=security_epoch,
            severity="high",
            support_ends="2031-12-31",
            block_count=len(image) // size,
            block_bytes=size,
            tree_root=hexlify(block_tree.root_of(tree)).decode(),
            tree_name=name + ".tree",
            tree_length_bytes=len(tree),
            tree_sha256=_sha256(tree),
            layout=layout,
            requires=(),
            fixed=(release_format.BOOTLOADER,),
            notes_en="A release of the simulated world.",
            notes_ja="シミュレーションのリリースです。",
        ),
        image,
        tree,
    )


class Operator:
    """Both repositories as a manufacturer and an operator keep them, for one device.

    Attributes:
        device_id: whom the director speaks to.
        releases: what `add` was given, by version.
        files: what a server serves, by path.
        command_signers, authority_signers: whose commands the device takes, one of them, or two.
    """

    def __init__(self, image: Repository, director: Repository) -> None:
        self.device_id = ""
        self.command_signers: list[Signer] = []
        self.authority_signers: list[Signer] = []
        self.image = image
        self.director = director
        self.releases: dict[str, Published] = {}
        self.files: dict[str, bytes] = {}

    def copy(self) -> "Operator":
        """A twin with the same keys and files, to forge with."""
        twin = Operator(self.image.copy(), self.director.copy())
        twin.device_id = self.device_id
        twin.command_signers = list(self.command_signers)
        twin.authority_signers = list(self.authority_signers)
        twin.releases = dict(self.releases)
        twin.files = dict(self.files)
        return twin

    def adopt(self, device_id: str) -> None:
        """Direct this device from now on."""
        self.device_id = device_id
        self.set_time(self.director.now_s)

    def set_time(self, now_s: int) -> None:
        """What is signed from now on is signed at this time."""
        self.image.now_s = self.director.now_s = now_s
        for repository in (self.image, self.director):
            repository.extra["root"] = {"x-camward-issued-at": utc.render(now_s)}
        self.director.extra["timestamp"] = {
            "x-camward-issued-at": utc.render(now_s),
            "x-camward-device": self.device_id,
        }
        for role in ("snapshot", "targets"):
            self.director.extra[role] = {"x-camward-device": self.device_id}

    def receipt(self, nonce: str, now_s: int) -> bytes:
        """The time receipt for the device."""
        signed = receipt_format.signed_part(self.device_id, nonce, now_s)
        director = self.director
        return signed_file(signed, director.signers["timestamp"][: director.thresholds["timestamp"]])

    def taken(self, device_id: str, messages: "tuple[taken_format.One, ...]") -> bytes:
        """The receipt for messages that have arrived."""
        director = self.director
        signed = taken_format.signed_part(device_id, messages)
        return signed_file(signed, director.signers["timestamp"][: director.thresholds["timestamp"]])

    def command(
        self, name: str, seq: int, now_s: int, arguments: "dict[str, Any] | None" = None, valid_s: int = 3600
    ) -> bytes:
        """A command for the device, signed as it has to be."""
        signed = command_format.signed_part(self.device_id, seq, now_s, now_s + valid_s, name, arguments or {})
        grave = name in command_format.GRAVE
        return signed_file(signed, self.authority_signers[:2] if grave else self.command_signers[:1])

    def add(self, published: Published) -> None:
        """Let the manufacturer publish a release."""
        release = published.release
        self.releases[release.version] = published
        self.image.targets[release.target] = describe(release)
        self.image.targets[release.tree_name] = {
            "length": release.tree_length_bytes,
            "hashes": {"sha256": release.tree_sha256},
        }
        self.files["/targets/" + release.sha256 + "." + release.target] = published.image
        self.files["/targets/" + release.tree_sha256 + "." + release.tree_name] = published.tree

    def assign(
        self,
        version: "str | None",
        delivery: "dict[str, Any] | None" = None,
        change: "Any" = None,
    ) -> None:
        """Let the director assign a release to the device, or none; publish everything.

        `delivery` and `change`: the `x-camward-delivery` and `x-camward-credentials` that it signs as well.
        """
        self.director.targets = {}
        self.director.extra["targets"] = {"x-camward-device": self.device_id}
        if delivery is not None:
            self.director.extra["targets"]["x-camward-delivery"] = delivery
        if change is not None:
            self.director.extra["targets"]["x-camward-credentials"] = change
        if version is not None:
            release = self.releases[version].release
            self.director.targets[release.target] = describe(release)
        self.publish()

    def publish(self) -> None:
        """Sign everything anew and serve it."""
        self.image.publish()
        self.director.publish()
        self.serve()

    def serve(self) -> None:
        """Serve what both repositories have published."""
        for path in self.image.files:
            self.files["/tuf/image/" + path] = self.image.files[path]
        for path in self.director.files:
            self.files["/tuf/director/" + self.device_id + "/" + path] = self.director.files[path]


def new_operator(make_signer: "Callable[[str], Signer]", now_s: int) -> Operator:
    """An operator with new keys and the first roots; `make_signer` makes the signer with the given name."""
    operator = Operator(
        Repository("image", IMAGE_KEYS, make_signer, now_s), Repository("director", DIRECTOR_KEYS, make_signer, now_s)
    )
    operator.set_time(now_s)
    operator.image.publish_root()
    operator.director.publish_root()
    return operator


def describe(release: Release) -> "dict[str, Any]":
    """The target description of a release's slot, the same in both repositories."""
    return {
        "length": release.length_bytes,
        "hashes": {"sha256": release.sha256},
        "custom": release_format.custom(release),
    }
