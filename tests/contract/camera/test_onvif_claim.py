"""CreateUsers on an unclaimed camera: the label's code makes one administrator, by the same claim as the web page."""

import base64

import pytest

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser, Reply, curl, soap
from tests.contract.camera.conftest import PASSWORD, USER
from tests.contract.camera.fake_agent import CODE, FakeAgent

SERVICE = "/onvif/device_service"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
TEXT, DIGEST = f"{PROFILE}#PasswordText", f"{PROFILE}#PasswordDigest"


def user_xml(name: str, password: str, level: str = "Administrator") -> str:
    return (
        f"<User><tt:Username>{name}</tt:Username><tt:Password>{password}</tt:Password>"
        f"<tt:UserLevel>{level}</tt:UserLevel></User>"
    )


CREATE = "<CreateUsers>" + user_xml(USER, PASSWORD) + "</CreateUsers>"


def basic(user: str, code: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{code}".encode()).decode()


def with_token(user: str, code: str, kind: str | None, operation: str = CREATE) -> bytes:
    how = f' Type="{kind}"' if kind else ""
    token = f"<w:UsernameToken><w:Username>{user}</w:Username><w:Password{how}>{code}</w:Password></w:UsernameToken>"
    header = f'<s:Header><w:Security xmlns:w="{WSSE}">{token}</w:Security></s:Header><s:Body'
    return soap(operation).replace(b"<s:Body", header.encode(), 1)


def post(camera: CameraProcess, body: bytes, **headers: str) -> Reply:
    return Browser(camera).send("POST", SERVICE, body, **headers)


def claims(agent: FakeAgent) -> list[dict[str, object]]:
    return [request for service, request in agent.asked if request["op"] == "claim" and service == "onvif"]


def test_curl_claims_with_http_basic(unclaimed: CameraProcess, agent: FakeAgent) -> None:
    path = unclaimed.folder / "request.xml"
    path.write_bytes(soap(CREATE))
    status, body = curl(unclaimed, SERVICE, "--user", f"claim:{CODE}", "--data-binary", f"@{path}")
    assert (status, b"CreateUsersResponse" in body) == (200, True)
    assert (agent.state, agent.users) == ("claimed", {USER: ("administrator", PASSWORD)})


@pytest.mark.parametrize("kind", [TEXT, None])
def test_a_client_of_onvif_claims_with_a_username_token(
    unclaimed: CameraProcess, agent: FakeAgent, kind: str | None
) -> None:
    assert post(unclaimed, with_token("claim", CODE.lower(), kind)).status == 200
    assert agent.users == {USER: ("administrator", PASSWORD)}


@pytest.mark.parametrize(
    ("body", "authorization"),
    [
        (soap(CREATE), ""),
        (soap(CREATE), basic("admin", CODE)),
        (soap(CREATE), basic("claim", "")),
        (soap(CREATE), basic("claim", CODE * 9)),
        (soap(CREATE), "Bearer " + CODE),
        (soap(CREATE), f'Digest username="claim", realm="camward", nonce="x", uri="{SERVICE}", response="{"0" * 32}"'),
        (with_token("claim", CODE, DIGEST), ""),
        (with_token("admin", CODE, TEXT), ""),
    ],
)
def test_without_the_code_in_the_clear_nobody_is_asked(
    unclaimed: CameraProcess, agent: FakeAgent, body: bytes, authorization: str
) -> None:
    reply = post(unclaimed, body, **({"Authorization": authorization} if authorization else {}))
    assert (reply.status, "ter:NotAuthorized" in reply.text) == (403, True)
    assert claims(agent) == []


def test_a_wrong_code_is_refused_and_counted_by_the_agent(unclaimed: CameraProcess, agent: FakeAgent) -> None:
    reply = post(unclaimed, soap(CREATE), Authorization=basic("claim", "AAAA-AAAA-AAAA-AAAA"))
    assert (reply.status, "ter:NotAuthorized" in reply.text, agent.state) == (403, True, "unclaimed")
    assert len(claims(agent)) == 1
    agent.refuse_claim = {"code": "wait", "retry_after_s": 30}
    reply = post(unclaimed, soap(CREATE), Authorization=basic("claim", CODE))
    assert (reply.status, reply.headers["Retry-After"], agent.state) == (429, "30", "unclaimed")


@pytest.mark.parametrize(
    ("users", "fault"),
    [
        ("", "ter:InvalidArgVal"),
        (user_xml(USER, PASSWORD, "Operator"), "ter:InvalidArgVal"),
        (user_xml(USER, PASSWORD) + user_xml("second", PASSWORD, "User"), "ter:InvalidArgVal"),
        (user_xml(USER, ""), "ter:InvalidArgVal"),
        (user_xml(USER, "admin"), "ter:PasswordTooWeak"),
    ],
)
def test_the_first_user_is_one_administrator_with_a_good_password(
    unclaimed: CameraProcess, agent: FakeAgent, users: str, fault: str
) -> None:
    body = soap(f"<CreateUsers>{users}</CreateUsers>")
    reply = post(unclaimed, body, Authorization=basic("claim", CODE))
    assert (reply.status, fault in reply.text, agent.state) == (400, True, "unclaimed")


@pytest.mark.parametrize("operation", ["GetUsers", "SetUser", "GetDeviceInformation", "SystemReboot"])
def test_the_code_opens_nothing_else(unclaimed: CameraProcess, operation: str) -> None:
    body = f"<{operation}>{user_xml(USER, PASSWORD)}</{operation}>"
    assert post(unclaimed, soap(body), Authorization=basic("claim", CODE)).status == 403
    assert post(unclaimed, with_token("claim", CODE, TEXT, body)).status == 403


def test_the_code_is_worth_nothing_after_the_claim_nor_on_a_locked_camera(
    claimed: CameraProcess, agent: FakeAgent
) -> None:
    before = dict(agent.users)
    assert post(claimed, soap(CREATE), Authorization=basic("claim", CODE)).status == 401
    agent.state = "locked"
    assert post(claimed, soap(CREATE), Authorization=basic("claim", CODE)).status == 403
    assert agent.users == before


def test_no_web_page_claims_by_onvif(unclaimed: CameraProcess, agent: FakeAgent) -> None:
    reply = post(unclaimed, soap(CREATE), Authorization=basic("claim", CODE), Origin=unclaimed.url)
    assert (reply.status, agent.state) == (403, "unclaimed")
