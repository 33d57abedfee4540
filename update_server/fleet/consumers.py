"""Back ends of the operator's that read what cameras' programs send, and answer (docs/link-socket.md).

Each is a client of the broker, with a certificate by the fleet's CA, and rights to one program's topics.
"""

import re
import secrets
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.formats import programs
from agent.formats.errors import FormatError
from update_server.db.models import Consumer
from update_server.errors import BadInput, Conflict, NotFound
from update_server.fleet import devices
from update_server.keyfiles import new_key
from update_server.pki.authority import Authority, fingerprint, utc

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")
Access = tuple[set[str], set[tuple[str, str]]]
"""Clients' names that are shut out; and for each consumer its client's name and its program."""
DRAWN_BYTES = 4  # of a certificate's name: a name that is used again is another client


@dataclass(frozen=True)
class Made:
    """A new consumer; the private key is nobody's but the caller's."""

    row: Consumer
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def add(session: Session, authority: Authority, name: str, program: str, now: int) -> Made:
    """Let a new consumer in.

    Raises:
        BadInput: that is no name of a consumer or of a program.
        Conflict: there is one of this name.
    """
    if not NAME.match(name):
        raise BadInput(f"{name!r} is no consumer's name.", "Use 1 to 32 lower-case letters, digits and dashes.")
    try:
        programs.program_name(program)
    except FormatError:
        raise BadInput(f"{program!r} is no program's name.", "Use the name in the cameras' agent.json.") from None
    if _named(session, name) is not None:
        raise Conflict(f"There is a consumer {name} already.", "Remove it first, or use another name.")
    client = f"consumer-{name}-{secrets.token_hex(DRAWN_BYTES)}"
    row = Consumer(client=client, name=name, program=program, created_at=now, expires_at=0, removed_at=None)
    session.add(row)
    return _certified(row, authority, now)


def renew(session: Session, authority: Authority, name: str, now: int) -> Made:
    """Another key and certificate for one, under the same client's name, so that its session at the broker stays.

    The certificate of before is good until it ends: whoever had its key stolen is removed, and added anew.

    Raises:
        NotFound: there is none of this name.
    """
    return _certified(find(session, name), authority, now)


def _certified(row: Consumer, authority: Authority, now: int) -> Made:
    key = new_key()
    certificate = authority.certify_consumer(key.public_key(), row.client, utc(now))
    row.expires_at = max(row.expires_at, int(certificate.not_valid_after_utc.timestamp()))  # of the last to end
    row.ca_sha256 = fingerprint(authority.certificate)
    return Made(row, key, certificate)


def find(session: Session, name: str) -> Consumer:
    """The one of this name that is let in.

    Raises:
        NotFound: there is none.
    """
    row = _named(session, name)
    if row is None:
        raise NotFound(f"There is no consumer {name!r}.", "See 'camward-server consumer list'.")
    return row


def everyone(session: Session) -> list[Consumer]:
    """Those that are let in, by name, also where their certificate has ended."""
    return list(session.scalars(select(Consumer).where(Consumer.removed_at.is_(None)).order_by(Consumer.name)))


def remove(session: Session, name: str, now: int) -> Consumer:
    """Shut one out.

    Raises:
        NotFound: there is none of this name.
    """
    row = find(session, name)
    row.removed_at = now
    return row


def access(session: Session, now: int) -> Access:
    """Whom the broker is to shut out, and which consumers it is to serve.

    Shut out are cameras (`devices.shut_out`), and the consumers that were removed, while their certificates are good.
    """
    gone = (Consumer.removed_at.is_not(None), Consumer.expires_at >= now)
    removed = set(session.scalars(select(Consumer.client).where(*gone)))
    return devices.shut_out(session, now) | removed, {(row.client, row.program) for row in everyone(session)}


def _named(session: Session, name: str) -> Consumer | None:
    return session.scalars(select(Consumer).where(Consumer.name == name, Consumer.removed_at.is_(None))).first()
