"""The half of `camward-server keys` that works on any machine, without a server: `new`, `public`, `show`, `sign`."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer
from securesystemslib.signer import Signer, SSlibKey

from update_server.commands import shared
from update_server.errors import BadInput, Conflict
from update_server.files import read_small, write_atomic
from update_server.repository import ceremony, ceremony_checks, signers, summary, tokens
from update_server.repository.ceremony import Ceremony
from update_server.repository.signers import CheckedSigner

MIN_PASSPHRASE_CHARS = 12
PUBLIC_SUFFIX = ".pub"

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Ceremony files.")]
Uri = Annotated[str, typer.Argument(metavar="KEY", help="A key file, or a URI: pkcs11:, awskms:, gcpkms:, azurekms:.")]


def new(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key file to make, or the pkcs11: URI of a new key.")],
    public: Annotated[
        Path | None, typer.Option(help="Where the public part goes. Default: beside the key file, FILE.pub.")
    ] = None,
    passphrase_file: shared.PassphraseFile = None,
) -> None:
    """Make an offline key: an encrypted key file, or a key on a PKCS#11 token. Its public part goes to the server."""
    on_token = key.startswith(tokens.SCHEME + ":")
    if on_token and public is None:
        raise BadInput("Where shall the public part go?", "Add --public NAME.pub: the file's name becomes the key's.")
    private = Path(key.removeprefix(signers.ENCRYPTED + ":"))
    out = public or private.with_suffix(PUBLIC_SUFFIX)
    for path in (out,) if on_token else (private, out):
        if path.exists():
            raise Conflict(f"{path} already exists.", "Choose another name; nothing was changed.")
    if on_token:
        tokens.generate(tokens.parse(key), _asking())
        made: SSlibKey = signers.load(key, ask=_asking()).public_key
    else:
        if key.partition(":")[0] in signers.SCHEMES and not key.startswith(signers.ENCRYPTED):
            raise BadInput("Offline keys are encrypted key files or on tokens.", "Give a file name, or a pkcs11: URI.")
        made = signers.make(private, _new_passphrase(passphrase_file, private)).public_key
    _write_public(out, made)


def public(
    key: Uri,
    out: Annotated[Path, typer.Option("--out", "-o", help="The public key file to write; its name becomes the key's.")],
    passphrase_file: shared.PassphraseFile = None,
) -> None:
    """Export the public part of a key."""
    _write_public(out, load_signer(key, passphrase_file).public_key)


def show(files: Files) -> None:
    """Show in words what is to be signed, who has signed and who is asked to."""
    for file in files:
        found = ceremony.load(file)
        ceremony_checks.check(found, shared.now())
        typer.echo(f"{file}\n" + "\n".join(summary.lines(found)))


def sign(
    files: Files,
    key: Annotated[
        list[str] | None, typer.Option(help="The key: a key file or a URI. Repeat it to sign with several.")
    ] = None,
    offline_keys: Annotated[
        Path | None, typer.Option(help="Sign with every key file in this folder whose signature counts.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="A root.json that you have kept: refuse what does not descend from it.")
    ] = None,
    passphrase_file: shared.PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Sign ceremony files with offline keys. The signatures go into the files; nothing is published."""
    now, kept = shared.now(), _read(root)
    loaded = [(file, ceremony.load(file)) for file in files]
    for file, found in loaded:
        ceremony_checks.check(found, now)
        if kept is not None:
            ceremony_checks.check_descends(found, kept)
        typer.echo(f"{file}\n" + "\n".join(summary.lines(found)))
    if kept is None:
        typer.echo("\nNot compared with a root of yours (--root): compare the SHA-256 above with one that you trust.")
    held = [load_signer(one, passphrase_file) for one in key or ()]
    if not held and offline_keys is None:
        raise BadInput("With which key?", "Name it with --key.")
    if not yes and not (sys.stdin.isatty() and typer.confirm("\nSign this?")):
        raise BadInput("Nothing was signed.", "" if sys.stdin.isatty() else "Read the summary, and add --yes.")
    for file, found in loaded:
        known = found.entitled()
        for signer in [*held, *_from_folder(offline_keys, passphrase_file, found)]:
            titles = ceremony.sign(found, signer)
            typer.echo(f"{summary.key(known[signer.public_key.keyid])} has signed {', '.join(titles)}.")
        ceremony.save(file, found)


def _from_folder(folder: Path | None, passphrase_file: Path | None, found: Ceremony) -> list[Signer]:
    if folder is None:
        return []
    held = signers.load_all(folder, found.entitled(), shared.folder_passphrase(folder, passphrase_file))
    if not held:
        raise BadInput(f"No key in {folder} signs anything in this file.", "See who does: 'camward-server keys show'.")
    return held


def load_signer(key: str, passphrase_file: Path | None) -> CheckedSigner:
    """The signer of a key file or URI; a person is asked for what is missing.

    Raises:
        BadInput, Misconfigured: the key cannot be used.
    """
    scheme = key.partition(":")[0]
    uri = key if scheme in signers.SCHEMES else f"{signers.ENCRYPTED}:{key}"
    return signers.load(uri, shared.passphrase(passphrase_file), ask=_asking())


def _asking() -> tokens.Ask | None:
    """How to ask the person at the terminal for a secret; None where there is no person."""
    return (lambda what: getpass.getpass(f"{what[:1].upper()}{what[1:]}: ")) if sys.stdin.isatty() else None


def _new_passphrase(file: Path | None, key: Path) -> bytes:
    given, ask = shared.passphrase(file), _asking()
    if given is None and ask is not None:
        given = ask(f"new passphrase for {key}").encode()
        if ask("the same again").encode() != given:
            raise BadInput("The two passphrases differ.", "Try again.")
    if given is None:
        raise BadInput(
            "A key file needs a passphrase.", f"Give --passphrase-file, or set {shared.PASSPHRASE_VARIABLE}."
        )
    if len(given.decode("utf-8", "replace")) < MIN_PASSPHRASE_CHARS:
        raise BadInput(f"The passphrase has fewer than {MIN_PASSPHRASE_CHARS} characters.", "Take a longer one.")
    return given


def _write_public(out: Path, key: SSlibKey) -> None:
    write_atomic(out, str(key.keyval["public"]).encode("ascii"))
    typer.echo(f"The public key is in {out}: key id {key.keyid}.")


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return read_small(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Name the root that you have kept.") from None
