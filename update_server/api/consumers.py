"""`/api/v1/consumers`: back ends that read what programs of the cameras send (docs/operator.md)."""

import time
from dataclasses import asdict
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from update_server.api.auth import Opened, Reader, Writer
from update_server.fleet import back_ends, consumers
from update_server.fleet.back_ends import BackEnds, Handed
from update_server.services import Services

router = APIRouter(prefix="/consumers", tags=["consumers"])


class ConsumerRequest(BaseModel):
    """A new back end, and the program whose messages it reads."""

    name: Annotated[str, Field(max_length=32)]
    program: Annotated[str, Field(max_length=16)]


class ConsumerView(BaseModel):
    """A back end: its client id at the broker, its topics, and when its last certificate ends."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    program: str
    client: str
    host: str
    port: int
    reads: str
    writes: str
    created_at: int
    expires_at: int


class ConsumerMade(ConsumerView):
    """With its certificate and key (PEM), which are said this once and kept nowhere.

    `known`: whether the broker has shown that it lets it in; what cameras send from then on is kept for it once it has
    subscribed. False while the broker is away.
    """

    certificate: str
    key: str
    ca: str
    known: bool

    @classmethod
    def of(cls, handed: Handed) -> Self:
        """From what was made."""
        return cls(
            **asdict(handed.about), certificate=handed.certificate, key=handed.key, ca=handed.ca, known=handed.known
        )


def _opened(services: Services) -> BackEnds:
    return BackEnds(services.database, services.authority, services.settings)


@router.get("")
def list_consumers(services: Opened, _who: Reader) -> list[ConsumerView]:
    """Those that are let in, by name."""
    with services.database.read() as session:
        rows = consumers.everyone(session)
        return [ConsumerView.model_validate(back_ends.about(row, services.settings)) for row in rows]


@router.post("", status_code=201)
def add(wanted: ConsumerRequest, services: Opened, who: Writer) -> ConsumerMade:
    """Let one in; the answer comes when the broker knows it, within seconds."""
    return ConsumerMade.of(_opened(services).add(wanted.name, wanted.program, who.name, int(time.time())))


@router.post("/{name}/renew")
def renew(name: str, services: Opened, who: Writer) -> ConsumerMade:
    """Another key and certificate under the same client id; those of before are good until they end."""
    return ConsumerMade.of(_opened(services).renew(name, who.name, int(time.time())))


@router.delete("/{name}", status_code=204)
def remove(name: str, services: Opened, who: Writer) -> None:
    """Shut one out, for good: another one of this name gets another client id."""
    back_ends.remove(services.database, name, who.name, int(time.time()))
