"""Logging in and out, and whose session a request belongs to."""

import threading
import time
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request

from update_server.access import passwords, people
from update_server.access.people import Visitor
from update_server.body import read_body
from update_server.errors import BadInput, Forbidden, TooManyAttempts, Unauthenticated
from update_server.services import Services

COOKIE = "__Host-camward"  # the prefix makes browsers insist on Secure, Path=/ and no Domain
MAX_FORM_BYTES = 8192
MAX_FIELDS = 20
# Each verification takes 19 MiB and 50 ms of one core: two at a time leave the rest of the machine alone.
_HASHING = threading.BoundedSemaphore(2)
# Those who wait for it hold worker threads, of which cameras need some too.
_WAITING = threading.BoundedSemaphore(8)
BUSY_S = 2


@dataclass(frozen=True)
class Form:
    """A posted form's first value per name."""

    values: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


async def read_form(request: Request) -> Form:
    """Read a posted form that came from our own pages.

    Raises:
        Forbidden: another site sent the browser here.
        BadInput: it is too long, or has too many fields.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"https://{request.headers.get('host', '')}"
    if site not in (None, "same-origin", "none") or origin not in (None, own):
        raise Forbidden("This form was sent from another site.")
    body = await read_body(request, MAX_FORM_BYTES)
    try:
        parsed = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadInput(f"The form has more than {MAX_FIELDS} fields.") from None
    return Form({name: found[0] for name, found in parsed.items()})


def log_in(services: Services, form: Form, source: str) -> str:
    """Verify name and password; returns the session cookie's value.

    Raises:
        Unauthenticated: they are wrong.
        TooManyAttempts: they were wrong too often, for this account or from this address; or too many log in at once.
    """
    name, now = form["name"][:64], int(time.time())
    subjects = (f"account {name}", f"source {source}")
    with services.database.read() as session:
        people.check_delay(session, subjects, now)
        stored = people.password_hash(session, name)
    if not _WAITING.acquire(blocking=False):
        raise TooManyAttempts("Too many people log in at this moment.", BUSY_S)
    try:
        with _HASHING:
            right = passwords.matches(form["password"], stored)
    finally:
        _WAITING.release()
    with services.database.write() as session:
        # Again, now that the lock is held: attempts made at the same moment must not all count as the first.
        people.check_delay(session, subjects, now)
        if right:
            return people.start_session(session, name, subjects, now)
        people.failed(session, subjects, now)
    raise Unauthenticated("The user name or the password is wrong.")


def visitor(services: Services, request: Request) -> Visitor:
    """Who is asking.

    Raises:
        Unauthenticated: nobody is logged in.
    """
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        raise Unauthenticated("Please log in.")
    with services.database.read() as session:
        return people.visitor(session, cookie, int(time.time()))
