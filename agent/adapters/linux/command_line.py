"""The command line of `camward-agent`. A camera's own start does without: argparse costs it a tenth."""

import argparse
from collections.abc import Callable
from pathlib import Path

from agent import VERSION
from agent.adapters.linux import admin_commands
from agent.adapters.linux.options import Options


def parse(given: "list[str]", run: "Callable[[Options], int]") -> "Callable[[], int]":
    """The command that was given, to be called; `run` is the agent itself.

    Raises:
        SystemExit: argparse refuses the command line.
    """
    found = _parser().parse_args(given)
    if found.command is not None:
        return lambda: int(found.command(found))
    options = Options()
    for name, value in vars(found).items():
        if name != "command":
            setattr(options, name, value)
    return lambda: run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="camward-agent", description="The security agent inside a network camera.")
    parser.add_argument("--version", action="version", version="%(prog)s " + VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int] | None, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=function)
        made.add_argument("--run", type=Path, default=Options.run, help="folder of the sockets (default: %(default)s)")
        return made

    agent = command("run", None, "Be the agent (started by the camera's init).")
    agent.add_argument(
        "--config", type=Path, default=Options.config, help="the manufacturer's agent.json (default: %(default)s)"
    )
    agent.add_argument(
        "--state", type=Path, default=Options.state, help="folder of the device's state (default: %(default)s)"
    )
    agent.add_argument("--disk", type=Path, help="a file instead of the layout's device (development)")
    agent.add_argument("--command-line", type=Path, default=Options.command_line, help=argparse.SUPPRESS)
    agent.add_argument("--logins", type=Path, default=Options.logins, help=argparse.SUPPRESS)
    agent.add_argument("--etc", type=Path, default=Options.etc, help=argparse.SUPPRESS)
    agent.add_argument("--watchdog", type=Path, default=Options.watchdog, help="watchdog device (default: %(default)s)")
    admin_commands.add(command)
    commands.add_parser("tuf", help="Be a plain TUF client, for conformance suites.")  # read by agent.main_tuf
    return parser
