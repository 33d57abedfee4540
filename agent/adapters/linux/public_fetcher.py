"""GET from the manufacturer's public image repository: any web server that hosts static files, by its own CA.

Nobody is told who asks: no certificate of the device is shown. What comes is verified by its signatures, so the
certificate's dates are held against the build time alone: a wrong clock must not keep a camera from its updates.
"""

from collections.abc import Callable
from pathlib import Path

from agent.adapters.linux.dates import Dates
from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.downloader import HttpsDownloader
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.plain_fetcher import split_base
from agent.formats.delivery import Source
from agent.formats.errors import FormatError, Unavailable


class PublicFetcher:
    """`agent.ports.network.Fetcher` on `https://HOST[:PORT][/PATH]`; `put` is refused. `read` is that of Downloader."""

    def __init__(self, dates: Callable[[], Dates], dialer: Dialer | None = None) -> None:
        self._fetcher = HttpsFetcher(None, None, dates, dialer=dialer)
        self._downloader = HttpsDownloader(None, None, dates, dialer=dialer)
        self._folder = ""

    def open(self, server_url: str, ca_pem: str) -> None:
        """See `Fetcher.open`.

        Raises:
            FormatError: the URL is not `https://HOST[:PORT][/PATH]`, or the CA does not parse.
            Unavailable: the CA is the path of a file that cannot be read.
        """
        secure, host, port, folder = split_base(server_url)
        if not secure:
            raise FormatError("the public repository's address is not https")
        name = f"[{host}]" if ":" in host else host
        ca = read_ca(ca_pem)
        self._fetcher.open(f"https://{name}:{port}", ca)
        self._downloader.open(f"https://{name}:{port}", ca)
        self._folder = folder.rstrip("/")

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> bytes | None:
        """See `Fetcher.get`.

        Raises:
            Unavailable: no such answer now.
        """
        return self._fetcher.get(self._folder + path, max_bytes, offset_bytes, length_bytes)

    def read(
        self, source: Source, path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> bytes | None:
        """See `Downloader.read`.

        Raises:
            Unavailable: nothing came.
        """
        if source.url:
            raise Unavailable("the public repository is no mirror of others")
        return self._downloader.read(source, self._folder + path, offset_bytes, end_bytes, max_bytes, align_bytes)

    def put(self, path: str, body: bytes) -> None:
        """Nothing is sent to the public.

        Raises:
            Unavailable: always.
        """
        raise Unavailable(f"{path}: the public repository takes nothing")

    def connections(self) -> list[dict[str, object]]:
        """As `HttpsFetcher.connections`."""
        return self._fetcher.connections() + self._downloader.connections()

    def close(self) -> None:
        """Give up the connections that are kept."""
        self._fetcher.close()
        self._downloader.close()


def read_ca(ca: str) -> str:
    """The certificates of the configuration: as they stand there, or from the file that it names.

    Raises:
        Unavailable: the file cannot be read.
    """
    if not ca.startswith("/"):
        return ca
    try:
        return Path(ca).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise Unavailable(f"{ca} cannot be read: {error}") from error
