"""A plain TUF client: the agent's own trust core on one repository, without Uptane's second opinion.

This is what `camward-agent tuf` runs, so that outside suites can test the code that the product trusts. It is not what
the agent runs on a camera (that is `agent.core.trust.Check`).

The specification's client workflow (5.1 to 5.7), with `now` fixed at the start:

1. `refresh` walks the root chain, then timestamp, snapshot and top-level targets. What verifies is stored at once.
2. A timestamp with the stored version but other content is not taken; the stored one stays and the update goes on
   with it (5.4.3.1). The caller is told by `discarded`.
3. `download` searches the delegations for the target, and fetches it unless an equal file is there already.

Requests are made in the specification's order, and no others.
"""

from agent.core.trust_delegations import find_target
from agent.core.trust_errors import ArbitrarySoftware, DamagedRoot, EndlessData, Equivocation
from agent.core.trust_repository import MAX_ROOT_ROTATIONS, Repository, check_length
from agent.formats import percent
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from agent.core.trust_repository import Conversation, Request
    from agent.core.trust_threshold import VerifySignature
    from agent.formats import tuf
    from agent.formats.tuf import ReadKey
else:
    Protocol = object

MAX_TARGET_BYTES = 256 * 1024 * 1024  # held in memory until its hash is known; twice the largest image of a camera
MAX_WALKS = 8  # of the root chain in one session: 256 roots, as python-tuf has it
NAME = "tuf"  # what errors call the repository
# Characters of a target's path that a URL's path may hold as they are (RFC 3986, 3.3).
_PATH = "/!$&'()*+,;=:@"


class UnknownTarget(Rejected):
    """No role that may speak for this path lists it."""

    code = "unknown_target"


class MetadataStore(Protocol):
    """The trusted metadata by role name; any text can be one."""

    def stored(self) -> "dict[str, bytes | None]":
        """Everything that is there.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def write(self, role: str, body: bytes) -> None:
        """Store; durable when it returns, and a power cut leaves the old or the new.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def delete(self, role: str) -> None:
        """Remove, if it is there; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        ...


class TargetStore(Protocol):
    """The downloaded targets by path; any text can be one."""

    def read(self, path: str, length_bytes: int) -> "bytes | None":
        """The target's content, if it is there and has this length.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def write(self, path: str, body: bytes) -> None:
        """Store; durable when it returns, and a power cut leaves the old or the new.

        Raises:
            Unavailable: the storage fails.
        """
        ...


class Source(Protocol):
    """Where files come from; a base URL."""

    def get(self, path: str, max_bytes: int) -> "bytes | None":
        """The file at a percent-encoded path, at most one byte more than allowed; None where there is none.

        Raises:
            Unavailable: no answer that makes sense.
        """
        ...


class TufClient:
    """One update session with one repository.

    Args:
        store: the trusted metadata; must hold a root.
        metadata: where metadata comes from.
        now: Unix seconds.
        read_key: which keys are supported.
        verify_signature: verifies by them.
        digests: the hash functions that are known, by the name that `hashes` objects use, each from bytes to lower-case
            hexadecimal; "sha256" is among them and preferred.
        discarded: called when `refresh` keeps the stored timestamp instead of the fetched one, with the reason.

    Raises:
        DamagedRoot: the stored root does not parse or verify.
        Unavailable: the storage fails.
    """

    def __init__(
        self,
        store: MetadataStore,
        metadata: Source,
        now: int,
        read_key: "ReadKey",
        verify_signature: "VerifySignature",
        digests: "Mapping[str, Callable[[bytes], str]]",
        discarded: "Callable[[Equivocation], None]",
    ) -> None:
        self._store = store
        self._source = metadata
        self._now = now
        self._digests = digests
        self._discarded = discarded
        stored = store.stored()
        if not stored.get("root"):
            raise DamagedRoot("there is no trusted root yet")
        self._repository = Repository(NAME, stored, verify_signature, self._keep, read_key)
        self._trusted: "tuple[tuf.Metadata, tuf.Metadata] | None" = None  # top-level targets, snapshot

    def refresh(self) -> None:
        """Bring the top-level metadata up to date.

        Raises:
            TrustError: a file is refused; what came before it is stored.
            FormatError: a file is malformed; what came before it is stored.
            Unavailable: a file is missing, the repository does not answer, or the storage fails.
        """
        self._drive(self._refresh())

    def download(self, path: str, source: Source, targets: TargetStore) -> bool:
        """Bring one target here, after `refresh`. Returns whether it was fetched.

        Raises:
            UnknownTarget: nobody who may lists it.
            ArbitrarySoftware: its content is not what the metadata says.
            EndlessData: it is larger than the metadata says, or than this client takes.
            TrustError: a delegated role's file is refused.
            FormatError: a file is malformed.
            Unavailable: `refresh` has not succeeded, a file is missing, the repository does not answer, or the storage
                fails.
        """
        target: "tuf.Target | None" = self._drive(self._find(path))
        if target is None:
            raise UnknownTarget(path)
        if target.length_bytes > MAX_TARGET_BYTES:
            raise EndlessData(
                path + " has " + str(target.length_bytes) + " bytes, at most " + str(MAX_TARGET_BYTES) + " are taken"
            )
        expected = self._expected(target)
        cached = targets.read(path, target.length_bytes)
        if cached is not None and self._is(cached, target, expected):
            return False
        body = source.get(self._location(path, expected), target.length_bytes)
        if body is None:
            raise Unavailable(path + " is missing from the repository")
        if len(body) > target.length_bytes:
            raise EndlessData(path + " exceeds " + str(target.length_bytes) + " bytes")
        if not self._is(body, target, expected):
            raise ArbitrarySoftware(path + " has another length or hash than announced")
        targets.write(path, body)
        return True

    def _keep(self, role: str, body: bytes) -> None:
        if body:
            self._store.write(role, body)
        else:
            self._store.delete(role)

    def _drive(self, steps: "Conversation[Any]") -> "Any":
        """Answer each request of the conversation; its result."""
        body = None
        while True:
            try:
                request: "Request" = steps.send(body)
            except StopIteration as end:
                return end.value
            body = self._source.get(request.path, request.max_bytes)
            if body is not None:
                check_length(request, body)

    def _refresh(self) -> "Conversation[None]":
        repository = self._repository
        yield from self._refresh_root()
        timestamp = yield from self._refresh_timestamp()
        snapshot = yield from repository.refresh_snapshot(timestamp, self._now)
        targets = yield from repository.refresh_targets(snapshot, self._now)
        self._trusted = targets, snapshot

    def _refresh_root(self) -> "Conversation[None]":
        """The whole chain: the core ends a walk after so many roots, as a camera does, which goes on the next time."""
        repository = self._repository
        for _ in range(MAX_WALKS):
            first = repository.root.metadata.version
            yield from repository.walk_root()
            if repository.root.metadata.version < first + MAX_ROOT_ROTATIONS:
                break
        repository.check_expiry(repository.root.metadata, self._now)

    def _refresh_timestamp(self) -> "Conversation[tuf.Metadata]":
        repository = self._repository
        old = repository.old_timestamp
        try:
            new, body = yield from repository.refresh_timestamp(self._now)
        except Equivocation as error:
            if old is None:
                raise
            repository.check_expiry(old, self._now)
            self._discarded(error)
            return old
        if old is not None and new.version == old.version:
            return old
        repository.keep_timestamp(new, body)
        return new

    def _find(self, path: str) -> "Conversation[tuf.Target | None]":
        if self._trusted is None:
            raise Unavailable("the metadata has not been refreshed")
        targets, snapshot = self._trusted
        found = yield from find_target(self._repository, path, targets, snapshot, self._now)
        return found

    def _expected(self, target: "tuf.Target") -> "dict[str, str]":
        """The target's hashes of the kinds that are known."""
        known = {name: target.hashes[name] for name in self._digests if name in target.hashes}
        if not known:
            raise ArbitrarySoftware(target.path + " has no hash of a kind that is known")
        return known

    def _is(self, body: bytes, target: "tuf.Target", expected: "dict[str, str]") -> bool:
        """Whether the content has the target's length and each of its known hashes (5.7.3)."""
        return len(body) == target.length_bytes and all(
            self._digests[name](body) == expected[name] for name in expected
        )

    def _location(self, path: str, expected: "dict[str, str]") -> str:
        """Where the target is: with consistent snapshots its hash comes before the file's own name (5.7.3, 6.2)."""
        if self._repository.root.consistent_snapshot:
            prefix = expected["sha256"] if "sha256" in expected else next(iter(expected.values()))
            folder, slash, name = path.rpartition("/")
            path = folder + slash + prefix + "." + name
        return percent.encode(path, _PATH)


def begin(store: MetadataStore, root: bytes, read_key: "ReadKey", verify_signature: "VerifySignature") -> None:
    """Trust this root from now on, if it is one and its own keys have signed it; its expiry does not matter here (5.2).

    Raises:
        DamagedRoot: it is no root, or not signed by its own keys.
        Unavailable: the storage fails.
    """
    Repository(NAME, {"root": root}, verify_signature, store.write, read_key)
    store.write("root", root)
