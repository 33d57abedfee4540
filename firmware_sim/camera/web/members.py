"""The JSON members of a request. Pure."""

import json

from firmware_sim.camera.http_server import Request

MAX_TEXT_CHARACTERS = 2_800
"""Of one JSON member: an enrolment token takes about 1 KiB; the agent's line holds 4 KiB."""


def json_fields(request: Request, *names: str) -> dict[str, str] | None:
    """The text members of a JSON body; None unless all are there and the body says that it is JSON.

    The content type is part of the cross-site defence: no HTML form can send it.

    Raises:
        Nothing: what cannot be read is None.
    """
    if request.head.get("content-type").partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        value = json.loads(request.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    fields: dict[str, str] = {}
    for name in names:
        text = value.get(name)
        if not isinstance(text, str) or len(text) > MAX_TEXT_CHARACTERS:
            return None
        fields[name] = text
    return fields
