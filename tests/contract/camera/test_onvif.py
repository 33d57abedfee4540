import pytest

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser, curl, soap
from tests.contract.camera.conftest import PASSWORD, USER
from tests.contract.camera.fake_agent import SERIAL, FakeAgent

SERVICE = "/onvif/device_service"
NEW_PASSWORD = "stepping stones at dawn"
PROTECTED = ("GetDeviceInformation", "GetCapabilities", "GetServices", "GetUsers", "CreateUsers", "SetUser", "Anything")


def call(camera: CameraProcess, operation: str, user: str = USER, password: str = PASSWORD) -> tuple[int, str]:
    """One SOAP request by curl with HTTP digest."""
    path = camera.folder / "request.xml"
    path.write_bytes(soap(operation))
    status, body = curl(
        camera, SERVICE, "--digest", "--user", f"{user}:{password}", "--data-binary", f"@{path}",
        "--header", "Content-Type: application/soap+xml; charset=utf-8",
    )  # fmt: skip
    return status, body.decode()


def user_xml(name: str, level: str, password: str | None) -> str:
    secret = f"<tt:Password>{password}</tt:Password>" if password is not None else ""
    return f"<User><tt:Username>{name}</tt:Username>{secret}<tt:UserLevel>{level}</tt:UserLevel></User>"


def test_the_time_is_all_an_unclaimed_camera_tells(unclaimed: CameraProcess) -> None:
    browser = Browser(unclaimed)

    reply = browser.send("POST", SERVICE, soap("<GetSystemDateAndTime/>"))
    assert (reply.status, "<tt:Year>2" in reply.text) == (200, True)
    for operation in PROTECTED:
        refused = browser.send("POST", SERVICE, soap(f"<{operation}/>"))
        assert (refused.status, "ter:NotAuthorized" in refused.text) == (403, True), operation
        assert "WWW-Authenticate" not in refused.headers
        assert SERIAL not in refused.text


@pytest.mark.parametrize("operation", PROTECTED)
def test_every_operation_but_the_time_needs_the_password(claimed: CameraProcess, operation: str) -> None:
    reply = Browser(claimed).send("POST", SERVICE, soap(f"<{operation}/>"))

    assert (reply.status, "ter:NotAuthorized" in reply.text) == (401, True)
    assert [value.split(", ")[2] for value in reply.headers.get_all("WWW-Authenticate")] == [
        "algorithm=SHA-256",
        "algorithm=MD5",
    ]
    assert call(claimed, f"<{operation}/>", "admin", "admin")[0] == 401


def test_a_signed_in_client_reads_the_device(claimed: CameraProcess) -> None:
    status, information = call(claimed, "<GetDeviceInformation/>")
    assert status == 200
    for text in (SERIAL, "<tds:Model>kawa-1<", "<tds:FirmwareVersion>1.0.0<"):
        assert text in information
    assert f"<tt:XAddr>{claimed.url}{SERVICE}<" in call(claimed, "<GetCapabilities/>")[1]
    assert f"<tds:XAddr>{claimed.url}{SERVICE}<" in call(claimed, "<GetServices/>")[1]
    assert f"<tt:Username>{USER}</tt:Username><tt:UserLevel>Administrator<" in call(claimed, "<GetUsers/>")[1]
    assert "ter:ActionNotSupported" in call(claimed, "<SystemReboot/>")[1]


def test_users_are_created_and_changed_through_the_agent(claimed: CameraProcess, agent: FakeAgent) -> None:
    status, _ = call(claimed, "<CreateUsers>" + user_xml("guest", "User", NEW_PASSWORD) + "</CreateUsers>")
    assert (status, agent.users["guest"]) == (200, ("viewer", NEW_PASSWORD))
    assert call(claimed, "<GetDeviceInformation/>", "guest", NEW_PASSWORD)[0] == 200
    assert call(claimed, "<GetUsers/>", "guest", NEW_PASSWORD)[0] == 400

    status, _ = call(claimed, "<SetUser>" + user_xml("guest", "Operator", NEW_PASSWORD + "!") + "</SetUser>")
    assert (status, agent.users["guest"]) == (200, ("operator", NEW_PASSWORD + "!"))
    assert call(claimed, "<GetDeviceInformation/>", "guest", NEW_PASSWORD)[0] == 401
    asked = [request["role"] for _, request in agent.asked if request["op"] == "policy"]
    assert asked == ["viewer", "operator"], "the policy depends on the role that the user gets"


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("<CreateUsers>" + user_xml("guest", "User", "admin") + "</CreateUsers>", "ter:PasswordTooWeak"),
        ("<SetUser>" + user_xml(USER, "Administrator", "admin") + "</SetUser>", "ter:PasswordTooWeak"),
        ("<CreateUsers>" + user_xml(USER, "User", NEW_PASSWORD) + "</CreateUsers>", "ter:UsernameClash"),
        ("<SetUser>" + user_xml("nobody", "User", NEW_PASSWORD) + "</SetUser>", "ter:UsernameMissing"),
        ("<CreateUsers>" + user_xml("guest", "Root", NEW_PASSWORD) + "</CreateUsers>", "ter:InvalidArgVal"),
        ("<CreateUsers>" + user_xml("guest", "User", None) + "</CreateUsers>", "ter:InvalidArgVal"),
        ("<CreateUsers/>", "ter:InvalidArgVal"),
        (
            "<CreateUsers>"
            + user_xml("one", "User", NEW_PASSWORD)
            + user_xml("two", "User", "admin")
            + "</CreateUsers>",
            "ter:PasswordTooWeak",
        ),
    ],
)
def test_a_wrong_user_is_a_fault_and_nothing_is_written(
    claimed: CameraProcess, agent: FakeAgent, operation: str, fault: str
) -> None:
    status, body = call(claimed, operation)

    assert (status, fault in body) == (400, True), body
    if fault == "ter:PasswordTooWeak":
        assert "At least 15 characters." in body
    assert agent.users == {USER: ("administrator", PASSWORD)}


def test_xml_attacks_are_refused_before_any_login(claimed: CameraProcess, agent: FakeAgent) -> None:
    good = soap("<GetSystemDateAndTime/>")
    entity = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    before = len(agent.asked)
    browser = Browser(claimed)

    for attack in (entity + good, good[:-3], b"<a/>", good + b" " * 17_000, b"\xff\xfe" + good):
        reply = browser.send("POST", SERVICE, attack)
        assert (reply.status, "ter:WellFormed" in reply.text, "root:" in reply.text) == (400, True, False)
    assert browser.send("POST", SERVICE, good + b" " * 70_000).status == 413
    assert browser.send("POST", SERVICE, good).status == 200
    assert len(agent.asked) == before


def test_no_web_page_may_speak_onvif(claimed: CameraProcess) -> None:
    good = soap("<GetSystemDateAndTime/>")

    assert Browser(claimed).send("POST", SERVICE, good, Origin=claimed.url).status == 403
    assert Browser(claimed).send("POST", SERVICE, good, Origin="https://evil.example").status == 403
    assert Browser(claimed).send("POST", SERVICE, good).status == 200


def test_lockout_and_absence_of_the_agent_are_faults(claimed: CameraProcess, agent: FakeAgent) -> None:
    agent.refuse_with = {"code": "wait", "retry_after_s": 30}
    status, body = call(claimed, "<GetUsers/>")
    assert (status, "wait 30 s" in body) == (429, True)

    agent.refuse_with = None
    agent.stop()
    status, body = call(claimed, "<GetUsers/>")
    assert (status, "env:Receiver" in body) == (503, True)
    agent.start()
    assert call(claimed, "<GetUsers/>")[0] == 200
