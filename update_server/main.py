"""`camward-server`: the command line.

Starting is what most commands cost, so that a command imports what it needs and nothing else: this module knows where
each of them is, and imports that when it is used. Only `--help` of a group imports all of the group's.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from update_server.errors import ServerError

COMMANDS = "update_server.commands."
ALONE = {
    "init": (
        "server:init",
        "Make a new server: keys, certificates, database, broker configuration, first administrator.",
    ),
    "serve": ("server:serve", "Serve cameras and people until stopped."),
    "ingest": ("server:ingest", "Take in a share of the cameras' telemetry, beside the server, until stopped."),
    "status": ("server:status", "Show the fleet in a few numbers."),
    "audit": ("audit:audit", "Show who changed what, when: keys, releases, assignments, accounts."),
    "migrate": ("server:migrate_command", "Bring the database to this program's schema. Make a backup first."),
}
"""Commands by name: where each is, and what `--help` says of it (the first paragraph of its docstring)."""
GROUPS = {
    "device": (
        "Cameras.",
        {
            "token": "device:token",
            "voucher": "vouchers:make",
            "require-change": "fleet:require_of_device",
            "withdraw-change": "fleet:withdraw_of_device",
            "list": "device:list_devices",
            "show": "device:show",
            "seen": "device:seen",
            "assign": "device:assign",
            "update-now": "device:update_now",
            "deny": "device:deny",
            "allow": "device:allow",
            "remove": "device:remove",
            "group": "device:group",
            "site": "device:site",
        },
    ),
    "database": ("Where the fleet's rows are.", {"move": "database:move"}),
    "ca": (
        "The fleet's CA, and the next one.",
        {"list": "ca:list_cas", "new": "ca:new", "issue": "ca:issue", "retire": "ca:retire"},
    ),
    "factory-ca": (
        "Manufacturers' CAs, by whose certificates cameras enrol without a token's secret.",
        {"add": "factory:add", "allow": "factory:allow", "list": "factory:list_cas", "remove": "factory:remove"},
    ),
    "consumer": (
        "Back ends that read what cameras' programs send.",
        {
            "add": "consumer:add",
            "list": "consumer:list_consumers",
            "renew": "consumer:renew",
            "remove": "consumer:remove",
        },
    ),
    "fleet": (
        "All cameras at once.",
        {
            "passwords": "fleet:show_passwords",
            "require-change": "fleet:require",
            "withdraw-change": "fleet:withdraw",
        },
    ),
    "release": (
        "Releases.",
        {
            "add": "release:add",
            "withdraw": "release:withdraw",
            "list": "release:list_releases",
            "show": "release:show",
            "export": "release:export_public",
        },
    ),
    "delta": (
        "What cameras fetch instead of a whole release.",
        {"make": "delta:make", "list": "delta:list_deltas"},
    ),
    "rollout": (
        "Rollouts.",
        {
            "create": "rollout:create",
            "list": "rollout:list_rollouts",
            "show": "rollout:show",
            "pause": "rollout:pause",
            "resume": "rollout:resume",
            "abort": "rollout:abort",
        },
    ),
    "bundle": ("Offline bundles.", {"make": "bundle:make"}),
    "keys": (
        "Keys: who holds them, what expires, ceremonies with offline keys.",
        {
            "new": "offline:new",
            "public": "offline:public",
            "show": "offline:show",
            "sign": "offline:sign",
            "voucher": "vouchers:sign",
            "list": "keys:list_keys",
            "forecast": "keys:forecast",
            "sealing": "keys:sealing",
            "prepare": "keys:prepare",
            "import": "keys:import_",
        },
    ),
    "command": (
        "Signed commands for cameras.",
        {
            "send": "command:send",
            "require-change": "fleet:require_and_look",
            "list": "command:list_commands",
            "prepare": "command:prepare",
            "import": "command:import_",
        },
    ),
    "command-key": (
        "The keys that sign commands.",
        {
            "make": "offline:new",
            "authorise": "command_keys:authorise",
            "sign": "command_keys:sign",
            "renew": "command_keys:renew",
            "list": "command_keys:list_keys",
        },
    ),
    "root": ("The roots of trust.", {"export": "server:export"}),
    "user": ("People who may log in to the dashboard.", {"add": "people:add", "password": "people:password"}),
    "token": (
        "Tokens for programs that use the API.",
        {"create": "people:create", "list": "people:list_tokens", "remove": "people:remove"},
    ),
}
"""Groups by name: what `--help` says of each, and where its commands are."""


class _Later(TyperCommand):
    """Stands for a command until it is used."""

    def __init__(self, name: str, place: str, text: str | None = None) -> None:
        super().__init__(name, help=text)
        self._place = place

    def loaded(self) -> Any:
        """The command itself, imported now."""
        module, _, function = self._place.partition(":")
        holder = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        holder.command(self.name)(getattr(import_module(COMMANDS + module), function))
        return typer.main.get_command(holder)

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        """Parse the command line, by the command itself."""
        return self.loaded().make_context(*arguments, **extra)


class _Group(TyperGroup):
    """Commands that are imported when one is used, or all of them to show what they say of themselves."""

    def __init__(self, name: str, text: str, places: Mapping[str, str]) -> None:
        later = [_Later(one, place) for one, place in places.items()]
        super().__init__(name=name, help=text, commands=later, no_args_is_help=True)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None if there is none."""
        later = self.commands.get(cmd_name)
        return later.loaded() if isinstance(later, _Later) else None


class _All(TyperGroup):
    """Every command and group."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (place, text) in ALONE.items():
            self.add_command(_Later(name, place, text))
        for name, (text, places) in GROUPS.items():
            self.add_command(_Group(name, text, places))


app = typer.Typer(cls=_All, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo("camward-server " + metadata.version("camward"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Signs and publishes camera firmware, rolls it out over a fleet, and receives what cameras report."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (by default the process's). Exit codes: 0 done, 1 refused (one line), 2 wrong usage.

    Raises:
        SystemExit: always; it carries the exit code.
    """
    try:
        app(arguments)
    except ServerError as error:
        _end(str(error), error.exit_code)
    except OSError as error:  # a full disk, a folder that is not ours
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}. Mend that, and run the command again.", ServerError.exit_code)


def _end(line: str, code: int) -> NoReturn:
    sys.stderr.write(f"camward-server: {line}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
