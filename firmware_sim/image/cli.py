"""The commands of `camward-sim` that make firmware: build, provision, sign, keys, relock, micropython."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware_sim.image import cli_keys
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.build import build as build_image
from firmware_sim.image.errors import ImageError
from firmware_sim.image.model import load_model, model_names
from firmware_sim.image.output import progress, show
from firmware_sim.image.provision import provision as provision_device
from firmware_sim.image.relock import relock_model
from firmware_sim.image.store import default_store
from firmware_sim.image.tools import micropython as micropython_path
from firmware_sim.image.tools import relock_device_tools, relock_tools

app = typer.Typer(
    help="Build camera firmware.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.add_typer(cli_keys.app, name="keys")
app.command("sign")(cli_keys.sign_command)

ModelOption = Annotated[str, typer.Option(help="model, a file in firmware_sim/image/models")]
VersionOption = Annotated[str, typer.Option(help="version of the firmware, X.Y.Z")]
VariantOption = Annotated[
    str,
    typer.Option(
        help="product; main: beside a recovery system; lab: with a root shell for tests; ungated: without the agent"
    ),
]
EpochOption = Annotated[
    int, typer.Option("--security-epoch", help="rollback index: raise it when older versions must never boot again")
]
ImageRootOption = Annotated[
    Path | None,
    typer.Option("--image-root", help="TUF root v1 of the image repository; without it the camera installs nothing"),
]
RelockOption = Annotated[
    bool,
    typer.Option(
        "--relock-if-gone",
        envvar="CAMWARD_RELOCK_IF_GONE",
        help="lock anew into build/lock when the mirror dropped a package",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@app.command("build")
def build_command(
    model: ModelOption = "kawa-1",
    version: VersionOption = "1.0.0",
    variant: VariantOption = "product",
    security_epoch: EpochOption = 1,
    severity: Annotated[str, typer.Option(help="low, medium, high or critical")] = "medium",
    fault: Annotated[str | None, typer.Option(help="camera-crashes: a release broken on purpose")] = None,
    image_root: ImageRootOption = None,
    boot_key: Annotated[int, typer.Option(help="boot key that signs, 1 or 2")] = 1,
    out: Annotated[Path | None, typer.Option(help="folder for finished images instead of build/images")] = None,
    relock_if_gone: RelockOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build a slot image and a factory disk, or find them built."""
    store = default_store()
    with progress(as_json) as note:
        built = build_image(
            model,
            version,
            variant=variant,
            security_epoch=security_epoch,
            severity=severity,
            fault=fault,
            image_root=image_root,
            boot_key=boot_key,
            out=out,
            store=store,
            relock_into=store.lock if relock_if_gone else None,
            note=note,
        )
    show(_described(built), as_json)


@app.command("provision")
def provision_command(
    serial: Annotated[str, typer.Argument(help="serial number, like KW1-000001")],
    folder: Annotated[Path, typer.Argument(help="folder to make for this camera")],
    model: ModelOption = "kawa-1",
    version: VersionOption = "1.0.0",
    variant: VariantOption = "product",
    image_root: ImageRootOption = None,
    voucher: Annotated[
        Path | None, typer.Option("--voucher", help="factory voucher, with which the camera enrols by itself")
    ] = None,
    factory_certificate: Annotated[
        Path | None, typer.Option(help="factory certificate (PEM), which it shows instead of a token's secret")
    ] = None,
    factory_key: Annotated[Path | None, typer.Option(help="the key of that (PEM)")] = None,
    relock_if_gone: RelockOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make one camera: its disk, and its label with the claim code for the person."""
    store = default_store()
    certificate, key = read_given(factory_certificate), read_given(factory_key)
    factory = (certificate, key) if certificate is not None and key is not None else None
    if factory is None and (certificate, key) != (None, None):
        raise ImageError("a factory certificate and its key go together", "name both")
    with progress(as_json) as note:
        relock_into = store.lock if relock_if_gone else None
        built = build_image(
            model, version, variant=variant, image_root=image_root, store=store, relock_into=relock_into, note=note
        )
        device = provision_device(built, serial, folder, voucher=read_given(voucher), factory=factory)
    show(
        {"serial": device.serial, "folder": str(device.folder), "label": str(device.label_txt), "mac": device.mac},
        as_json,
    )


def read_given(path: Path | None) -> bytes | None:
    """What is in a file, if one is named.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", "name another file") from error


@app.command("relock")
def relock_command(as_json: JsonOption = False) -> None:
    """Lock today's package versions: rewrites firmware_sim/image/lock, to be reviewed and committed."""
    store = default_store()
    with progress(as_json) as note:
        for name in model_names():
            relock_model(store, load_model(name), note)
        relock_tools(store, note)
        relock_device_tools(store, note)
    show({"relocked": model_names()}, as_json)


@app.command("micropython")
def micropython_command(relock_if_gone: RelockOption = False, as_json: JsonOption = False) -> None:
    """Fetch Debian 13's MicroPython if need be, and print the path of a program that runs it."""
    store = default_store()
    with progress(as_json=True) as note:
        path = micropython_path(store, note, store.lock if relock_if_gone else None)
    if as_json:
        show({"micropython": str(path)}, as_json)
    else:
        sys.stdout.write(f"{path}\n")


def _described(built: BuiltImage) -> dict[str, Any]:
    value = {name: str(item) if isinstance(item, Path) else item for name, item in vars(built).items()}
    value["layout"] = asdict(built.layout)
    return value
