"""The OpenAPI document of the device listener says what is served."""

import json

from update_server.api import device_schema
from update_server.api.device import ENDPOINTS, OPEN_PATHS, DeviceApi


def test_every_endpoint_is_described_with_what_it_needs():
    described = json.loads(device_schema.document())
    assert {(path, method.upper()) for path, methods in described["paths"].items() for method in methods} == {
        (one.path, one.method) for one in ENDPOINTS
    }
    for one in ENDPOINTS:
        operation = described["paths"][one.path][one.method.lower()]
        assert operation["summary"].endswith(".")
        assert [given["name"] for given in operation.get("parameters", ())] == [
            part.strip("{}") for part in one.path.split("/") if part.startswith("{")
        ]
        assert ({"certificate": []} in operation["security"]) is (one.path not in OPEN_PATHS)


def test_every_handler_of_the_listener_is_an_endpoint():
    handlers = {name for name in vars(DeviceApi) if not name.startswith("_") and name != "app"}
    assert handlers == {one.handler for one in ENDPOINTS}
