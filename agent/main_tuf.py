"""`camward-agent tuf`: the command line by which the field's conformance suites drive TUF clients.

Three verbs, and the exit status is 0 or 1. The agent on a camera never imports this.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import NoReturn

from agent.adapters.linux import all_keys
from agent.adapters.linux.plain_fetcher import PlainFetcher
from agent.adapters.linux.tuf_store import MetadataFolder, TargetFolder
from agent.app.tuf_client import TufClient, begin
from agent.core.trust_repository import MAX_ROOT_BYTES
from agent.formats.errors import CamwardError, FormatError, Unavailable

_ABOUT = """\
A plain TUF client (specification 1.0.37), made of the agent's own verifier. It is for conformance suites and for
looking into repositories; what a camera installs is decided by the stricter two-repository check of the agent itself.
"""
_VERBS = """\
verbs:
  init ROOT   trust this root.json from now on (no network)
  refresh     bring the top-level metadata up to date (needs --metadata-url)
  download    refresh, then bring each target here in the given order, up to the first that fails (needs all options)

The exit status is 0 or 1. An error is one line on standard error with its stable code. More: docs/tuf-client.md
"""
_DIGESTS = {
    "sha256": lambda body: hashlib.sha256(body).hexdigest(),
    "sha512": lambda body: hashlib.sha512(body).hexdigest(),
}
_NEEDED = {
    "init": ("metadata_dir", "root"),
    "refresh": ("metadata_dir", "metadata_url"),
    "download": ("metadata_dir", "metadata_url", "target_name", "target_dir", "target_base_url"),
}


class _Parser(argparse.ArgumentParser):
    """Its own errors end with status 1 as well: who drives this command knows only 0 and 1."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"{self.prog}: usage: {message}\n")


def main(arguments: list[str]) -> int:
    """Carry out one verb; returns the exit status.

    Raises:
        SystemExit: the command line is refused (status 1), or help was asked for (0).
    """
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        {"init": _init, "refresh": _refresh, "download": _download}[options.verb](options)
    except CamwardError as error:
        _say(error)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def _init(options: argparse.Namespace) -> None:
    try:
        with options.root.open("rb") as file:
            root = file.read(MAX_ROOT_BYTES + 1)
    except OSError as error:
        raise Unavailable(f"{options.root}: {error.strerror}") from error
    begin(MetadataFolder(options.metadata_dir), root, all_keys.read_key, all_keys.verify_signature)


def _refresh(options: argparse.Namespace) -> None:
    _client(options).refresh()


def _download(options: argparse.Namespace) -> None:
    source, targets = PlainFetcher(options.target_base_url), TargetFolder(options.target_dir)
    client = _client(options)
    client.refresh()
    for path in options.target_name:
        client.download(path, source, targets)


def _client(options: argparse.Namespace) -> TufClient:
    """A client with all keys and hashes. The time is the C library's (5.1), read once."""
    return TufClient(
        MetadataFolder(options.metadata_dir),
        PlainFetcher(options.metadata_url),
        int(time.time()),
        all_keys.read_key,
        all_keys.verify_signature,
        _DIGESTS,
        lambda error: _say(error, "; the stored one stays in use"),
    )


def _check(options: argparse.Namespace) -> None:
    """Refuse a verb that lacks something, and names that are no text.

    Raises:
        FormatError: so it is.
    """
    for name in _NEEDED[options.verb]:
        if not getattr(options, name):
            what = "a ROOT" if name == "root" else "--" + name.replace("_", "-")
            raise FormatError(f"{options.verb} needs {what}")
    if options.root is not None and options.verb != "init":
        raise FormatError(f"{options.verb} takes no ROOT")
    for path in options.target_name or ():
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise FormatError("a target's name is no UTF-8") from error


def _say(error: CamwardError, more: str = "") -> None:
    """One line, whatever the repository's names have in them."""
    text = "".join(part if part.isprintable() else ascii(part)[1:-1] for part in str(error) + more)
    print(f"camward-agent tuf: {text}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="camward-agent tuf",
        description=_ABOUT,
        epilog=_VERBS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--metadata-dir", type=Path, metavar="D", help="folder of the trusted metadata")
    parser.add_argument("--metadata-url", metavar="U", help="where the repository's metadata is, by http or https")
    parser.add_argument("--target-name", action="append", metavar="P", help="path of a target; may be repeated")
    parser.add_argument("--target-dir", type=Path, metavar="T", help="folder of the downloaded targets")
    parser.add_argument("--target-base-url", metavar="TU", help="where the repository's targets are")
    parser.add_argument("verb", choices=tuple(_NEEDED), metavar="VERB", help="init, refresh or download")
    parser.add_argument("root", nargs="?", type=Path, metavar="ROOT", help="the root.json to trust (init)")
    return parser
