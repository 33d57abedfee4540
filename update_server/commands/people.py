"""`user add|password` and `token create|list|remove`."""

from typing import Annotated

import typer

from update_server.access import passwords, people
from update_server.commands import shared
from update_server.commands.shared import Dir
from update_server.fleet import devices

Name = Annotated[str, typer.Argument(help="The user's name.")]


def add(
    name: Name,
    role: Annotated[str, typer.Option(help="administrator or viewer.")] = people.VIEWER,
    folder: Dir = shared.HERE,
) -> None:
    """Add somebody, with a random password that is shown once."""
    password, now = passwords.random_password(), shared.now()
    with shared.database(folder) as database, database.write() as session:
        people.add_person(session, name, password, role, now)
        devices.audit(session, shared.operator_name(), "user add", f"{name} {role}", now)
    typer.echo(f"User {name} ({role}), password: {password}  (shown once)")


def password(name: Name, folder: Dir = shared.HERE) -> None:
    """Give somebody a new random password; their sessions end."""
    new, now = passwords.random_password(), shared.now()
    with shared.database(folder) as database, database.write() as session:
        people.set_password(session, name, new)
        devices.audit(session, shared.operator_name(), "user password", name, now)
    typer.echo(f"User {name}, new password: {new}  (shown once)")


def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "api",
    write: Annotated[bool, typer.Option("--write", help="It may also change things.")] = False,
    valid: Annotated[str | None, typer.Option(help="How long; default: until it is removed.")] = None,
    folder: Dir = shared.HERE,
) -> None:
    """Make an API token; it is shown once."""
    now, valid_s = shared.now(), shared.duration(valid) if valid else None
    with shared.database(folder) as database, database.write() as session:
        made = people.make_token(session, name, may_write=write, valid_s=valid_s, now=now)
        devices.audit(session, shared.operator_name(), "token create", name, now)
    typer.echo(made)


def list_tokens(folder: Dir = shared.HERE) -> None:
    """List all API tokens (not their text, which nobody has kept)."""
    with shared.database(folder) as database, database.read() as session:
        rows = people.tokens(session)
    table = [
        (r.id, r.name, "write" if r.may_write else "read", shared.local_time(r.created_at),
         shared.local_time(r.expires_at))
        for r in rows
    ]  # fmt: skip
    shared.print_table("API tokens", ("id", "name", "rights", "created", "expires"), table)


def remove(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id; see 'token list'.")],
    folder: Dir = shared.HERE,
) -> None:
    """Make an API token void at once, for example when it was stolen."""
    with shared.database(folder) as database, database.write() as session:
        row = people.remove_token(session, token_id)
        devices.audit(session, shared.operator_name(), "token remove", f"{row.id} {row.name}", shared.now())
    typer.echo(f"API token {token_id} is removed.")
