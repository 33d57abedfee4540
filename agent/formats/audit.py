"""`accounts` in the manufacturer's configuration: which accounts the camera has by nature, and where else some are."""

from agent.formats import fields
from agent.formats.account_lines import DECLARABLE, MAX_NAME_CHARS
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REPORT, LOCK = "report", "lock"
MAX_FILES = 16
MAX_DECLARED = 64
MAX_PATH_CHARS = 96
_OURS = "/data/camward"


class AccountFile(Value):
    """A file of one of DECLARABLE's kinds, and the accounts that belong there."""

    FIELDS = ("path", "kind", "declared")
    path: str
    kind: str
    declared: "tuple[str, ...]"


class Audit(Value):
    """What the audit of accounts goes by.

    Fields:
        policy: REPORT, or LOCK where it can be.
        declared: the system's own accounts; empty: those of the manufacturer's passwd (agent.app.console).
        files: others that hold accounts.
    """

    FIELDS = ("policy", "declared", "files")
    policy: str
    declared: "tuple[str, ...]"
    files: "tuple[AccountFile, ...]"


DEFAULT = Audit(LOCK, (), ())


def parse(source: "dict[str, Any]") -> Audit:
    """Read the member.

    Raises:
        FormatError: malformed, a path that is none or is the agent's own, or one that is there twice.
    """
    fields.only(source, ("policy", "declared", "files"))
    items = fields.array(source, "files", MAX_FILES) if "files" in source else []
    files = tuple([_file(item) for item in items])
    if len({one.path for one in files}) != len(files):
        raise FormatError("accounts: a path is there twice")
    return Audit(fields.choice(source, "policy", (REPORT, LOCK)), _declared(source), files)


def _file(item: "Any") -> AccountFile:
    source = fields.as_object(item, "a file of accounts")
    fields.only(source, ("path", "kind", "declared"))
    path = fields.text(source, "path", MAX_PATH_CHARS)
    parts = path.split("/")
    if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") for part in parts[1:]):
        raise FormatError("accounts: " + path + " is no absolute path")
    if any(not " " < one <= "~" for one in path):
        raise FormatError("accounts: a path of other than printable ASCII")
    if path == _OURS or path.startswith(_OURS + "/"):
        raise FormatError("accounts: /data/camward is the agent's own")
    return AccountFile(path, fields.choice(source, "kind", DECLARABLE), _declared(source))


def _declared(source: "dict[str, Any]") -> "tuple[str, ...]":
    if "declared" not in source:
        return ()
    items = fields.array(source, "declared", MAX_DECLARED)
    return tuple([fields.as_text(item, "an account", MAX_NAME_CHARS) for item in items])
