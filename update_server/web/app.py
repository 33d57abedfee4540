"""The people listener: dashboard and API in one application."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from update_server.services import Services


def people_app(services: Services) -> ASGIApp:
    """The ASGI application of the people port."""
    return FastAPI(title=services.settings.operator)
