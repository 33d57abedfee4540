"""Who calls the API: bearer tokens only, so a browser's cookies can never be used against it."""

import time
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from update_server.access import people
from update_server.access.people import Visitor
from update_server.errors import Unauthenticated
from update_server.services import Services

_bearer = HTTPBearer(auto_error=False, description="Made by `camward-server token create`.")


def services_of(request: Request) -> Services:
    """The services that the application was made with."""
    found = request.app.state.services
    if not isinstance(found, Services):
        raise TypeError("the application has no services")
    return found


Opened = Annotated[Services, Depends(services_of)]


def visitor(services: Opened, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Visitor:
    """Who is calling.

    Raises:
        Unauthenticated: no token, or an unknown or expired one.
    """
    if credentials is None:
        raise Unauthenticated("An API token is required.", "Make one: 'camward-server token create'.")
    with services.database.read() as session:
        return people.token_visitor(session, credentials.credentials, int(time.time()))


def writer(who: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """Who is calling, if they may change things.

    Raises:
        Forbidden: they may only look.
    """
    people.require_write(who)
    return who


Reader = Annotated[Visitor, Depends(visitor)]
Writer = Annotated[Visitor, Depends(writer)]
