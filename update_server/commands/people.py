"""`user add|password` and `token create`."""

from typing import Annotated

import typer

from update_server.access import passwords, people
from update_server.commands import shared
from update_server.commands.shared import Dir
from update_server.fleet import devices

user = typer.Typer(help="People who may log in to the dashboard.", no_args_is_help=True)
token = typer.Typer(help="Tokens for programs that use the API.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The user's name.")]


@user.command("add")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="administrator or viewer.")] = people.VIEWER,
    folder: Dir = shared.HERE,
) -> None:
    """Add somebody, with a random password that is shown once."""
    password, now = passwords.random_password(), shared.now()
    with shared.opened(folder) as services, services.database.write() as session:
        people.add_person(session, name, password, role, now)
        devices.audit(session, shared.operator_name(), "user add", f"{name} {role}", now)
    typer.echo(f"User {name} ({role}), password: {password}  (shown once)")


@user.command("password")
def password(name: Name, folder: Dir = shared.HERE) -> None:
    """Give somebody a new random password; their sessions end."""
    new, now = passwords.random_password(), shared.now()
    with shared.opened(folder) as services, services.database.write() as session:
        people.set_password(session, name, new)
        devices.audit(session, shared.operator_name(), "user password", name, now)
    typer.echo(f"User {name}, new password: {new}  (shown once)")


@token.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "api",
    write: Annotated[bool, typer.Option("--write", help="It may also change things.")] = False,
    valid: Annotated[str | None, typer.Option(help="How long; default: until it is removed.")] = None,
    folder: Dir = shared.HERE,
) -> None:
    """Make an API token; it is shown once."""
    now, valid_s = shared.now(), shared.duration(valid) if valid else None
    with shared.opened(folder) as services, services.database.write() as session:
        made = people.make_token(session, name, may_write=write, valid_s=valid_s, now=now)
        devices.audit(session, shared.operator_name(), "token create", name, now)
    typer.echo(made)
