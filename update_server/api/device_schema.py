"""What cameras can ask the device listener for, as an OpenAPI document (docs/generated/openapi-device.json)."""

import inspect
import json
import re
from typing import Any

from update_server.api.device import ENDPOINTS, OPEN_PATHS, DeviceApi, Endpoint
from update_server.settings import Ports

VERSION = "1"
PARAMETERS = {
    "nonce": {"pattern": "^[0-9a-f]{32}$", "description": "16 random bytes that this camera has never used before."},
    "device_id": {"pattern": "^[a-z2-7]{26}$", "description": "The camera's own id, as in its certificate."},
    "name": {"description": "A file name, as TUF metadata names it."},
}
ERROR = {"$ref": "#/components/schemas/Error"}


def document() -> str:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "Camward device listener",
            "version": VERSION,
            "description": "For cameras. TLS 1.2 or newer; the camera's own certificate says which camera it is.",
        },
        "servers": [{"url": f"https://HOST:{Ports().device}"}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "certificate": {"type": "mutualTLS", "description": "Issued by the fleet CA at enrolment."},
                "token": {"type": "http", "scheme": "basic", "description": "Id and secret of a one-time token."},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("code", "what", "remedy")},
                }
            },
        },
    }
    return json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False)


def _operation(one: Endpoint) -> dict[str, Any]:
    summary = (inspect.getdoc(getattr(DeviceApi, one.handler)) or "").partition("\n")[0]
    answered: dict[str, Any] = {"content": {one.gives.partition(";")[0]: {}}} if one.gives else {}
    found: dict[str, Any] = {
        "operationId": one.handler,
        "summary": summary,
        "security": [] if one.path in OPEN_PATHS else [{"certificate": []}],
        "responses": {
            "200" if one.gives else "204": {"description": "Done.", **answered},
            "default": {"description": "Not done.", "content": {"application/json": {"schema": ERROR}}},
        },
    }
    if one.handler == "enrol":
        found["security"] = [{"token": []}]
    if one.takes:
        found["requestBody"] = {"required": True, "content": {one.takes: {}}}
    names = re.findall(r"{(\w+)}", one.path)
    if names:
        found["parameters"] = [_parameter(name) for name in names]
    return found


def _parameter(name: str) -> dict[str, Any]:
    about: dict[str, Any] = dict(PARAMETERS[name])
    description = about.pop("description")
    schema = {"type": "string", **about}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}
