"""What `neighbours`, in `update` of the configuration, says: whether this camera serves its site, and where."""

from agent.formats import fields
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_PORT = 8446  # docs/adr/0016-neighbours.md
MIN_PORT = 1024  # below are the ports of services that people look for
MAX_PORT = 65535


class Neighbours(Value):
    """`serve`: other cameras may fetch the release that runs here; on this TCP `port`."""

    FIELDS = ("serve", "port")
    serve: bool
    port: int


OFF = Neighbours(False, DEFAULT_PORT)
"""What a configuration without the object says."""


def parse(update: "dict[str, Any]") -> Neighbours:
    """Read the member `neighbours` of `update`, which may be missing.

    Raises:
        FormatError: it is malformed.
    """
    if "neighbours" not in update:
        return OFF
    source = fields.obj(update, "neighbours")
    fields.only(source, Neighbours.FIELDS)
    port = fields.integer(source, "port", MIN_PORT, MAX_PORT) if "port" in source else DEFAULT_PORT
    return Neighbours(fields.boolean(source, "serve"), port)
