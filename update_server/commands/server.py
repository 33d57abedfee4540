"""`init`, `serve`, `ingest`, `migrate`, `status`, `root export`."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from update_server import settings as settings_module
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.errors import BadInput
from update_server.files import in_use

if TYPE_CHECKING:
    from update_server.commands.initialise import Made

PublicKeys = Annotated[
    list[Path] | None, typer.Option(metavar="FILE.pub", help="A public key of that role; repeat it for each.")
]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new server's folder.")],
    operator: Annotated[str, typer.Option(help="Who runs the cameras; shown on them.")],
    host: Annotated[list[str], typer.Option(help="A name or address of this server; the first is given to cameras.")],
    device_port: Annotated[int, typer.Option(help="For cameras.")] = 8443,
    people_port: Annotated[int, typer.Option(help="For the dashboard and the API.")] = 8444,
    mqtt_port: Annotated[int, typer.Option(help="For the broker.")] = 8883,
    listen: Annotated[str, typer.Option(help="The address to listen on.")] = "0.0.0.0",
    database: Annotated[
        str, typer.Option(help="An empty PostgreSQL database (postgresql://...). Default: a file.")
    ] = settings_module.SQLITE,
    line: Annotated[str, typer.Option(help="What cameras are connected by: mobile or wired.")] = "mobile",
    check_interval: Annotated[str, typer.Option(help="How often cameras ask for updates by themselves.")] = "24h",
    telemetry_interval: Annotated[str, typer.Option(help="How often cameras measure.")] = "10m",
    offline_keys: shared.OfflineKeys = None,
    passphrase_file: shared.PassphraseFile = None,
    image_root: Annotated[str, typer.Option(help="How many of the image root keys must sign, of how many.")] = "3/5",
    image_targets: Annotated[str, typer.Option(help="The same for the list of releases.")] = "2/3",
    director_root: Annotated[str, typer.Option(help="The same for the director's root.")] = "2/3",
    image_root_key: PublicKeys = None,
    image_targets_key: PublicKeys = None,
    director_root_key: PublicKeys = None,
    ca_key: Annotated[str, typer.Option(metavar="URI", help="The fleet CA's key. Default: a new one in a file.")] = "",
) -> None:
    """Make a new server: keys, certificates, database, broker configuration, first administrator.

    With public keys (--image-root-key and the other two), no offline key is made here: its holders sign elsewhere.
    """
    from update_server.commands.initialise import KeyPlan, initialise
    from update_server.repository.quorum import Quorum
    from update_server.repository.signers import read_public_key

    with shared.database_trouble():
        made = initialise(
            folder,
            offline_keys or shared.default_offline(folder),
            settings_module.validated(
                operator=operator,
                hosts=host,
                listen=listen,
                database=database,
                ports={"device": device_port, "people": people_port, "mqtt": mqtt_port},
                devices={
                    "line": line,
                    "check_interval_s": shared.duration(check_interval),
                    "telemetry_interval_s": shared.duration(telemetry_interval),
                },
            ),
            shared.passphrase(passphrase_file),
            KeyPlan(
                Quorum.parse(image_root),
                Quorum.parse(image_targets),
                Quorum.parse(director_root),
                [read_public_key(file) for file in image_root_key or ()],
                [read_public_key(file) for file in image_targets_key or ()],
                [read_public_key(file) for file in director_root_key or ()],
            ),
            ca_key,
        )
    _say(made)


def _say(made: "Made") -> None:
    from update_server.commands.initialise import CEREMONY
    from update_server.repository.ceremony import REPOSITORIES

    typer.echo(f"The server is in {made.folder}.")
    if made.offline:
        typer.echo(f"The offline keys are in {made.offline}: keep them, encrypted as they are, away from this machine.")
    if made.passphrase_file:
        typer.echo(f"Their passphrase was made up and is in {made.passphrase_file}: move it to a different place.")
    typer.echo(f"Dashboard: {made.people_url}  user: {made.administrator}  password: {made.password}  (shown once)")
    if made.offline is None:
        files = " ".join(str(made.folder / CEREMONY / f"{name}.json") for name in REPOSITORIES)
        typer.echo(f"Next: have {files} signed (camward-server keys sign), and import each.")
    typer.echo(f"{'Next' if made.offline else 'Then'}: camward-server serve {made.folder} --with-broker")


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The server's folder.")],
    with_broker: Annotated[bool, typer.Option("--with-broker", help="Also run Debian's mosquitto.")] = False,
) -> None:
    """Serve cameras and people until stopped."""
    from update_server.api.device import DeviceApi
    from update_server.api.schema import api_app
    from update_server.serving.run import Applications, run
    from update_server.web.app import people_app

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with shared.opened(folder) as services:
        services.custody.ready()
        api = api_app()
        api.state.services = services
        applications = Applications(DeviceApi(services).app(), people_app(services, api))
        run(services, applications, with_broker=with_broker, say=typer.echo)


def ingest(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The server's folder.")],
    number: Annotated[int, typer.Argument(min=1, max=settings_module.MAX_INGEST, help="Which one it is, from 1.")],
    leave: Annotated[
        bool, typer.Option("--leave", help="Finish what the broker holds for it, and be no more.")
    ] = False,
) -> None:
    """Take in a share of the cameras' telemetry, beside the server, until stopped."""
    from update_server.serving import ingest as serving

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    with shared.database(folder) as database:
        (serving.leave if leave else serving.run)(settings_module.load(folder), database, number, typer.echo)


def migrate_command(folder: Dir = shared.HERE) -> None:
    """Bring the database to this program's schema. Make a backup first."""
    from update_server.db.session import Database, migrate

    with in_use(folder), shared.database_trouble():
        database = Database(settings_module.load(folder).database_url)
        migrate(database)
        database.close()
    typer.echo("The database is up to date.")


def status(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """Show the fleet in a few numbers."""
    from update_server.api.views import StatusView

    operator = settings_module.load(folder).operator
    with shared.database(folder) as database, database.read() as session:
        view = StatusView.of(session, operator)
    if as_json:
        shared.print_json(view.plain())
        return
    versions = ", ".join(f"{version}: {count}" for version, count in view.versions.items()) or "none"
    typer.echo(f"{view.operator}: {view.devices} cameras, {view.online} online, {view.attention} need attention.")
    typer.echo(f"Versions: {versions}.")
    for row in view.rollouts:
        typer.echo(f"Rollout {row.id} of {row.version}: {row.state}" + (f" ({row.reason})" if row.reason else "") + ".")


def export(
    repository: Annotated[str, typer.Option(help="image or director.")] = "image",
    version: Annotated[int, typer.Option(help="The root's version.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The file to write; default: standard output.")] = None,
    folder: Dir = shared.HERE,
) -> None:
    """Write a root of trust: the image root goes into the firmware, the director root to nobody but the curious."""
    if repository not in ("image", "director"):
        raise BadInput(f"{repository!r} is no repository.", "Use image or director.")
    with shared.opened(folder) as services:
        body = (services.image if repository == "image" else services.director).root(version)
    if out is None:
        typer.echo(body.decode("ascii"))
        return
    try:
        out.write_bytes(body)
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}.", "Name another --out.") from None
