"""`system_logins` in the manufacturer's configuration: whether administrators may log in to the system itself."""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.shadow import MAX_UID, MIN_UID
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PATH_CHARS = 64
_SHARED = ("data", "dev", "run", "tmp", "var")
"""Top folders in which others may write. A shell runs the `.profile` of its home: who may put one there, commands."""


class SystemLogins(Value):
    """What an administrator is to the operating system: the first user id, the group, home folder and shell.

    `ssh_port`: where an administrator may open SSH for a while (agent.app.ssh); 0 or left out: there is none.
    """

    FIELDS = ("first_uid", "gid", "home", "shell", "ssh_port")
    first_uid: int
    gid: int
    home: str
    shell: str
    ssh_port: int


def parse(source: "dict[str, Any]") -> SystemLogins:
    """Read the member.

    Raises:
        FormatError: malformed, an id of the system's own (root's above all), a path that is none, or a shared home.
    """
    fields.only(source, ("first_uid", "gid", "home", "shell", "ssh_port"))
    return SystemLogins(
        first_uid=fields.integer(source, "first_uid", MIN_UID, MAX_UID),
        gid=fields.integer(source, "gid", MIN_UID, MAX_UID),
        home=_home(source),
        shell=_path(source, "shell"),
        ssh_port=fields.integer(source, "ssh_port", 0, 65535) if "ssh_port" in source else 0,
    )


def _home(source: "dict[str, Any]") -> str:
    home = _path(source, "home")
    parts = home.split("/")[1:]
    if parts != [""] and any(part in ("", ".", "..") for part in parts):
        raise FormatError("home is no plain path")
    if parts[0] in _SHARED:
        raise FormatError("home: others may write there")
    return home


def _path(source: "dict[str, Any]", name: str) -> str:
    text = fields.text(source, name, MAX_PATH_CHARS)
    if text[:1] != "/" or any(one == ":" or not " " < one <= "~" for one in text):
        raise FormatError(name + " is no path that passwd can hold")
    return text
