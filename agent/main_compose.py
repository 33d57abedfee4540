"""Names the Linux adapter of each port, and puts the agent together; imports each as late as it can."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.adapters.linux.options import Options
from agent.formats.errors import FormatError, Unavailable

if TYPE_CHECKING:
    from agent.adapters.linux.device_secret import TpmDeviceSecret, UnsafeFileDeviceSecret
    from agent.adapters.linux.erasure import FileErasure
    from agent.adapters.linux.keys import UnsafeFileKeyStore
    from agent.adapters.linux.store import FileStore
    from agent.adapters.linux.tpm import Tpm
    from agent.adapters.linux.tpm_keys import TpmKeyStore
    from agent.app.agent import Agent
    from agent.app.ports import Ports
    from agent.core.slots import Layout
    from agent.formats.config import Config
    from agent.formats.proxy import Proxy
    from agent.ports.machine import Watchdog

RENEWED = "data-renewed"  # in the run folder: this start has formatted the data partition for an erase


def read_config(path: Path) -> "Config":
    """The manufacturer's `agent.json`.

    Raises:
        FormatError: it is not one.
        Unavailable: it cannot be read.
    """
    from agent.formats import config

    try:
        return config.parse(path.read_bytes())
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    except FormatError as error:
        raise FormatError(f"{path}: {error.detail}") from error


def compose(
    options: Options,
    config: "Config",
    watchdog: "Watchdog",
    linked: "Callable[[tuple[Any, ...]], None]",
    failed: "Callable[[BaseException], None]",
    restart: "Callable[[], None] | None",
) -> "Ports":
    """Every port with its Linux adapter.

    Args:
        options: the paths of this camera.
        config: what the manufacturer says of it.
        watchdog: as `watchdog` found it.
        linked: takes the events of the broker's session, on its thread.
        failed: takes a bug of the neighbours' server, on its thread.
        restart: replaces reboot(2) on machines made of files.

    Raises:
        CamwardError: disk, state folder or TPM cannot be used.
    """
    from agent.adapters.linux import boot_control, keys
    from agent.adapters.linux.account_files import SystemAccountFiles
    from agent.adapters.linux.block_device import DiskFile
    from agent.adapters.linux.bundle_fetcher import BundleFile
    from agent.adapters.linux.console import SystemConsole
    from agent.adapters.linux.detour import HttpsDialer
    from agent.adapters.linux.dialing import Dialer
    from agent.adapters.linux.downloader import HttpsDownloader
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
    key_store, secret = keys_and_secret(store, config)
    device = DiskFile(options.disk or Path(layout.device), layout.erase_bytes)
    boot = boot_control.RawBootControl(
        device, layout.boot_record, options.command_line, restart or boot_control.restart_machine, layout.erase_bytes
    )
    identity = store.path(CERTIFICATE), key_store.path("tls")
    clock = SystemClock(config.build_time)

    def proxy() -> "Proxy | None":
        return site_proxy(store, config.proxy)[0]

    out = Dialer(proxy)
    fetcher = HttpsFetcher(*identity, clock.dates, dialer=HttpsDialer(proxy))
    link = PahoLink(*identity, linked, clock.dates, out, key_store.path)
    clockless = HttpsFetcher(*identity, clock.dates_without_clock, dialer=HttpsDialer(proxy))
    downloader = HttpsDownloader(*identity, clock.dates, dialer=HttpsDialer(proxy))
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
        erasure=_erasure(options, config, layout),
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
        enroller=EstEnroller(key_store, clock.dates_without_clock, identity[0], web.key, factory, HttpsDialer(proxy)),
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


def _erasure(options: Options, config: "Config", layout: "Layout") -> "FileErasure":
    """By whether the data partition has a key of its own, which an erase then destroys."""
    folders = tuple(map(Path, config.user_folders))
    if not layout.encrypted:
        from agent.adapters.linux.erasure import FileErasure

        return FileErasure(options.state, folders)
    from agent.adapters.linux.data_partition import PlainArea
    from agent.adapters.linux.partition_erasure import PartitionErasure

    area = PlainArea(options.disk or Path(layout.device), layout.data)
    return PartitionErasure(options.state, folders, area, _chip(), options.run / RENEWED)


@cache
def _chip() -> "Tpm":
    """The camera's one TPM, for all who need it: one device, one lock, and one storage root that stays loaded."""
    from agent.adapters.linux.tpm import Tpm

    return Tpm()


def keys_and_secret(
    store: "FileStore", config: "Config"
) -> "tuple[UnsafeFileKeyStore | TpmKeyStore, UnsafeFileDeviceSecret | TpmDeviceSecret]":
    """The keys and the device's secret, in what the manufacturer says this camera has."""
    from agent.adapters.linux.device_secret import TpmDeviceSecret, UnsafeFileDeviceSecret
    from agent.app.identity import IDENTITY, NEXT, ROTATED, UNSEALING
    from agent.formats.config import TPM

    if config.keys == TPM:
        from agent.adapters.linux.tpm_keys import TpmKeyStore

        chip = _chip()
        guard = TpmDeviceSecret(chip)
        return TpmKeyStore(store, chip, guard, tls=(IDENTITY, NEXT, ROTATED), unsealing=UNSEALING), guard
    from agent.adapters.linux.keys import UnsafeFileKeyStore

    return UnsafeFileKeyStore(store), UnsafeFileDeviceSecret(store)


def build_agent(ports: "Ports", config: "Config", options: Options) -> "Agent":
    """The agent on these ports, with the data that the firmware brings along.

    Raises:
        FormatError: the catalogue or the policy for passwords cannot be read.
        Unavailable: a file of the agent's own is missing.
    """
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


def watchdog(path: Path) -> "Watchdog":
    """The kernel's watchdog, or none where there is no such device."""
    from agent.adapters.linux.machine import DeviceWatchdog, NoWatchdog

    if path.exists():
        return DeviceWatchdog(path)
    print("camward-agent: no watchdog: " + str(path), file=sys.stderr)
    return NoWatchdog()
