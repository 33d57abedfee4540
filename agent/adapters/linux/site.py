"""What this camera's site says over the manufacturer's configuration: `config/` in the agent's state folder."""

from agent.adapters.linux.store import FileStore
from agent.formats import proxy
from agent.formats.errors import FormatError
from agent.formats.proxy import Proxy

PROXY = "config/proxy.json"
PROXY_UNREADABLE = "proxy_unreadable"


def site_proxy(store: FileStore, default: Proxy | None) -> tuple[Proxy | None, tuple[str, ...]]:
    """The site's proxy, or else `default`; and the problems of this camera that come of reading it.

    A damaged file counts as absent: where the manufacturer names no proxy, connections are direct then.

    Raises:
        Unavailable: the storage fails.
    """
    said = store.read(PROXY)
    try:
        return (default if said is None else proxy.parse_site(said)), ()
    except FormatError:
        return default, (PROXY_UNREADABLE,)
