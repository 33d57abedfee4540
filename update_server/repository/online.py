"""The online keys: which signer the server has for which key.

`signers.toml` in the keys folder lists keys, each with the URI of its signer. It does not say which key serves which
role: the newest root does. So a key may be listed before a root names it and after a root dropped it, and publishing a
root is the one step at which a rotation happens. A folder without the file (made by an older version) is read as if it
listed every key file in it.
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import SSlibKey
from tuf.api.metadata import Root

from update_server.errors import Conflict, Misconfigured, ServerError
from update_server.files import SECRET, locked, write_atomic
from update_server.keyfiles import parse_public
from update_server.repository import signers
from update_server.repository.signers import CheckedSigner

SIGNERS_FILE = "signers.toml"
LOCK_FILE = ".signers.lock"
_HEAD = (
    "# Online keys. Which key serves which role is what the newest root says. File paths are relative to this folder.\n"
)


@dataclass(frozen=True)
class Entry:
    """One online key: its public part, and where its signer is."""

    uri: str
    public: SSlibKey


class Online:
    """The online keys in `folder`. Reads the file again when a key is asked for that it does not know."""

    def __init__(self, folder: Path, files: str = "*.pem") -> None:
        """`files`: which files in the folder are keys, where nothing lists them yet."""
        self._folder = folder
        self._files = files
        self._entries: dict[str, Entry] = {}
        self._signers: dict[str, CheckedSigner] = {}

    def entries(self) -> dict[str, Entry]:
        """Every listed key by its id, read anew.

        Raises:
            Misconfigured: the file, or a key in it, is unusable.
        """
        file = self._folder / SIGNERS_FILE
        if not file.exists():
            names = sorted(path.name for path in self._folder.glob(self._files))
            found = [self._entry(f"{signers.PLAIN}:{name}", None) for name in names]
        else:
            try:
                listed = tomllib.loads(file.read_text(encoding="utf-8")).get("signer", [])
                found = [self._entry(str(one["uri"]), str(one["public"]), str(one.get("name", ""))) for one in listed]
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
                raise Misconfigured(f"{file} cannot be read: {error!r}.", "Correct the file.") from None
        self._entries = {entry.public.keyid: entry for entry in found}
        return dict(self._entries)

    def where(self, keyid: str) -> str:
        """The URI of a key's signer; empty if it is not an online key of this server."""
        known = self._entries.get(keyid) or self.entries().get(keyid)
        return known.uri if known else ""

    def for_role(self, root: Root, role: str) -> list[CheckedSigner]:
        """As many signers of `role` as its threshold needs.

        Raises:
            Misconfigured: this server has too few of the role's keys.
            SigningFailed: a token or service is out of reach.
        """
        wanted = root.roles[role]
        held = [keyid for keyid in wanted.keyids if self.where(keyid)]
        if len(held) < wanted.threshold:
            raise Misconfigured(
                f"The server has {len(held)} of the {wanted.threshold} {role} keys that root {root.version} names.",
                f"Add their signers to {self._folder / SIGNERS_FILE}.",
            )
        return [self.signer(keyid) for keyid in held[: wanted.threshold]]

    def check(self, uri: str, public: SSlibKey | None = None) -> CheckedSigner:
        """The signer at `uri` (paths relative to the folder), proven by a signature.

        Raises:
            ServerError: it cannot be used as an online key.
        """
        if uri.startswith(signers.ENCRYPTED + ":"):
            raise Misconfigured("An online key cannot need a passphrase.", "Use file:, pkcs11: or a key service.")
        signer = signers.load(self._absolute(uri), public=public)
        signer.sign(b"camward: may this key sign?")
        return signer

    def add(self, uri: str, public: SSlibKey) -> None:
        """List a key. Atomic; listing it again with the same URI changes nothing.

        Raises:
            Conflict: it is listed with another URI.
            Misconfigured: the file is unusable.
            OSError: it cannot be written.
        """
        with locked(self._folder / LOCK_FILE):
            entries = self.entries()
            known = entries.get(public.keyid)
            if known is not None and known.uri != uri:
                raise Conflict(f"The key {public.keyid[:16]} is listed already, at {known.uri}.")
            entries[public.keyid] = Entry(uri, public)
            write_atomic(self._folder / SIGNERS_FILE, _text(entries).encode(), SECRET)
            self._entries = entries

    def new(self, name: str) -> SSlibKey:
        """Make a key file `NAME.pem` (or the next free `NAME-2.pem`), list it, and return its public part.

        Raises:
            OSError: it cannot be written.
        """
        stem, number = name, 1
        while (self._folder / f"{stem}.pem").exists():
            number += 1
            stem = f"{name}-{number}"
        public = signers.make(self._folder / f"{stem}.pem").public_key
        self.add(f"{signers.PLAIN}:{stem}.pem", public)
        return public

    def signer(self, keyid: str) -> CheckedSigner:
        """The signer of an online key.

        Raises:
            Misconfigured: it is none, holds another key, or cannot be read.
            SigningFailed: its token or service is out of reach.
        """
        if keyid not in self._signers:
            if not self.where(keyid):
                raise Misconfigured(f"The server has no signer for the key {keyid[:16]}.", f"See {SIGNERS_FILE}.")
            entry = self._entries[keyid]
            self._signers[keyid] = signers.load(self._absolute(entry.uri), public=entry.public)
        return self._signers[keyid]

    def _entry(self, uri: str, pem: str | None, name: str = "") -> Entry:
        if pem is None:
            return Entry(uri, signers.load(self._absolute(uri)).public_key)
        try:
            return Entry(uri, signers.public_key(parse_public(pem.encode(), f"the key of {uri}"), name))
        except ServerError as error:
            raise Misconfigured(f"{self._folder / SIGNERS_FILE}: {error}") from None

    def _absolute(self, uri: str) -> str:
        scheme, _, rest = uri.partition(":")
        return f"{scheme}:{self._folder / rest}" if scheme == signers.PLAIN else uri


def _text(entries: dict[str, Entry]) -> str:
    lines = [_HEAD]
    for keyid, entry in entries.items():
        lines += [
            "[[signer]]", f'key = "{keyid}"', f"name = {_quoted(signers.name_of(entry.public))}",
            f"uri = {_quoted(entry.uri)}", f'public = """\n{entry.public.keyval["public"]}"""', "",
        ]  # fmt: skip
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """A TOML string; JSON's is one as long as it needs no surrogates."""
    return json.dumps(text, ensure_ascii=False)
