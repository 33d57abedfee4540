from agent.app import ws_tokens
from agent.formats import base64, utc, ws_token

AT = 1_795_000_000


class Account:
    def __init__(self, token):
        self.token = token


class Accounts:
    state = "claimed"

    def __init__(self):
        self.users = {"keiko": Account("ABCDEFGHIJKLMNOPQRST"), "sora": Account("")}


class Chance:
    def bytes(self, count):
        return bytes(range(7, 7 + count))


class Ports:
    entropy = Chance()


class Config:
    ws_token = True


class Desk:
    ports = Ports()
    config = Config()
    now = 100.0


class Credentials:
    proven = AT

    def run_before_s(self):
        return AT

    def proven_s(self):
        return self.proven

    def set_token(self, user, token, wrong, done):
        print("set", user, token, len(wrong))
        done(None)


class Guard:
    def succeeded(self, source, user):
        print("succeeded", user)


class Other:
    def revoke(self, user, service):
        print("revoked", user)

    def tokens_changed(self):
        print("changed")


class Asked:
    def __init__(self, service="onvif", **arguments):
        self.service = service
        self.source = "192.0.2.7"
        self.arguments = arguments

    def yes(self, members):
        print("yes", members)

    def no(self, code, members=None):
        print("no", code)


class Grant:
    user = "keiko"


desk, credentials = Desk(), Credentials()
tokens = ws_tokens.WsTokens(
    desk, Accounts(), credentials, Guard(), Other(), Other(), lambda asked, administrator=False: Grant(),
    lambda asked, user: False, lambda asked, user, password, then: then(password == "right"),
    lambda asked, account, passing: asked.yes({"passing": passing}),
)  # fmt: skip
operations = tokens.operations()


def enter(nonce, at=AT, user="keiko", secret="ABCDEFGHIJKLMNOPQRST", service="onvif"):
    created = utc.render(at)
    proof = ws_token.digest(nonce, created, secret)
    arguments = {"user": user, "nonce": base64.encode(nonce), "created": created, "digest": proof}
    operations["ws_token"](Asked(service, **arguments))


enter(b"of the run before")
credentials.proven = AT + 400
enter(b"a", AT + 400)
enter(b"a", AT + 400)
enter(b"b", AT + 400, service="web")
enter(b"b", AT + 99)
enter(b"b", AT + 100)
enter(b"c", AT + 406)
enter(b"c", AT + 405)
enter(b"d", AT + 400, user="sora")
enter(b"d", AT + 400, user="sora", secret="")
enter(b"d", AT + 400, user="sora", secret=ws_token.make_secret(bytes(range(7, 27))))
enter(b"d", AT + 400, user="nobody")
enter(b"d", AT + 400, secret="ABCDEFGHIJKLMNOPQRSU")
enter(b"", AT + 400)
# Characters moved from the nonce into `created` and back give the same digest, and are no login.
operations["ws_token"](
    Asked(
        user="keiko",
        nonce=base64.encode(b"a2"),
        created=utc.render(AT + 400)[1:],
        digest=ws_token.digest(b"a", utc.render(AT + 400), "ABCDEFGHIJKLMNOPQRST"),
    )
)
for user, password in (("keiko", "right"), ("keiko", "wrong"), ("nobody", "right")):
    operations["token_on"](Asked("web", user=user, password=password))
operations["token_off"](Asked("web", user="keiko"))
credentials.proven = None
enter(b"e", AT + 400)
operations["token_on"](Asked("web", user="keiko", password="right"))
operations["token_off"](Asked("web", user="keiko"))
Config.ws_token = False
operations["token_on"](Asked("web", user="keiko", password="right"))
operations["token_off"](Asked("web", user="keiko"))
enter(b"f", AT + 400)

nonces = ws_tokens.Nonces()
print(sum(nonces.keep("keiko", str(number).encode(), AT, AT) for number in range(ws_tokens.MAX_NONCES + 5)))
print(nonces.known("keiko", b"0"), nonces.known("sora", b"0"), nonces.keep("sora", b"0", AT, AT))
print(nonces.keep("keiko", b"x", AT, AT + ws_tokens.PAST_S))
print(nonces.keep("keiko", b"x", AT, AT + ws_tokens.PAST_S + 1), nonces.known("keiko", b"0"))
