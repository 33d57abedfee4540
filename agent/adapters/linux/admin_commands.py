"""What `camward-agent COMMAND` does where it asks the running agent: status, claim, enrol, install, erase, more."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from agent.adapters.linux import install_command
from agent.adapters.linux.admin_client import NotRunning, ask, must
from agent.adapters.linux.data_partition import opens_after_a_restart, order_formatting
from agent.adapters.linux.options import Options
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.tpm import Tpm
from agent.formats.errors import Unavailable

CMDLINE = Path("/proc/cmdline")
ERASE_JOURNAL = "handover/erase.json"  # of agent.app.handover, which takes any content
RESTART_NOW = 3
"""Exit status of an erase that whoever asked for it has to restart the camera for."""
Command = Callable[[argparse.Namespace], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]


def add(command: Add) -> None:
    """Add the commands; `command(name, function, help)` makes the parser of one."""
    command("status", _status, "Show what the agent is doing.")
    command("claim", _claim, "Claim this camera with the code on its label.")
    enrol = command("enrol", _enrol, "Enrol with an operator's server.")
    enrol.add_argument("token", help="the one-time token from the operator")
    command("check", _check, "Look for a release now.")
    command("update-now", _update_now, "Install what waits, or what the server has, without waiting for a window.")
    postpone = command("postpone", _postpone, "Have the release that waits wait longer, up to this camera's limit.")
    postpone.add_argument("hours", metavar="HOURS", help="counted from now; 0 takes a postponement back")
    settings = command("settings", _settings, "Set when an update may restart the camera; without options, show it.")
    settings.add_argument("--windows", help="for example 'mon-fri 01:30-04:00; sat,sun 23:00-05:00'; '' for any time")
    settings.add_argument("--time-zone", help="as a POSIX TZ string, for example JST-9")
    settings.add_argument("--postpone-days", metavar="SEVERITY=DAYS,...", help="for example low=7,medium=3,high=0")
    settings.add_argument("--reset", action="store_true", help="back to what the manufacturer has set")
    install_command.add(
        command("install", install_command.run, "Install an offline bundle, or the release that is announced.")
    )
    evidence = command("evidence", _evidence, "Collect evidence for JC-STAR and show it.")
    evidence.add_argument("--json", action="store_true", help="print the report as JSON")
    command("accounts", _accounts, "Look at every account of this camera now, and show what is wrong with them.")
    ssh = command("open-ssh", _open_ssh, "Open SSH for an administrator for a while, with a password drawn for that.")
    ssh.add_argument("user", help="the administrator")
    ssh.add_argument("--minutes", default="60", help="10 to 240 (default: %(default)s)")
    command("close-ssh", _close_ssh, "End SSH now, and everybody who is logged in by it.")
    command("close-plain-rtsp", _close_plain_rtsp, "Close RTSP in the clear, which an administrator has opened.")
    policy = command("policy", _policy, "Try a password against this camera's rules; it is not stored.")
    policy.add_argument("--user", default="admin", help="for this user (default: %(default)s)")
    _sure(command("disown", _disown, "Leave the operator: users stay, the camera may enrol with another one."))
    transfer = command("transfer", _transfer, "Move to another operator; the present one stays until that has worked.")
    transfer.add_argument("token", help="the one-time token from the next operator")
    _sure(transfer)
    erase = command("erase", _erase, "Erase users, operator and everything of theirs: for sale or disposal.")
    erase.add_argument("--state", type=Path, default=Options.state, help=argparse.SUPPRESS)
    erase.add_argument("--config", type=Path, default=Options.config, help=argparse.SUPPRESS)
    _sure(erase)


def _sure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _status(options: argparse.Namespace) -> int:
    answer = must(ask(options.run, "status"))
    for name in sorted(answer):
        if name not in {"v", "ok"}:
            value = answer[name]
            text = ", ".join(f"{k} {value[k]}" for k in sorted(value)) if isinstance(value, dict) else value
            _say(f"{name:15}{text}")
    return 0


def _claim(options: argparse.Namespace) -> int:
    code = input("Code on the label / ラベルのコード: ")
    user = input("User name / ユーザー名 [admin]: ") or "admin"
    must(ask(options.run, "claim", code=code, user=user, password=_new_password()))
    _say(f"Claimed. {user} is the administrator.")
    return 0


def _policy(options: argparse.Namespace) -> int:
    answer = must(ask(options.run, "policy", user=options.user, password=_new_password()))
    for violation in answer["violations"]:
        _say(f"{violation['code']}: {violation['en']} / {violation['ja']}")
    if not answer["violations"]:
        _say("This password can be used.")
    return 1 if answer["violations"] else 0


def _new_password() -> str:
    import getpass

    return getpass.getpass("New password / 新しいパスワード: ")


def _enrol(options: argparse.Namespace) -> int:
    must(ask(options.run, "enrol", token=options.token))
    _say("Enrolment has begun; see camward-agent status.")
    return 0


def _check(options: argparse.Namespace) -> int:
    must(ask(options.run, "check"))
    _say("Looking for a release; see camward-agent status.")
    return 0


def _update_now(options: argparse.Namespace) -> int:
    must(ask(options.run, "update_now"))
    _say("The camera does not wait any longer; see camward-agent status.")
    return 0


def _postpone(options: argparse.Namespace) -> int:
    until = must(ask(options.run, "postpone", hours=options.hours))["until"]
    _say(f"Postponed until {until}, by the camera's time zone." if until else "Not postponed any more.")
    return 0


def _settings(options: argparse.Namespace) -> int:
    given: "dict[str, object]" = {}
    if options.windows is not None:
        given["windows"] = options.windows
    if options.time_zone is not None:
        given["time_zone"] = options.time_zone
    if options.postpone_days is not None:
        given["postpone_days"] = _days(options.postpone_days)
    if given and options.reset:
        raise Unavailable("--reset takes everything back; give it alone")
    if given or options.reset:
        must(ask(options.run, "settings", **given))
    known = must(ask(options.run, "status"))["schedule"]
    _say("windows    " + (known["windows"] or "any time"))
    _say("time zone  " + known["time_zone"])
    return 0


def _days(text: str) -> "dict[str, int]":
    """`low=7,high=0` as an object; the agent says what is wrong with its values."""
    found = {}
    for part in text.split(","):
        severity, _, days = part.strip().partition("=")
        if not days.isdigit():
            raise Unavailable("days are given as SEVERITY=DAYS, for example low=7,high=0")
        found[severity] = int(days)
    return found


def _evidence(options: argparse.Namespace) -> int:
    answer = must(ask(options.run, "evidence"))
    if options.json:
        sys.stdout.write((options.run / "evidence.json").read_text())
    else:
        sys.stdout.write(str(answer["table"]))
    return 0


def _accounts(options: argparse.Namespace) -> int:
    """What a finding means: docs/integrator.md."""
    answer = must(ask(options.run, "accounts"))
    done = {None: "", True: "locked / ロック済み", False: "cannot be locked / ロックできません"}
    for one in answer.get("found", []):
        _say(f"{one['code']:18}{one['account'] or '-':20}{one['path']}  {done[one['locked']]}".rstrip())
    if "checked" not in answer:
        raise Unavailable("the accounts could not be looked at")
    _say(f"{answer['checked']} accounts; {answer['untried']} hashes are still being tried.")
    return 1 if answer["found"] else 0


def _open_ssh(options: argparse.Namespace) -> int:
    answer = must(ask(options.run, "open_ssh", user=options.user, minutes=options.minutes))
    _say(f"SSH is open on port {answer['port']} for {options.minutes} minutes, for {answer['user']} alone.")
    _say(f"Password / パスワード: {answer['password']}")
    return 0


def _close_ssh(options: argparse.Namespace) -> int:
    must(ask(options.run, "close_ssh"))
    _say("SSH is closed.")
    return 0


def _close_plain_rtsp(options: argparse.Namespace) -> int:
    must(ask(options.run, "close_plain_rtsp"))
    _say("RTSP in the clear is closed.")
    return 0


# Leaving


def _disown(options: argparse.Namespace) -> int:
    _make_sure(options, "The camera leaves its operator and restarts. Users and passwords stay.")
    must(ask(options.run, "disown"))
    _say("The camera leaves its operator, and restarts now.")
    return 0


def _transfer(options: argparse.Namespace) -> int:
    _make_sure(options, "The camera moves to the token's operator. Users and passwords stay.")
    must(ask(options.run, "transfer", token=options.token))
    _say(
        "The transfer has begun; see camward-agent status. The camera restarts when the next operator has certified it."
    )
    return 0


def _erase(options: argparse.Namespace) -> int:
    _make_sure(options, "Users, operator and all data of theirs will be gone. Only the label's code claims it again.")
    on_trial = b"camward.trial=1" in CMDLINE.read_bytes().split()
    damaged = (options.run / "data-damaged").exists() and not on_trial
    if damaged and opens_after_a_restart(options.run, Tpm()):
        _say("Nothing was erased: the TPM had no answer when the camera started, and has one now. Restart, then erase.")
        return RESTART_NOW
    if damaged and order_formatting(options.config):
        _say("The data partition is damaged. The camera makes it anew when it starts next: restart the camera now.")
        return RESTART_NOW
    try:
        must(ask(options.run, "erase"))
    except NotRunning:
        # It may be unable to start, as with keys of another TPM: its next start begins with the erase, and needs none.
        if on_trial:
            raise Unavailable("a new version is being tried; try again when the camera has restarted") from None
        FileStore(options.state).write(ERASE_JOURNAL, b"{}")
        _say("The agent does not run. It erases the camera when it starts next: restart the camera now.")
        return RESTART_NOW
    _say("The camera erases itself, and restarts now.")
    return 0


def _make_sure(options: argparse.Namespace, what: str) -> None:
    """Have a person type the serial number, unless told not to ask.

    Raises:
        Unavailable: they typed something else.
    """
    if options.yes:
        return
    serial = str(must(ask(options.run, "status"))["serial"])
    _say(what)
    if input(f"Type {serial} to go on / 続けるには {serial} を入力してください: ").strip() != serial:
        raise Unavailable("nothing was done")
