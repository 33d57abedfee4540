"""`camward-agent`: the agent on CPython. This module names the adapters and owns the one poll loop."""

import selectors
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.adapters.linux.options import Options
from agent.formats.errors import CamwardError, FormatError, Unavailable

if TYPE_CHECKING:
    from agent.adapters.linux.device_secret import TpmDeviceSecret, UnsafeFileDeviceSecret
    from agent.adapters.linux.keys import UnsafeFileKeyStore
    from agent.adapters.linux.program_sockets import ProgramServer
    from agent.adapters.linux.sockets import LineServer
    from agent.adapters.linux.store import FileStore
    from agent.adapters.linux.tpm_keys import TpmKeyStore
    from agent.app.agent import Agent
    from agent.app.effects import Call
    from agent.app.ports import Ports
    from agent.formats.config import Config
    from agent.ports.machine import Watchdog

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
        self._config = _read_config(options.config)
        self._watchdog = _watchdog(options.watchdog)
        self._ports = _compose(options, self._config, self._watchdog, self._linked, self._bug, restart)
        self._agent = _agent(self._ports, self._config, options)
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
        if self._now() >= self._feed_at:
            self._feed_at = self._now() + FEED_LEAST_S
            self._watchdog.feed()

    def _step(self, event: object) -> None:
        self._carry_out(self._agent.step(event, self._now()))

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

        group = self._config.login_gid  # the camera program's own group, and its user id as well
        root, camera = frozenset({0, os.geteuid()}), frozenset({0, os.geteuid(), group})
        servers = [
            LineServer(
                options.run / "admin.sock", ADMIN, 0o600, 0, root, MAX_ADMIN_LINE_BYTES, self._selector, self._line
            )
        ]
        for service in self._config.services:
            path = options.run / "login" / f"{service.name}.sock"
            servers.append(
                LineServer(path, service.name, 0o660, group, camera, MAX_LINE_BYTES, self._selector, self._line)
            )
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


def _read_config(path: Path) -> "Config":
    from agent.formats import config

    try:
        return config.parse(path.read_bytes())
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    except FormatError as error:
        raise FormatError(f"{path}: {error.detail}") from error


def _compose(
    options: Options,
    config: "Config",
    watchdog: "Watchdog",
    linked: "Callable[[tuple[Any, ...]], None]",
    failed: "Callable[[BaseException], None]",
    restart: "Callable[[], None] | None",
) -> "Ports":
    from agent.adapters.linux import boot_control, keys
    from agent.adapters.linux.account_files import SystemAccountFiles
    from agent.adapters.linux.block_device import DiskFile
    from agent.adapters.linux.bundle_fetcher import BundleFile
    from agent.adapters.linux.console import SystemConsole
    from agent.adapters.linux.dialing import Dialer
    from agent.adapters.linux.downloader import HttpsDownloader
    from agent.adapters.linux.erasure import FileErasure
    from agent.adapters.linux.est import EstEnroller
    from agent.adapters.linux.fetcher import HttpsFetcher
    from agent.adapters.linux.firewall import NftFirewall
    from agent.adapters.linux.link import PahoLink
    from agent.adapters.linux.machine import SystemClock
    from agent.adapters.linux.neighbour_server import HttpsNeighbourServer
    from agent.adapters.linux.public_fetcher import PublicFetcher
    from agent.adapters.linux.sealer import HpkeSealer
    from agent.adapters.linux.sensors import LinuxSensors
    from agent.adapters.linux.services import LoopbackServices
    from agent.adapters.linux.site import site_proxy
    from agent.adapters.linux.spool import FileSpool
    from agent.adapters.linux.ssh import SystemSsh
    from agent.adapters.linux.store import FileStore
    from agent.adapters.linux.unpacker import ZstdUnpacker
    from agent.adapters.linux.unsealer import HpkeUnsealer
    from agent.adapters.linux.uploads import FileUploads
    from agent.adapters.linux.web_certificate import SelfSignedCertificate
    from agent.app.identity import CERTIFICATE, UNSEALING
    from agent.app.ports import Ports
    from agent.core.slots import parse_layout

    layout = parse_layout(config.layout)
    store = FileStore(options.state)
    key_store, secret = _guarded(store, config)
    device = DiskFile(options.disk or Path(layout.device), layout.erase_bytes)
    boot = boot_control.RawBootControl(
        device, layout.boot_record, options.command_line, restart or boot_control.restart_machine, layout.erase_bytes
    )
    identity = store.path(CERTIFICATE), key_store.path("tls")
    clock = SystemClock(config.build_time)
    out = Dialer(site_proxy(store, config.proxy)[0])
    fetcher = HttpsFetcher(*identity, clock.dates, dialer=out)
    link = PahoLink(*identity, linked, clock.dates, out, key_store.path)
    clockless = HttpsFetcher(*identity, clock.dates_without_clock, dialer=out)
    downloader = HttpsDownloader(*identity, clock.dates, dialer=out)
    neighbours = HttpsNeighbourServer(device, *identity, failed, clock.dates)
    public = PublicFetcher(clock.dates_without_clock, out)
    factory = store.path("factory/certificate.pem"), store.path("factory/key.pem")
    web = SelfSignedCertificate(options.state / "web", config.login_gid)

    def connections() -> "list[dict[str, Any]]":
        connected = (fetcher, clockless, downloader, public, link)
        return [one for each in connected for one in each.connections()]

    return Ports(
        store=store,
        scratch=FileStore(options.run, 0o640, config.login_gid),
        erasure=FileErasure(options.state, tuple(map(Path, config.user_folders))),
        device=device,
        boot=boot,
        rollback=boot_control.UnsafeFileRollbackStore(boot, store),
        keys=key_store,
        entropy=keys.SystemEntropy(),
        hasher=keys.Argon2Hasher(),
        fetcher=fetcher,
        clockless=clockless,
        downloader=downloader,
        neighbours=neighbours,
        unpacker=ZstdUnpacker(),
        unsealer=HpkeUnsealer(key_store, UNSEALING),
        releases=public,
        bundle=BundleFile(),
        uploads=FileUploads(options.state / "bundle", config.login_gid),
        enroller=EstEnroller(key_store, clock.dates_without_clock, identity[0], web.key, factory, out),
        link=link,
        clock=clock,
        services=LoopbackServices(web.path),
        sensors=LinuxSensors(options.state, config.services, web.path, connections, neighbours.probe, link.address),
        watchdog=watchdog,
        web_certificate=web,
        verify_signature=keys.verify_signature,
        secret=secret,
        # Beside the agent's own folder, which is closed to others: every program may read passwd.
        console=SystemConsole(options.logins, options.run.with_name(options.run.name + "-logins"), options.etc),
        account_files=SystemAccountFiles(options.etc),
        ssh=SystemSsh(options.run.with_name(options.run.name + "-ssh")),
        firewall=NftFirewall(options.nft),
        sealer=HpkeSealer(),
        spool=FileSpool(store),
    )


def _guarded(
    store: "FileStore", config: "Config"
) -> "tuple[UnsafeFileKeyStore | TpmKeyStore, UnsafeFileDeviceSecret | TpmDeviceSecret]":
    """The keys and the device's secret, in what the manufacturer says this camera has."""
    from agent.adapters.linux.device_secret import TpmDeviceSecret, UnsafeFileDeviceSecret
    from agent.app.identity import IDENTITY, NEXT, ROTATED, UNSEALING
    from agent.formats.config import TPM

    if config.keys == TPM:
        from agent.adapters.linux.tpm import Tpm
        from agent.adapters.linux.tpm_keys import TpmKeyStore

        chip = Tpm()
        guard = TpmDeviceSecret(chip)
        return TpmKeyStore(store, chip, guard, tls=(IDENTITY, NEXT, ROTATED), unsealing=UNSEALING), guard
    from agent.adapters.linux.keys import UnsafeFileKeyStore

    return UnsafeFileKeyStore(store), UnsafeFileDeviceSecret(store)


def _agent(ports: "Ports", config: "Config", options: Options) -> "Agent":
    import socket

    from agent import core
    from agent.adapters.linux.site import site_proxy
    from agent.adapters.linux.store import FileStore
    from agent.app import agent
    from agent.app.desk import DATA_DAMAGED
    from agent.core import compliance, password_policy
    from agent.core.blocklist import ShippedList
    from agent.core.deny_list import read_list
    from agent.formats import label

    problems = list(site_proxy(FileStore(options.state), config.proxy)[1])
    if (options.run / "data-damaged").exists() or (options.state / "DAMAGED").exists():
        problems.append(DATA_DAMAGED)
    try:
        about = label.parse(ports.store.read("factory/label.json") or b"")
    except FormatError:
        about = label.unknown(config.model, config.hardware)
        problems.append(agent.LABEL_MISSING)
    try:
        image_root = Path(config.image_root).read_bytes()
    except OSError:
        image_root = b""
        problems.append(agent.IMAGE_ROOT_MISSING)
    data = Path(core.__file__).parent
    try:
        catalogue = compliance.parse_catalogue((data / "star1.json").read_bytes())
    except OSError as error:
        raise Unavailable(f"{error.filename}: {error.strerror}") from error

    def read(name: str) -> bytes:
        try:
            return (data / name).read_bytes()
        except OSError as error:
            raise Unavailable(f"{name}: {error.strerror}") from error

    blocklist = ShippedList(read, password_policy.parse_policy(config.password).common)
    path, host_name = str(options.run / "evidence.json"), socket.gethostname()
    return agent.Agent(
        ports, config, about, image_root, catalogue, blocklist, lambda own: read_list(read, own), path, tuple(problems),
        host_name,
    )  # fmt: skip


def _watchdog(path: Path) -> "Watchdog":
    from agent.adapters.linux.machine import DeviceWatchdog, NoWatchdog

    if path.exists():
        return DeviceWatchdog(path)
    print("camward-agent: no watchdog: " + str(path), file=sys.stderr)
    return NoWatchdog()


if __name__ == "__main__":
    sys.exit(main())
