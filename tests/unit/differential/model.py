"""A repository that can be made wrong in every way: plain JSON objects, signed by whoever, published as one likes.

`Model` holds what lasts (keys, versions, targets, delegations); `Tricks` what is done to the next publication alone.
python-tuf's own classes are not used for making: they would refuse to make most of it.
"""

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tests.unit.differential.keys import canonical, signer

NOW = 1_800_000_000
DAY_S = 86400
ROLES = ("root", "targets", "snapshot", "timestamp")
ONLINE = ("targets", "snapshot", "timestamp")
LIFE_S = {"root": 365 * DAY_S, "targets": 90 * DAY_S, "snapshot": 7 * DAY_S, "timestamp": 2 * DAY_S}
Signed = dict[str, Any]


def moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def described(content: str) -> dict[str, Any]:
    """A target's description."""
    body = content.encode()
    return {"length": len(body), "hashes": {"sha256": hashlib.sha256(body).hexdigest()}}


@dataclass
class Edge:
    """One delegation: to whom, for which paths, and which keys must sign it."""

    name: str
    keys: list[int]
    threshold: int = 1
    terminating: bool = False
    paths: list[str] | None = None
    prefixes: list[str] | None = None

    def entry(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "keyids": [signer(key).keyid for key in self.keys],
            "threshold": self.threshold,
            "terminating": self.terminating,
        }
        if self.paths is not None:
            found["paths"] = list(self.paths)
        if self.prefixes is not None:
            found["path_hash_prefixes"] = list(self.prefixes)
        return found


@dataclass
class Bins:
    """A succinct delegation to hash bins."""

    prefix: str
    bits: int
    keys: list[int]
    threshold: int = 1

    def entry(self) -> dict[str, Any]:
        return {
            "keyids": [signer(key).keyid for key in self.keys],
            "threshold": self.threshold,
            "bit_length": self.bits,
            "name_prefix": self.prefix,
        }


@dataclass
class Node:
    """One targets role: what it lists, to whom it delegates, who signs it."""

    signers: list[int]
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    bins: Bins | None = None
    version: int = 1
    life_s: int = LIFE_S["targets"]

    def delegations(self) -> dict[str, Any] | None:
        if not self.edges and self.bins is None:
            return None
        used = {key for edge in self.edges for key in edge.keys} | set(self.bins.keys if self.bins else [])
        found: dict[str, Any] = {"keys": {signer(key).keyid: signer(key).entry for key in sorted(used)}}
        if self.bins is not None:
            found["succinct_roles"] = self.bins.entry()
        else:
            found["roles"] = [edge.entry() for edge in self.edges]
        return copy.deepcopy(found)


@dataclass
class Tricks:
    """What is done to one publication: by role, to the object before it is signed, to its signatures, to its bytes."""

    signed: dict[str, Callable[[Signed], Any]] = field(default_factory=dict)
    signatures: dict[str, Callable[[list[Any], bytes], list[Any]]] = field(default_factory=dict)
    body: dict[str, tuple[Callable[[bytes], bytes], bool]] = field(default_factory=dict)
    """With the change of the bytes: whether the parent announces the changed bytes or the true ones."""
    meta: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    served: list[Callable[[dict[str, bytes]], Any]] = field(default_factory=list)
    hold: set[str] = field(default_factory=set)
    """Roles whose version stays as it is."""
    silent: bool = False
    """Nothing new is published."""
    lost: set[str] = field(default_factory=set)
    """Files that both clients lose from their disks before they look."""


class Model:
    """One repository through time.

    Args:
        key_count: how many signers it may choose from (tests.unit.differential.keys).

    Attributes:
        served: what a mirror answers, by path.
        history: earlier states of `served`, the oldest first.
    """

    def __init__(self, key_count: int) -> None:
        self.key_count = key_count
        self.now = NOW
        self.keys = {"root": [0, 1, 2], "targets": [3, 4], "snapshot": [5], "timestamp": [6]}
        self.thresholds = {"root": 2, "targets": 1, "snapshot": 1, "timestamp": 1}
        self.root_version = 1
        self.versions = {"snapshot": 1, "timestamp": 1}
        self.life_s = dict(LIFE_S)
        self.consistent: Any = True
        self.targets = Node(signers=[], targets={"a/b": described("one"), "c": described("two")})
        self.delegated: dict[str, Node] = {}
        self.served: dict[str, bytes] = {}
        self.history: list[dict[str, bytes]] = []
        self.tricks = Tricks()
        self.root_body = self._root(self.keys["root"])
        self.publish(first=True)

    def online(self) -> tuple[str, ...]:
        """Every role but root."""
        return (*ONLINE, *self.delegated)

    def node(self, role: str) -> Node:
        return self.targets if role == "targets" else self.delegated[role]

    def version(self, role: str) -> int:
        return self.versions[role] if role in self.versions else self.node(role).version

    def set_version(self, role: str, version: int) -> None:
        if role in self.versions:
            self.versions[role] = version
        else:
            self.node(role).version = version

    def next_root(self, old_keys: list[int] | None = None) -> None:
        """Publish the present keys as the next root, signed by them and by the former root keys."""
        self.root_version += 1
        self._root([*self.keys["root"], *[key for key in old_keys or [] if key not in self.keys["root"]]])

    def publish(self, first: bool = False) -> None:
        """Sign and serve targets, snapshot and timestamp, one version further unless held; then forget the tricks."""
        tricks = self.tricks
        if not tricks.silent:
            self.history.append(dict(self.served))
            if not self.consistent:
                for name in ("snapshot", *self.nodes()):
                    self.served.pop(quote(name, "") + ".json", None)
            metas = {}
            for name, node in self.nodes().items():
                if name not in tricks.hold and not first:
                    node.version += 1
                metas[name + ".json"] = self._publish_node(name, node)
            named = metas
            for role in ("snapshot", "timestamp"):
                if role not in tricks.hold and not first:
                    self.versions[role] += 1
                made = self._publish(role, self.keys[role], {"meta": named}, self.versions[role], self.life_s[role])
                named = {"snapshot.json": made}
        for change in tricks.served:
            change(self.served)
        self.tricks = Tricks()

    def nodes(self) -> dict[str, Node]:
        return {"targets": self.targets, **self.delegated}

    def _publish_node(self, name: str, node: Node) -> dict[str, Any]:
        rest: dict[str, Any] = {"targets": copy.deepcopy(node.targets)}
        delegations = node.delegations()
        if delegations is not None:
            rest["delegations"] = delegations
        keys = self.keys["targets"] if name == "targets" else node.signers
        return self._publish(name, keys, rest, node.version, node.life_s, "targets")

    def _publish(
        self, role: str, keys: list[int], rest: Signed, version: int, life_s: int, kind: str = ""
    ) -> dict[str, Any]:
        """Sign one file and serve it; what its parent shall say about it."""
        signed = {
            "_type": kind or role,
            "spec_version": "1.0.31",
            "version": version,
            "expires": moment(self.now + life_s),
            **rest,
        }
        body, announced = self._file(role, signed, keys)
        name = quote(role, "") + ".json"
        self.served[name if role == "timestamp" or not self.consistent else f"{version}.{name}"] = body
        meta: dict[str, Any] = {
            "version": version,
            "length": len(announced),
            "hashes": {"sha256": hashlib.sha256(announced).hexdigest()},
        }
        if role in self.tricks.meta:
            self.tricks.meta[role](meta)
        return meta

    def _file(self, role: str, signed: Signed, keys: list[int]) -> tuple[bytes, bytes]:
        """The bytes to serve, and those that the parent announces."""
        if role in self.tricks.signed:
            self.tricks.signed[role](signed)
        message = _message(signed)
        signatures: list[Any] = [signer(key).sign(message) for key in keys]
        if role in self.tricks.signatures:
            signatures = self.tricks.signatures[role](signatures, message)
        body = announced = json.dumps({"signatures": signatures, "signed": signed}).encode()
        if role in self.tricks.body:
            spoil, admitted = self.tricks.body[role]
            body = spoil(body)
            if admitted:
                announced = body
        return body, announced

    def _root(self, keys: list[int]) -> bytes:
        used = sorted({key for role in ROLES for key in self.keys[role]})
        signed: Signed = {
            "_type": "root",
            "spec_version": "1.0.31",
            "version": self.root_version,
            "expires": moment(self.now + self.life_s["root"]),
            "consistent_snapshot": self.consistent,
            "keys": {signer(key).keyid: copy.deepcopy(signer(key).entry) for key in used},
            "roles": {
                role: {"keyids": [signer(key).keyid for key in self.keys[role]], "threshold": self.thresholds[role]}
                for role in ROLES
            },
        }
        body, _ = self._file("root", signed, keys)
        self.served[f"{self.root_version}.root.json"] = body
        return body


def _message(signed: Signed) -> bytes:
    """What is signed; for an object that canonical JSON cannot hold (a float), anything at all."""
    try:
        return canonical(signed)
    except Exception:  # noqa: BLE001 - securesystemslib raises several kinds; all mean: not canonical
        return b"no canonical form"
