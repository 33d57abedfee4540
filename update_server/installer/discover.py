"""`camward-installer discover`: which cameras are there."""

import typer

from update_server.installer.camera import Impostor, Unreachable, meet
from update_server.installer.looking import Place
from update_server.installer.shared import (
    Addresses,
    AsJson,
    Parallel,
    Seconds,
    note,
    say_of,
    side_by_side,
    state_text,
    targets,
)
from update_server.terminal import print_json, print_table


def discover(
    context: typer.Context,
    address: Addresses = None,
    seconds: Seconds = 3.0,
    parallel: Parallel = 8,
    as_json: AsJson = False,
) -> None:
    """List the cameras on this network segment, by WS-Discovery, or those at given addresses."""
    say = say_of(context)
    cameras, others = targets(address, seconds, say)
    if address:
        cameras = {place: told for place, told in side_by_side(_told, list(cameras), parallel) if told}
    rows = [
        {"address": str(place), **{name: told.get(name, "") for name in ("serial", "model", "state")}}
        for place, told in sorted(cameras.items(), key=lambda item: (item[1].get("serial") or "~", item[0]))
    ]
    if as_json:
        print_json(rows)
        return
    if rows:
        titles = [say(name) for name in ("serial", "model", "address", "state")]
        table = [[row["serial"] or "–", row["model"], row["address"], state_text(row["state"], say)] for row in rows]
        print_table(say("cameras"), titles, table)
    else:
        note(say("none_found"))
    if others:
        note(say("others", count=others))


def _told(place: Place) -> dict[str, str]:
    """What a camera says at an address that was given; empty where there is none."""
    try:
        about = meet(place).about()
    except (Unreachable, Impostor):
        return {}
    return {"serial": about.serial, "model": about.model, "state": about.state}
