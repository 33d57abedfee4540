"""The commands of `camward-sim` for boot keys: `keys make|list|retire`, and `sign`."""

from pathlib import Path
from typing import Annotated

import typer

from firmware_sim.image import bootkeys
from firmware_sim.image.build import load_built
from firmware_sim.image.errors import ImageError
from firmware_sim.image.output import progress, show
from firmware_sim.image.sign import sign

app = typer.Typer(help="Boot keys: two, kept offline and apart from the TUF keys.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="folder of the boot keys")]
PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", help="holds the passphrase of the private keys; default: none")
]  # fmt: skip
JsonOption = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@app.command("make")
def make_command(folder: Folder, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Make a new folder with a pair of boot keys."""
    with progress(as_json):
        _show(bootkeys.make(folder, _passphrase(passphrase_file)), as_json)


@app.command("list")
def list_command(folder: Folder, as_json: JsonOption = False) -> None:
    """Show the pair, what is retired, and which private keys lie here."""
    with progress(as_json):
        _show(bootkeys.load(folder), as_json)


@app.command("retire")
def retire_command(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="the key that signs no more, like boot1")],
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a key out of service and make its successor; cameras made from then on hold the new pair."""
    with progress(as_json):
        _show(bootkeys.retire(folder, name, _passphrase(passphrase_file)), as_json)


def sign_command(
    source: Annotated[Path, typer.Argument(metavar="BUILD", help="folder of a finished build")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder to make")],
    boot_keys: Annotated[Path, typer.Option("--boot-keys", help="folder of the boot keys")],
    boot_key: Annotated[
        int | None, typer.Option("--boot-key", help="number of the key that signs; default: the older one that is here")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a finished build anew, on the offline machine that has the boot keys."""
    with progress(as_json) as note:
        passphrase = _passphrase(passphrase_file)
        made = sign(load_built(source), bootkeys.load(boot_keys), boot_key, passphrase, out, note)
    show({"folder": str(made.folder), "slot": str(made.slot), "release_json": str(made.release_json)}, as_json)


def _passphrase(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        value = path.read_bytes().strip()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}", "name another --passphrase-file") from error
    if not value:
        raise ImageError(f"{path} is empty", "write the passphrase into it")
    return value


def _show(keys: bootkeys.BootKeys, as_json: bool) -> None:
    retired = sorted(path.stem for path in (keys.folder / bootkeys.RETIRED).glob("boot*.crt"))
    rows = {name: _row(keys.folder, name, "in service") for name in keys.names}
    rows |= {name: _row(keys.folder / bootkeys.RETIRED, name, "retired") for name in retired}
    show(dict(rows) if as_json else {name: "  ".join(row.values()) for name, row in rows.items()}, as_json)


def _row(folder: Path, name: str, state: str) -> dict[str, str]:
    here = bootkeys.key_of(folder, name).is_file()
    return {
        "state": state,
        "private_key": "here" if here else "elsewhere",
        "sha256": bootkeys.fingerprint(bootkeys.certificate_of(folder, name)),
    }
