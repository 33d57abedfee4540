"""WS-UsernameToken at the live ONVIF service: through the agent, one try a request, PasswordText never."""

import pytest

from agent.adapters.linux.services import LoopbackServices
from agent.formats import base64, ws_token
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser, soap
from tests.contract.camera.conftest import PASSWORD, USER
from tests.contract.camera.fake_agent import SERIAL, FakeAgent

SERVICE = "/onvif/device_service"
TOKEN = "ABCDEFGHIJKLMNOPQRST"
CREATED = "2026-11-28T12:00:00Z"
WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
DIGEST = WSS + "username-token-profile-1.0#PasswordDigest"
TEXT = WSS + "username-token-profile-1.0#PasswordText"


def token_xml(secret: str, nonce: bytes = b"n", kind: str = DIGEST, user: str = USER) -> str:
    word = secret if kind != DIGEST else ws_token.digest(nonce, CREATED, secret)
    typed = f' Type="{kind}"' if kind else ""
    return (
        f"<w:UsernameToken><w:Username>{user}</w:Username><w:Password{typed}>{word}</w:Password>"
        f"<w:Nonce>{base64.encode(nonce)}</w:Nonce><u:Created>{CREATED}</u:Created></w:UsernameToken>"
    )


def ask(camera: CameraProcess, tokens: str, operation: str = "<GetDeviceInformation/>", **headers: str):
    security = (
        f'<s:Header><w:Security xmlns:w="{WSS}wssecurity-secext-1.0.xsd" '
        f'xmlns:u="{WSS}wssecurity-utility-1.0.xsd">{tokens}</w:Security></s:Header>'
    )
    body = soap(operation).replace(b"<s:Body", security.encode() + b"<s:Body")
    return Browser(camera).send("POST", SERVICE, body, **headers)


@pytest.fixture
def taking(claimed: CameraProcess, agent: FakeAgent) -> CameraProcess:
    agent.tokens[USER] = TOKEN
    return claimed


def test_the_token_opens_it_once_a_nonce(taking: CameraProcess) -> None:
    reply = ask(taking, token_xml(TOKEN))
    assert (reply.status, SERIAL in reply.text) == (200, True)
    assert ask(taking, token_xml(TOKEN)).status == 401
    assert ask(taking, token_xml(TOKEN, b"m")).status == 200


def test_a_refusal_says_how_else_to_come(taking: CameraProcess) -> None:
    reply = ask(taking, token_xml("TSRQPONMLKJIHGFEDCBA"))
    assert (reply.status, "ter:NotAuthorized" in reply.text, SERIAL in reply.text) == (401, True, False)
    assert len(reply.headers.get_all("WWW-Authenticate")) == 2


@pytest.mark.parametrize("kind", [TEXT, "", DIGEST + "x"])
@pytest.mark.parametrize("secret", [PASSWORD, TOKEN])
def test_a_secret_in_the_clear_is_not_even_asked_about(
    taking: CameraProcess, agent: FakeAgent, kind: str, secret: str
) -> None:
    assert ask(taking, token_xml(secret, kind=kind)).status == 401
    asked = [one["op"] for service, one in agent.asked if service == "onvif"]
    assert set(asked) == {"state", "nonce"}


def test_one_request_is_one_try(taking: CameraProcess, agent: FakeAgent) -> None:
    assert ask(taking, token_xml(TOKEN) + token_xml(TOKEN, b"m")).status == 401
    assert ask(taking, token_xml(TOKEN), Authorization="Basic YTpi").status == 401
    assert "ws_token" not in [one["op"] for _, one in agent.asked]


def test_roles_lockout_and_a_password_to_be_changed_are_the_agents(taking: CameraProcess, agent: FakeAgent) -> None:
    agent.users["guest"], agent.tokens["guest"] = ("viewer", PASSWORD), TOKEN[::-1]
    assert ask(taking, token_xml(TOKEN[::-1], b"1", user="guest"), "<GetUsers/>").status == 400
    agent.due[USER] = True
    assert ask(taking, token_xml(TOKEN, b"2")).status == 403
    agent.refuse_with = {"code": "wait", "retry_after_s": 30}
    assert ask(taking, token_xml(TOKEN, b"3")).status == 429
    agent.refuse_with = {"code": "busy"}
    assert ask(taking, token_xml(TOKEN, b"4")).status == 503


def test_the_agents_own_proof_finds_who_gets_in(taking: CameraProcess) -> None:
    services = LoopbackServices(taking.certificate)
    for number, (user, secret, found) in enumerate(
        ((USER, TOKEN, "in"), (USER, PASSWORD, "refused"), ("nobody", TOKEN, "refused"))
    ):
        service = {"name": "onvif", "kind": "onvif", "port": taking.ports["https"], "way": "ws_token"}
        service |= {"nonce": base64.encode(b"proof %d" % number), "created": CREATED}
        assert services.enter(service, "127.9.8.7", user, secret) == found
    services.leave()


def test_the_page_shows_the_secret_once_and_takes_it_away(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = Browser(claimed)
    assert browser.get("/api/ws-tokens").status == 401
    assert browser.post("/api/login", {"user": USER, "password": PASSWORD}).status == 200
    assert browser.get("/api/ws-tokens").json == {"ok": True, "allowed": True, "users": []}
    assert browser.post("/api/ws-token-on", {"user": USER, "password": "wrong"}).json["code"] == "denied"
    assert browser.post("/api/ws-token-on", {"user": USER}).status == 400
    token = browser.post("/api/ws-token-on", {"user": USER, "password": PASSWORD}).json["token"]
    assert ask(claimed, token_xml(token)).status == 200
    listed = browser.get("/api/ws-tokens")
    assert (listed.json["users"], token in listed.text) == ([USER], False)
    assert browser.post("/api/ws-token-off", {"user": USER}).json == {"ok": True}
    assert ask(claimed, token_xml(token, b"m")).status == 401
    agent.users["guest"] = ("viewer", PASSWORD)
    guest = Browser(claimed)
    assert guest.post("/api/login", {"user": "guest", "password": PASSWORD}).status == 200
    assert guest.get("/api/ws-tokens").status == 403
    assert guest.post("/api/ws-token-on", {"user": "guest", "password": PASSWORD}).json["code"] == "denied"
