"""Files of accounts, read as tolerantly as the programs that use them: nothing odd hides what stands beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.adapters.linux import yescrypt
from agent.formats import account_lines as files
from agent.formats import audit
from agent.formats.errors import FormatError

KINDS = (files.PASSWD, files.SHADOW, *files.DECLARABLE)
ROWS = {
    files.PASSWD: b"eve:x:0:0::/root:/bin/sh",
    files.SHADOW: b"eve:$1$a$b:::::::",
    files.HTPASSWD: b"eve:$apr1$a$b",
    files.HTDIGEST: b"eve:realm:" + b"0" * 32,
    files.PLAIN: b"eve:secret:with:colons",
    files.KEYS: b"ssh-ed25519 AAAA thief",
}


@pytest.mark.parametrize("kind", KINDS)
@given(before=st.binary(max_size=200), after=st.binary(max_size=200))
def test_an_account_is_found_whatever_stands_around_it(kind, before, after):
    lines, _ = files.read_lines(kind, before + b"\n" + ROWS[kind] + b"\n" + after)
    assert files.read_lines(kind, ROWS[kind])[0][0] in lines


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=300))
def test_every_line_is_read_or_counted_or_a_comment(kind, data):
    lines, wrong = files.read_lines(kind, data)
    rows = [row.lstrip(b" \t").rstrip(b"\r") for row in data.split(b"\n")]
    assert len(lines) + wrong == sum(
        1 for row in rows if row and (row[:1] != b"#" or any(b > 126 or b < 32 for b in row))
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != files.PASSWD])
@given(around=st.lists(st.binary(max_size=60).filter(lambda row: b"\n" not in row), max_size=4))
def test_who_is_locked_is_locked_and_nobody_else_is_touched(kind, around):
    body = b"\n".join([*around, ROWS[kind]])
    left = files.without(kind, body, ("eve",))
    lines, _ = files.read_lines(kind, left)
    mine = [line for line in lines if line.name == "eve" or kind == files.KEYS]
    assert all(files.secret_kind(kind, line.secret) == files.NONE for line in mine)
    if kind != files.KEYS:
        others = [line for line in files.read_lines(kind, body)[0] if line.name != "eve"]
        assert [line for line in lines if line.name != "eve"] == others
    assert files.without(kind, left, ("eve",)) == left, "once is enough"


def test_a_locked_hash_can_be_told_from_before():
    assert files.without(files.HTDIGEST, b" eve:r:aa\nx:r:bb\n", ("eve",)) == b"eve:r:!aa\nx:r:bb\n"
    assert files.without(files.SHADOW, b"eve:$1$a$b:1:2:3\n", ("eve",)) == b"eve:!$1$a$b:1:2:3\n"
    assert files.without(files.HTPASSWD, b"eve:\n", ("eve",)) == b"eve:!\n"


@pytest.mark.parametrize(
    ("kind", "secret", "found"),
    [
        (files.PASSWD, "x", files.ELSEWHERE), (files.PASSWD, "", files.EMPTY), (files.PASSWD, "*", files.NONE),
        (files.PASSWD, "iuqd0pyXe3CDI", files.CRYPT), (files.SHADOW, "x", files.UNKNOWN),
        (files.SHADOW, "!$1$a$b", files.NONE), (files.SHADOW, "$1$a$b", files.CRYPT),
        (files.SHADOW, "$1$a", files.UNKNOWN), (files.SHADOW, "$5$a$b", files.CRYPT),
        (files.SHADOW, "$6$rounds=100000$a$b", files.CRYPT),
        (files.SHADOW, "$6$rounds=100001$a$b", files.UNKNOWN), (files.SHADOW, "$6$rounds=$a$b", files.UNKNOWN),
        (files.SHADOW, "$6$rounds=5000$a", files.UNKNOWN), (files.SHADOW, "$2b$12$a", files.CRYPT),
        (files.SHADOW, "$2b$13$a", files.UNKNOWN), (files.SHADOW, "$2b$1$a", files.UNKNOWN),
        (files.SHADOW, "$y$j9T$a$b", files.CRYPT), (files.SHADOW, "$y$jAT$a$b", files.UNKNOWN),
        (files.SHADOW, "$7$CU..../....$a", files.UNKNOWN), (files.SHADOW, "_J9..V3KMaaaaaaaaaaa", files.UNKNOWN),
        (files.SHADOW, "$argon2id$v=19$m=9999999,t=9,p=1$a$b", files.UNKNOWN),
        (files.HTPASSWD, "$apr1$a$b", files.APR1), (files.HTPASSWD, "$apr1$a", files.UNKNOWN),
        (files.HTPASSWD, "{SHA}aaaa", files.SHA1), (files.HTPASSWD, "clear", files.UNKNOWN),
        (files.HTDIGEST, "0" * 32, files.HA1_MD5), (files.HTDIGEST, "F" * 64, files.HA1_SHA256),
        (files.HTDIGEST, "0" * 40, files.UNKNOWN), (files.HTDIGEST, "g" * 32, files.UNKNOWN),
        (files.PLAIN, "!", files.PLAIN), (files.PLAIN, "", files.EMPTY),
    ],
)  # fmt: skip
def test_secrets_by_their_form(kind, secret, found):
    assert files.secret_kind(kind, secret) == found


def test_our_own_hashes_are_of_a_kind_that_is_tried():
    assert files.secret_kind(files.SHADOW, yescrypt.crypt("a")) == files.CRYPT


def test_a_user_id_is_read_as_the_system_reads_it():
    def ids(text):
        return [line.uid for line in files.read_lines(files.PASSWD, b"a:x:" + text + b":0::/:/bin/sh")[0]]

    assert ids(b"0") == ids(b"00") == ids(b"4294967296") == [0]
    assert ids(b"-1") == ids(b"") == ids(b"0x0") == ids(b"42949672960") == []


@pytest.mark.parametrize("body", [b"a" * (files.MAX_FILE_BYTES + 1), b"\n" * files.MAX_LINES])
def test_what_is_too_long_is_not_read(body):
    for read in (files.read_lines, lambda kind, data: files.without(kind, data[: files.MAX_FILE_BYTES + 1], ())):
        if len(body) > files.MAX_FILE_BYTES:
            with pytest.raises(FormatError):
                read(files.PLAIN, body)
    with pytest.raises(FormatError):
        files.read_lines(files.PLAIN, body)


WRONG = (
    {}, {"policy": "ignore"}, {"policy": "lock", "more": 1}, {"policy": "lock", "declared": [1]},
    *(
        {"policy": "lock", "files": [{"path": path, "kind": "htpasswd"}]}
        for path in ("", "/", "data/x", "/data//x", "/data/../etc/passwd", "/data/./x", "/data/camward/web.json",
                     "/data/camward", "/data/a b", "/data/é", "/" + "a" * 100)
    ),
    {"policy": "lock", "files": [{"path": "/a", "kind": "shadow"}]},
    {"policy": "lock", "files": [{"path": "/a", "kind": "plain"}, {"path": "/a", "kind": "htpasswd"}]},
)  # fmt: skip


@pytest.mark.parametrize("source", WRONG)
def test_a_configuration_that_is_none_is_refused(source):
    with pytest.raises(FormatError):
        audit.parse(source)


def test_a_configuration_is_read():
    source = {"policy": "report", "files": [{"path": "/data/camwardx/a", "kind": "plain", "declared": ["viewer"]}]}
    assert audit.parse(source) == audit.Audit(
        "report", (), (audit.AccountFile("/data/camwardx/a", "plain", ("viewer",)),)
    )
