import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.attacks.digest_client import answer
from firmware_sim.camera.http_auth import Basic, Digest, Gate, parse_authorization
from firmware_sim.camera.login import LoginUnavailable, Reply
from firmware_sim.camera.messages import Head, parse_head

# RFC 7616 section 3.9.1.
RFC_EXAMPLE = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
    'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


class ScriptedLogin:
    """Answers every operation as told, and remembers the question."""

    def __init__(self, **replies: Reply) -> None:
        self.replies = replies
        self.asked: list[tuple[str, str, str, dict[str, object]]] = []

    def ask(self, service: str, op: str, source: str, **fields: object) -> Reply:
        self.asked.append((service, op, source, fields))
        return self.replies[op]


NONCE = Reply(ok=True, code="", fields={"nonce": "n1", "realm": "camward", "opaque": "o1"})
YES = Reply(ok=True, code="", fields={"role": "viewer"})
NO = Reply(ok=False, code="denied")


def head_with(authorization: str, target: str = "/dir/index.html") -> Head:
    return parse_head(f"GET {target} HTTP/1.1\r\nAuthorization: {authorization}".encode())


def test_reads_the_example_of_the_rfc() -> None:
    digest = parse_authorization(RFC_EXAMPLE)

    assert isinstance(digest, Digest)
    assert (digest.user, digest.algorithm, digest.qop, digest.nc) == ("Mufasa", "SHA-256", "auth", "00000001")
    assert digest.response.startswith("753927fa")


def test_the_client_computes_the_example_of_the_rfc() -> None:
    challenge = (
        'Digest realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", algorithm=SHA-256'
    )
    value = answer(
        [challenge],
        "GET",
        "/dir/index.html",
        "Mufasa",
        "Circle of Life",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )

    assert value is not None
    assert "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" in value


def test_basic_may_hold_colons_and_other_alphabets() -> None:
    token = base64.b64encode("利用者:a:b".encode()).decode()

    assert parse_authorization(f"Basic {token}") == Basic("利用者", "a:b")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer abc",
        "Basic ???",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Digest",
        'Digest username="a"',
        'Digest username="a", realm="r", nonce="n", uri="/", response="x", response="y"',
        'Digest username="a", realm="r", nonce="n", uri="/", response="' + "x" * 600 + '"',
        'Digest username="a" realm="r"',
    ],
)
def test_what_cannot_be_read_is_no_login(value: str) -> None:
    assert parse_authorization(value) is None


@given(st.text(max_size=200))
def test_random_credentials_never_break_the_parser(text: str) -> None:
    for scheme in ("", "Basic ", "Digest ", 'Digest username="a", '):
        parse_authorization(scheme + text)


def test_a_digest_for_another_request_is_not_even_asked_about() -> None:
    login = ScriptedLogin(digest=YES)
    gate = Gate(login, "web", basic_allowed=False)

    assert gate.check(head_with(RFC_EXAMPLE), "192.0.2.1") is YES
    assert gate.check(head_with(RFC_EXAMPLE, target="/other"), "192.0.2.1") is None
    assert gate.check(head_with(RFC_EXAMPLE.replace("SHA-256", "MD4")), "192.0.2.1") is None
    assert gate.check(head_with(RFC_EXAMPLE.replace("qop=auth", "qop=auth-int")), "192.0.2.1") is None
    assert len(login.asked) == 1
    assert login.asked[0][:3] == ("web", "digest", "192.0.2.1")
    assert login.asked[0][3]["method"] == "GET"


def test_basic_is_asked_about_only_where_it_is_allowed() -> None:
    header = "Basic " + base64.b64encode(b"a:b").decode()
    login = ScriptedLogin(login=YES)

    assert Gate(login, "rtsp", basic_allowed=False).check(head_with(header), "192.0.2.1") is None
    assert login.asked == []
    assert Gate(login, "rtsp", basic_allowed=True).check(head_with(header), "192.0.2.1") is YES


def test_challenges_offer_the_strongest_first_and_md5_last_of_the_digests() -> None:
    gate = Gate(ScriptedLogin(nonce=NONCE), "rtsp", basic_allowed=True)

    values = [value for _, value in gate.challenges("192.0.2.1", stale=True)]

    assert [value.split()[0] for value in values] == ["Digest", "Digest", "Basic"]
    assert "algorithm=SHA-256" in values[0]
    assert "algorithm=MD5" in values[1]
    assert all('nonce="n1"' in value and "stale=true" in value for value in values[:2])


@pytest.mark.parametrize("nonce", ["", 'a"b', "a\r\nb", 7])
def test_a_nonce_that_cannot_be_quoted_is_no_answer(nonce: object) -> None:
    reply = Reply(ok=True, code="", fields={"nonce": nonce, "realm": "camward"})
    gate = Gate(ScriptedLogin(nonce=reply), "web", basic_allowed=False)

    with pytest.raises(LoginUnavailable):
        gate.challenges("192.0.2.1")
    with pytest.raises(LoginUnavailable):
        Gate(ScriptedLogin(nonce=NO), "web", basic_allowed=False).challenges("192.0.2.1")
