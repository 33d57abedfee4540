"""What `camward-agent run` is told. Apart from the command line, because a camera's own start needs none."""

from pathlib import Path

CONFIG = Path("/etc/camward/agent.json")
STATE = Path("/data/camward")
RUN = Path("/run/camward")
WATCHDOG = Path("/dev/watchdog")
BASE = Path("/usr/lib/camward/logins")  # the manufacturer's passwd and shadow, in the verified root


class Options:
    """What a start takes on a camera; a command line sets others."""

    config = CONFIG
    state = STATE
    run = RUN
    disk: "Path | None" = None
    command_line = Path("/proc/cmdline")
    logins = BASE
    etc = Path("/etc")
    nft = Path("/usr/sbin/nft")
    watchdog = WATCHDOG
