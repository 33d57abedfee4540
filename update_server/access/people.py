"""Logging in: people, browser sessions, API tokens, and the delay that grows with every wrong password."""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from update_server.access import passwords
from update_server.db.models import ApiToken, LoginFailure, Person, WebSession
from update_server.errors import BadInput, Conflict, Forbidden, NotFound, TooManyAttempts, Unauthenticated

SESSION_S = 12 * 3600
FREE_ATTEMPTS = 5  # wrong passwords before the delay starts; people mistype
FIRST_DELAY_S, MAX_DELAY_S = 2, 900
FORGET_AFTER_S = 24 * 3600
ADMINISTRATOR, VIEWER = "administrator", "viewer"
# Verified against when the name is unknown, so that an answer's time does not tell which names exist.
_NOBODY = passwords.hash_password("nobody has this password")


@dataclass(frozen=True)
class Visitor:
    """Who is asking: a person with a browser session, or a program with a token."""

    name: str
    may_write: bool
    form_secret: str = ""


def add_person(session: Session, name: str, password: str, role: str, now: int) -> None:
    """Add somebody who may log in.

    Raises:
        BadInput: the name or role is malformed, or the password too short.
        Conflict: the name is taken.
    """
    if not name.isidentifier() or len(name) > 64:
        raise BadInput(f"{name!r} is no user name.", "Use letters, digits and '_'.")
    if role not in (ADMINISTRATOR, VIEWER):
        raise BadInput(f"{role!r} is no role.", f"Use {ADMINISTRATOR} or {VIEWER}.")
    if len(password) < passwords.MIN_PASSWORD_CHARS:
        raise BadInput(f"The password has fewer than {passwords.MIN_PASSWORD_CHARS} characters.")
    if session.get(Person, name):
        raise Conflict(f"There is already a user {name}.")
    session.add(Person(name=name, password_hash=passwords.hash_password(password), role=role, created_at=now))


def set_password(session: Session, name: str, password: str) -> None:
    """Change a password; every session of that person ends.

    Raises:
        NotFound: there is no such person.
        BadInput: the password is too short.
    """
    person = session.get(Person, name)
    if person is None:
        raise NotFound(f"There is no user {name}.")
    if len(password) < passwords.MIN_PASSWORD_CHARS:
        raise BadInput(f"The password has fewer than {passwords.MIN_PASSWORD_CHARS} characters.")
    person.password_hash = passwords.hash_password(password)
    session.execute(delete(WebSession).where(WebSession.person == name))


def check_delay(session: Session, subjects: tuple[str, ...], now: int) -> None:
    """Refuse an attempt that comes too soon after wrong ones, before any password is looked at.

    Raises:
        TooManyAttempts: one of the subjects (account, source address) is blocked for now.
    """
    for subject in subjects:
        row = session.get(LoginFailure, subject[:80])
        if row is not None and row.blocked_until_at > now:
            raise TooManyAttempts("Too many wrong passwords.", row.blocked_until_at - now)


def failed(session: Session, subjects: tuple[str, ...], now: int) -> None:
    """Count a wrong password; from the sixth on the delay doubles each time."""
    session.execute(delete(LoginFailure).where(LoginFailure.blocked_until_at < now - FORGET_AFTER_S))
    for subject in subjects:
        row = session.get(LoginFailure, subject[:80])
        if row is None:
            row = LoginFailure(subject=subject[:80], count=0, blocked_until_at=now)
            session.add(row)
        row.count += 1
        beyond = row.count - FREE_ATTEMPTS
        delay_s = min(MAX_DELAY_S, FIRST_DELAY_S << min(beyond, 16)) if beyond >= 0 else 0
        row.blocked_until_at = now + delay_s


def password_hash(session: Session, name: str) -> str:
    """What to verify against: the person's hash, or one that nobody's password matches."""
    person = session.get(Person, name[:64])
    return person.password_hash if person else _NOBODY


def start_session(session: Session, name: str, subjects: tuple[str, ...], now: int) -> str:
    """Log a person in whose password was verified; returns the cookie's value, which is not stored."""
    session.execute(delete(LoginFailure).where(LoginFailure.subject.in_([s[:80] for s in subjects])))
    session.execute(delete(WebSession).where(WebSession.expires_at <= now))
    secret = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            secret_hash=_hash(secret), person=name, form_secret=secrets.token_urlsafe(32), expires_at=now + SESSION_S
        )
    )
    return secret


def visitor(session: Session, cookie: str, now: int) -> Visitor:
    """Who the session cookie belongs to.

    Raises:
        Unauthenticated: nobody (any more).
    """
    row = session.get(WebSession, _hash(cookie))
    if row is None or row.expires_at <= now:
        raise Unauthenticated("Please log in.")
    person = session.get_one(Person, row.person)
    return Visitor(person.name, person.role == ADMINISTRATOR, row.form_secret)


def end_session(session: Session, cookie: str) -> None:
    """Log out."""
    session.execute(delete(WebSession).where(WebSession.secret_hash == _hash(cookie)))


def make_token(session: Session, name: str, *, may_write: bool, valid_s: int | None, now: int) -> str:
    """A new API token; its text is returned once and only its hash is stored."""
    secret = "camward_" + secrets.token_urlsafe(32)
    session.add(
        ApiToken(
            id=secrets.token_hex(8), secret_hash=_hash(secret), name=name[:64], may_write=may_write,
            created_at=now, expires_at=now + valid_s if valid_s else None,
        )
    )  # fmt: skip
    return secret


def tokens(session: Session) -> list[ApiToken]:
    """All API tokens, the oldest first."""
    return list(session.scalars(select(ApiToken).order_by(ApiToken.created_at, ApiToken.id)))


def remove_token(session: Session, token_id: str) -> ApiToken:
    """Make an API token void at once.

    Raises:
        NotFound: there is none with that id.
    """
    row = session.get(ApiToken, token_id)
    if row is None:
        raise NotFound(f"There is no API token {token_id!r}.", "See 'camward-server token list'.")
    session.delete(row)
    return row


def token_visitor(session: Session, secret: str, now: int) -> Visitor:
    """Who the bearer token belongs to.

    Raises:
        Unauthenticated: it is unknown or expired.
    """
    row = session.query(ApiToken).filter_by(secret_hash=_hash(secret)).one_or_none()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise Unauthenticated("The API token is unknown or expired.", "Make one: 'camward-server token create'.")
    return Visitor("token " + row.name, row.may_write)


def require_write(who: Visitor) -> None:
    """Let only those through who may change things.

    Raises:
        Forbidden: `who` may only look.
    """
    if not who.may_write:
        raise Forbidden(f"{who.name} may only look.", "Ask an administrator.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
