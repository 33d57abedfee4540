"""`camward-agent`: the agent on CPython. This module owns the one poll loop."""

import selectors
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.adapters.linux.options import Options
from agent.formats.errors import CamwardError, Unavailable
from agent.main_compose import build_agent, compose, read_config, watchdog

if TYPE_CHECKING:
    from agent.adapters.linux.program_sockets import ProgramServer
    from agent.adapters.linux.sockets import LineServer
    from agent.app.effects import Call

FEED_LEAST_S = 1.0  # a busy loop turns a thousand times in a second, and each feeding is a system call
FEED_EVERY_S = 5.0  # the kernel's softdog bites after 60 s

Effects = tuple[Any, ...]


def main(arguments: "list[str] | None" = None, restart: "Callable[[], None] | None" = None) -> int:
    """The console script; returns the exit status. `restart` replaces reboot(2) on machines made of files.

    Raises:
        SystemExit: argparse refuses the command line.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["tuf"]:
        from agent import main_tuf

        return main_tuf.main(given[1:])
    try:
        if given == ["run"]:
            return run(Options(), restart)  # a camera's own start, which needs no argparse
        from agent.adapters.linux import command_line

        return command_line.parse(given, lambda options: run(options, restart))()
    except CamwardError as error:
        print(f"camward-agent: {error.detail or error.code}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(options: Options, restart: "Callable[[], None] | None" = None) -> int:
    """Be the agent until SIGTERM; `restart` replaces reboot(2) where there is no machine to restart.

    Raises:
        CamwardError: configuration, disk, or state folder cannot be used.
    """
    loop = Loop(options, restart)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    loop.run()
    return 0


class Loop:
    """Polls sockets, results and time; feeds the watchdog; gives everything to the agent, one event at a time."""

    def __init__(self, options: Options, restart: "Callable[[], None] | None" = None) -> None:
        """Compose the agent from the Linux adapters.

        Raises:
            CamwardError: configuration, disk, or state folder cannot be used.
        """
        from agent.adapters.linux.workers import Inbox, Workers

        self._inbox = Inbox()
        self._workers = Workers(self._inbox, self._bug)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._inbox, selectors.EVENT_READ, lambda: None)
        self._config = read_config(options.config)
        self._watchdog = watchdog(options.watchdog)
        self._ports = compose(options, self._config, self._watchdog, self._linked, self._bug, restart)
        self._agent = build_agent(self._ports, self._config, options)
        self._programs = self._listen_to_programs(options)
        self._servers = [*self._listen(options), *self._programs]
        self._running = True
        self._error: "BaseException | None" = None
        self._wake_at: "float | None" = None
        self._feed_at = 0.0

    def run(self) -> None:
        """Run until `stop`.

        Raises:
            CamwardError: the state cannot be loaded.
            BaseException: a bug on a worker thread, raised here so that the process ends and is started again.
        """
        try:
            self._carry_out(self._agent.start(self._now()))
            print("camward-agent: in slot " + self._ports.boot.booted_slot(), flush=True)
            print("camward-agent: ready", flush=True)
            while self._running:
                self._turn()
            if self._error is not None:
                raise self._error
        finally:
            self._agent.stop()
            self._ports.neighbours.close()
            self._ports.link.close()
            for server in self._servers:
                server.close()
            self._watchdog.close()

    def stop(self) -> None:
        """Leave the loop after the current step; safe in signal handlers and on other threads."""
        self._running = False
        self._inbox.wake()

    def _turn(self) -> None:
        wait = FEED_EVERY_S if self._wake_at is None else min(FEED_EVERY_S, max(0.0, self._wake_at - self._now()))
        for key, _ in self._selector.select(wait):
            key.data()
        for event in self._inbox.take():
            self._step(event)
        if self._wake_at is not None and self._wake_at <= self._now():
            self._step(None)
        self._feed()

    def _step(self, event: object) -> None:
        self._carry_out(self._agent.step(event, self._now()))
        self._feed()  # hundreds may wait in a turn, and a TPM that is busy takes its seconds for each

    def _feed(self) -> None:
        if self._now() >= self._feed_at:
            self._feed_at = self._now() + FEED_LEAST_S
            self._watchdog.feed()

    def _carry_out(self, outcome: "tuple[Effects, float | None]") -> None:
        from agent.app.effects import Call, Push, Reboot, Reply, Say

        effects, self._wake_at = outcome
        for effect in effects:
            if isinstance(effect, Call):
                self._call(effect)
            elif isinstance(effect, Reply):
                for server in self._servers:
                    server.send(effect.connection, effect.body)
            elif isinstance(effect, Push):
                for program in self._programs:
                    program.push(effect.connection, effect.body)
            elif isinstance(effect, Say):
                print(effect.text, flush=True)
            elif isinstance(effect, Reboot):
                self._reboot(effect.reason)

    def _call(self, call: "Call") -> None:
        from agent.app.effects import BLOCKING, perform
        from agent.app.events import Result

        if not self._workers.submit(BLOCKING[call.port], lambda: perform(call, self._ports)):
            # Not through the inbox: this is the thread that empties it.
            self._step(Result(call.id, None, Unavailable("too much is waiting for the " + call.port)))

    def _reboot(self, reason: str) -> None:
        print(f"camward-agent: restarting ({reason})", flush=True)
        self._agent.stop()
        self._ports.link.close()
        self._ports.boot.reboot()

    def _listen(self, options: Options) -> "list[LineServer]":
        """One login socket per service for the camera, one admin socket for root."""
        import os

        from agent.adapters.linux.admin_client import MAX_ADMIN_LINE_BYTES
        from agent.adapters.linux.sockets import MAX_LINE_BYTES, LineServer
        from agent.app.events import ADMIN
        from agent.formats.plain_rtsp import SERVICE

        group = self._config.login_gid  # the camera program's own group, and its user id as well
        root, camera = frozenset({0, os.geteuid()}), frozenset({0, os.geteuid(), group})
        servers = [
            LineServer(
                options.run / "admin.sock", ADMIN, 0o600, 0, root, MAX_ADMIN_LINE_BYTES, self._selector, self._line
            )
        ]
        names = [service.name for service in self._config.services]
        for name in [*names, SERVICE] if self._config.plain_rtsp_port else names:
            path = options.run / "login" / f"{name}.sock"
            servers.append(LineServer(path, name, 0o660, group, camera, MAX_LINE_BYTES, self._selector, self._line))
        return servers

    def _listen_to_programs(self, options: Options) -> "list[ProgramServer]":
        """One socket for each program that may use the link."""
        if not self._config.programs:
            return []
        import os

        from agent.adapters.linux.program_sockets import ProgramServer
        from agent.app.programs import SERVICE
        from agent.formats.program_line import MAX_LINE_BYTES

        servers = []
        for program in self._config.programs:
            path, users = options.run / "link" / f"{program.name}.sock", frozenset({0, os.geteuid(), program.uid})
            name, group = SERVICE + program.name, program.gid
            servers.append(ProgramServer(path, name, 0o660, group, users, MAX_LINE_BYTES, self._selector, self._line))
        return servers

    def _line(self, connection: int, service: str, body: bytes) -> None:
        from agent.app.events import Line

        self._step(Line(connection, service, body))

    def _linked(self, event: "tuple[Any, ...]") -> None:
        """An event of the broker's session, on paho's thread."""
        from agent.app.events import Acknowledged, Linked, Message, Refused

        made: "dict[str, Callable[[], object]]" = {
            "up": lambda: Linked(True, "", ""),
            "down": lambda: Linked(False, event[1], event[2]),
            "acknowledged": lambda: Acknowledged(event[1]),
            "refused": lambda: Refused(event[1]),
            "message": lambda: Message(event[1], event[2]),
        }
        if event[0] == "message":
            self._inbox.offer(made["message"]())  # commands and receipts that get lost come again
        else:
            self._inbox.put(made[event[0]]())

    def _bug(self, error: BaseException) -> None:
        self._error = error
        self.stop()

    def _now(self) -> float:
        return self._ports.clock.monotonic_s()


if __name__ == "__main__":
    sys.exit(main())
