"""`releases` in the manufacturer's configuration: where a camera without an operator looks for releases by itself."""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_URL_CHARS = 256
MAX_CA_CHARS = 16 * 1024  # a few certificates
DAY_S = 86400
MIN_INTERVAL_S = 5  # as for the operator's server
MAX_INTERVAL_S = 7 * DAY_S
NEVER, CRITICAL = "never", "critical"


class Releases(Value):
    """The manufacturer's public image repository.

    Fields:
        url: `https://HOST[:PORT][/PATH]`; below it lie `tuf/image/` and `targets/`.
        ca: certificates in PEM that its own must lead to, or the absolute path of such a file in the verified root.
        automatic: "critical" if critical releases are installed without a person's order, else "never".
        interval_s: between looks, more or less.
    """

    FIELDS = ("url", "ca", "automatic", "interval_s")
    url: str
    ca: str
    automatic: str
    interval_s: int


def parse(source: "dict[str, Any]") -> Releases:
    """Read the object.

    Raises:
        FormatError: it is not what this module describes.
    """
    url = fields.text(source, "url", MAX_URL_CHARS)
    if not url.startswith("https://") or any(not "!" <= character <= "~" for character in url):
        raise FormatError("releases: url is no https URL")
    ca = fields.text(source, "ca", MAX_CA_CHARS)
    if not ca.startswith(("/", "-----BEGIN CERTIFICATE-----")):
        raise FormatError("releases: ca is neither PEM nor an absolute path")
    automatic = fields.choice(source, "automatic", (NEVER, CRITICAL)) if "automatic" in source else NEVER
    interval_s = DAY_S
    if "check_interval_s" in source:
        interval_s = fields.integer(source, "check_interval_s", MIN_INTERVAL_S, MAX_INTERVAL_S)
    return Releases(url if url.endswith("/") else url + "/", ca, automatic, interval_s)
