"""The JSON API as one application, and its OpenAPI document (docs/generated/openapi.json)."""

import json

from fastapi import FastAPI
from starlette.types import ExceptionHandler

from update_server.api import commands, consumers, devices, passwords, releases, rollouts, status
from update_server.api.answers import error_answer
from update_server.errors import ServerError

VERSION = "1"
PREFIX = f"/api/v{VERSION}"


def api_app() -> FastAPI:
    """The API; whoever serves it sets `app.state.services`."""
    app = FastAPI(
        title="Camward update server",
        version=VERSION,
        description="Fleet, releases and rollouts. Every request needs a bearer token.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    for module in (status, devices, passwords, commands, consumers, releases, rollouts):
        app.include_router(module.router)
    handler: ExceptionHandler = error_answer
    app.add_exception_handler(ServerError, handler)
    return app


def document() -> str:
    """The OpenAPI document."""
    described = api_app().openapi()
    described["servers"] = [{"url": PREFIX}]
    return json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False)
