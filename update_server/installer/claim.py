"""`camward-installer claim`: claims every camera that a code is at hand for."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from update_server.errors import BadInput
from update_server.installer import codes, ledger
from update_server.installer.camera import About, Camera, Impostor, Unreachable, meet
from update_server.installer.claiming import GOOD, NEUTRAL, Claimer, Result
from update_server.installer.codes import Label
from update_server.installer.looking import Place
from update_server.installer.shared import (
    Addresses,
    AsJson,
    Parallel,
    PassphraseFile,
    Seconds,
    note,
    read_hand,
    say_of,
    sealer_for,
    side_by_side,
    targets,
)
from update_server.installer.texts import Say
from update_server.terminal import print_json, print_table

USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
"""As the camera takes them (docs/login-socket.md)."""


class Met(NamedTuple):
    """One address: a camera and what it says about itself, or why there is none."""

    camera: Camera | None
    about: About | None
    result: Result | None


class Line(NamedTuple):
    """What is told of one address at the end."""

    serial: str
    address: str
    result: Result


def claim(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The hand-over file; gone on with if it is there.")],
    code_files: Annotated[
        list[Path] | None,
        typer.Option("--codes", help="serial,code[,fingerprint] a line, or texts of scanned labels. May be repeated."),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the codes that are in no file.")] = False,
    user: Annotated[str, typer.Option("--user", help="Administrator's name on the cameras.")] = "admin",
    to: Annotated[Path | None, typer.Option("--to", help="The office's public key: seals the file to it.")] = None,
    passphrase_file: PassphraseFile = None,
    address: Addresses = None,
    seconds: Seconds = 3.0,
    parallel: Parallel = 4,
    as_json: AsJson = False,
) -> None:
    """Claim the cameras whose codes are given, each with a password of its own, into a sealed hand-over file."""
    say = say_of(context)
    if not USER_NAME.fullmatch(user):
        raise BadInput(say("user_name"))
    if not code_files and not ask:
        raise BadInput(say("codes_needed"))
    labels: dict[str, Label] = {}
    for path in code_files or ():
        labels |= codes.read_labels(read_hand(path, say), str(path), say)
    sealer = sealer_for(file, to, passphrase_file, say)
    with ledger.opened(file, sealer, say) as book:
        found, _ = targets(address, seconds, say)
        met = _each_once(dict(side_by_side(_meet, sorted(found), parallel)))
        if any("/" in one for one in address or ()):  # of a range, only what answers is of interest
            met = {place: one for place, one in met.items() if one.camera is not None}
        if ask:
            labels |= _typed(met, labels, say)
        claimer = Claimer(book, user, say.language)
        lines: list[Line] = []
        work = side_by_side(lambda place: _one(claimer, met[place], labels), sorted(met), parallel)
        for number, (place, result) in enumerate(work, 1):
            lines.append(Line(_serial(met[place], book), str(place), result))
            note(f"[{number}/{len(met)}] {lines[-1].serial or place}: {_text(result, say)}")
    missing = labels.keys() - {line.serial for line in lines}
    lines += [Line(serial, "", Result("missing")) for serial in sorted(missing)]
    _tell(lines, file, say, as_json)
    if not lines or any(line.result.code not in GOOD + NEUTRAL for line in lines):
        raise typer.Exit(1)


def _meet(place: Place) -> Met:
    try:
        camera = meet(place)
        return Met(camera, camera.about(), None)
    except Unreachable as error:
        return Met(None, None, Result("unreachable", str(error)))
    except Impostor:
        return Met(None, None, Result("not_proved"))


def _serial(met: Met, book: ledger.Ledger) -> str:
    """As the camera says, or as the file knows it."""
    if met.camera is None or met.about is None:
        return ""
    return met.about.serial or book.serial_of(met.camera.fingerprint.hex())


def _each_once(met: Mapping[Place, Met]) -> dict[Place, Met]:
    """Without the further addresses of cameras that have several: one claim would be in the way of the other."""
    kept: dict[Place, Met] = {}
    seen: set[bytes] = set()
    for place in sorted(met):
        camera = met[place].camera
        if camera is None or camera.fingerprint not in seen:
            kept[place] = met[place]
        if camera is not None:
            seen.add(camera.fingerprint)
    return kept


def _one(claimer: Claimer, met: Met, labels: Mapping[str, Label]) -> Result:
    if met.camera is None or met.about is None:
        return met.result or Result("unreachable")
    return claimer.claim(met.camera, met.about, labels.get(met.about.serial))


def _typed(met: Mapping[Place, Met], labels: Mapping[str, Label], say: Say) -> dict[str, Label]:
    """Ask for the code of every unclaimed camera that none is known of."""
    unclaimed = {one.about.serial for one in met.values() if one.about is not None and one.about.state == "unclaimed"}
    typed: dict[str, Label] = {}
    for serial in sorted(unclaimed - labels.keys()):
        while code := typer.prompt(say("type_code", serial=serial), default="", show_default=False, err=True):
            if codes.is_code(code):
                typed[serial] = Label(serial, code)
                break
            note(say("no_such_code"))
    return typed


def _text(result: Result, say: Say) -> str:
    return say(f"done_{result.code}", detail=result.detail)


def _tell(lines: list[Line], file: Path, say: Say, as_json: bool) -> None:
    good = sum(line.result.code in GOOD for line in lines)
    counted = sum(line.result.code not in NEUTRAL for line in lines)
    ordered = sorted(lines, key=lambda line: (line.serial or "~", line.address))
    if as_json:
        told = [{"serial": line.serial, "address": line.address, **line.result._asdict()} for line in ordered]
        print_json({"claimed": good, "cameras": told})
        return
    if not lines:
        note(say("none_found"))
        return
    titles = [say(name) for name in ("serial", "address", "result")]
    rows = [[line.serial or "–", line.address, _text(line.result, say)] for line in ordered]
    print_table(say("cameras"), titles, rows)
    typer.echo(say("summary", good=good, all=counted, file=file))
