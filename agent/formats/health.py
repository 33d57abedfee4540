"""The `health` object of `/etc/camward/agent.json`: what a system has to show before it counts as working.

Each check has a deadline in seconds from the agent's start; without one of its own it is `deadline_s`. Where no checks
are declared, every service has to answer.
"""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSWERS = "answers"  # a service speaks its protocol
PLAYS = "plays"  # a service plays its stream: one whole frame arrives
SERVER = "server"  # the operator's server is reached, or was not before the update either
WATCHDOG = "watchdog"  # the kernel's watchdog runs and takes what the main loop feeds it
CHECKS = (ANSWERS, PLAYS, SERVER, WATCHDOG)
STREAMING_KINDS = ("rtsps",)
MIN_DEADLINE_S = 5  # a service that has to start needs at least this much
MAX_DEADLINE_S = 1800  # the trial boot must end while somebody still remembers it
MAX_CHECKS = 40  # two for each of 16 services, and some


class Check(Value):
    """One check; `service` is its name, or empty where the check is about none."""

    FIELDS = ("check", "service", "deadline_s")
    check: str
    service: str
    deadline_s: int


class Health(Value):
    """All of the object; `checks` is never empty unless the camera has no services."""

    FIELDS = ("deadline_s", "checks")
    deadline_s: int
    checks: "tuple[Check, ...]"


def parse_health(source: "dict[str, Any]", kinds: "dict[str, str]") -> Health:
    """Read the object. `kinds`: the kind of each service, by name.

    Raises:
        FormatError: it is not what this module describes; the message names the member.
    """
    fields.only(source, ("deadline_s", "checks"))
    deadline_s = fields.integer(source, "deadline_s", MIN_DEADLINE_S, MAX_DEADLINE_S)
    if "checks" not in source:
        return Health(deadline_s, tuple(Check(ANSWERS, name, deadline_s) for name in sorted(kinds)))
    checks = tuple(_check(item, kinds, deadline_s) for item in fields.array(source, "checks", MAX_CHECKS))
    if len({(check.check, check.service) for check in checks}) != len(checks):
        raise FormatError("health: a check repeats")
    if not checks:
        raise FormatError("health: no checks; leave the member out to have every service answer")
    return Health(deadline_s, checks)


def _check(item: "Any", kinds: "dict[str, str]", deadline_s: int) -> Check:
    source = fields.as_object(item, "a health check")
    check = fields.choice(source, "check", CHECKS)
    about_service = check in (ANSWERS, PLAYS)
    fields.only(source, ("check", "service", "deadline_s") if about_service else ("check", "deadline_s"))
    service = fields.name(source, "service", 16) if about_service else ""
    if about_service and service not in kinds:
        raise FormatError("health: there is no service " + service)
    if check == PLAYS and kinds[service] not in STREAMING_KINDS:
        raise FormatError("health: " + service + " plays no stream")
    if "deadline_s" in source:
        deadline_s = fields.integer(source, "deadline_s", MIN_DEADLINE_S, MAX_DEADLINE_S)
    return Check(check, service, deadline_s)
