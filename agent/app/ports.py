"""All ports of one agent in one value."""

from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core.trust_threshold import VerifySignature
    from agent.ports.accounts import AccountFiles
    from agent.ports.boot import BootControl, RollbackStore
    from agent.ports.bundle import BundleReader, Uploads
    from agent.ports.machine import Clock, Console, Firewall, Sensors, Services, Ssh, Watchdog, WebCertificate
    from agent.ports.network import Downloader, Enroller, Fetcher, Link, NeighbourServer
    from agent.ports.packing import Sealer, Unpacker, Unsealer
    from agent.ports.secrets import DeviceSecret, Entropy, KeyStore, PasswordHasher
    from agent.ports.storage import BlockDevice, Erasure, Spool, Store


class Ports(Value):
    """One adapter per port; `verify_signature` is a function (agent.core.trust takes it as an argument)."""

    FIELDS = (
        "store", "scratch", "erasure", "device", "boot", "rollback", "keys", "entropy", "hasher", "fetcher",
        "clockless", "downloader", "neighbours", "unpacker", "unsealer", "releases", "bundle", "uploads", "enroller",
        "link", "clock", "services", "sensors", "watchdog", "web_certificate", "verify_signature", "secret", "console",
        "account_files", "ssh", "firewall", "sealer", "spool",
    )  # fmt: skip
    store: "Store"
    scratch: "Store"  # gone after a reboot; readable by the camera (/run/camward)
    erasure: "Erasure"
    device: "BlockDevice"
    boot: "BootControl"
    rollback: "RollbackStore"
    keys: "KeyStore"
    entropy: "Entropy"
    hasher: "PasswordHasher"
    fetcher: "Fetcher"
    clockless: "Fetcher"  # judges certificates by the build time alone: for what has to work before the clock is right
    downloader: "Downloader"
    neighbours: "NeighbourServer"
    unpacker: "Unpacker"
    unsealer: "Unsealer"
    releases: "Fetcher"  # the manufacturer's public image repository; has `read` as well, as a Downloader
    bundle: "BundleReader"
    uploads: "Uploads"
    enroller: "Enroller"
    link: "Link"
    clock: "Clock"
    services: "Services"
    sensors: "Sensors"
    watchdog: "Watchdog"  # fed by the main loop alone
    web_certificate: "WebCertificate"
    verify_signature: "VerifySignature"
    secret: "DeviceSecret"
    console: "Console"
    account_files: "AccountFiles"
    ssh: "Ssh"
    firewall: "Firewall"
    sealer: "Sealer"
    spool: "Spool"  # where the outbox lies; on the same storage as `store`
