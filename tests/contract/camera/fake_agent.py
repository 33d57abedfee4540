"""A stand-in for the agent behind the login sockets (protocol v1), for the camera's tests on the host.

It keeps users in memory, checks digests for real, counts nothing but what a test can see, and can be told to
misbehave. It is not the agent: no lockout times, no hashing.
"""

import base64
import contextlib
import hashlib
import json
import secrets
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from agent.formats import claim_proof

REALM = "camward"
CODE = "ABCDEFGHJKLMNPQR"
SALT = bytes(range(16))
SERIAL = "KW1-000001"
MIN_PASSWORD_CHARACTERS = 15

PLAIN = "rtsp_plain"
SERVICES = ("web", "rtsp", "onvif", PLAIN)


class FakeAgent:
    """Answers on four sockets until `stop`.

    Attributes:
        state: unclaimed, claimed or locked; a test may set it.
        users: name to (role, password).
        garble: when set, this is sent in place of every answer.
        refuse_with: when set, every login, digest and claim is refused with this code.
        asked: every request, in order, as (service, request); not whether the door in the clear is open, which the
            camera asks again and again.
        serial, code: of the label.
        certificate: the file of the certificate that claims are bound to.
        refuse_claim: when set, every claim is refused with this.
        before_claim: called before a claim is carried out; may raise, and then nothing is answered.
        phase: of the enrolment, as the device's status tells it.
        update, schedule: these members of the device's status.
        offer: the path of the announcement; empty when nothing is announced.
        upload_path: where an upload goes.
        refuse_bundle: when set, what a bundle is refused with.
        due: users whose password has to be changed, and whether they may do that themselves.
        changes: how often somebody's account was changed; logins from before are over.
        settled: whether no change of credentials is being proved.
        lose_answer_to: an operation that is carried out and never answered.
        tokens: secrets of WS-UsernameToken by user; None where the camera does not take it.
        change: what the device's status says of it.
        accounts: what the device's status says of the audit of accounts, to an administrator.
        password: what the device's status says of the passwords' age.
        ssh: the same of SSH; empty for a camera that has none.
        plain_rtsp: the same of RTSP in the clear.
        quarantine: the operator's reason while the camera is in quarantine (`state` is locked then); None otherwise.
        link: `link` and `link_trouble` of it.
    """

    def __init__(self, login_dir: Path, evidence: Path) -> None:
        self.state = "unclaimed"
        self.users: dict[str, tuple[str, str]] = {}
        self.link = {"link": "up", "link_trouble": ""}
        self.garble: bytes | None = None
        self.refuse_with: dict[str, object] | None = None
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.nonces: set[str] = set()
        self.serial, self.code = SERIAL, CODE
        self.certificate = login_dir.parent / "cert.pem"
        self.refuse_claim: dict[str, object] | None = None
        self.before_claim: Callable[[], None] = lambda: None
        self.phase = "none"
        self.update: dict[str, object] = {"phase": "idle", "last_result": ""}
        self.schedule = {"windows": "daily 03:00-04:00", "time_zone": "JST-9"}
        self.offer = ""
        self.upload_path = evidence.parent / "upload.bundle"
        self.refuse_bundle: dict[str, object] | None = None
        self.due: dict[str, bool] = {}
        self.changes: Counter[str] = Counter()
        self.lose_answer_to = ""
        self.settled = True
        self.tokens: dict[str, str] | None = {}
        self.used: set[str] = set()
        self.change: dict[str, object] = {}
        self.accounts: dict[str, object] = {}
        self.password: dict[str, object] = {}
        self.ssh: dict[str, object] = {}
        self.plain_rtsp: dict[str, object] = {}
        self.quarantine: str | None = None
        self.ticket = ""
        self._grants: dict[str, tuple[str, str]] = {}
        self._evidence = evidence
        self._login_dir = login_dir
        self._servers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        for service in SERVICES:
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.bind(str(self._login_dir / f"{service}.sock"))
            server.listen(16)
            thread = threading.Thread(target=self._serve, args=(service, server), daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
        for thread in self._threads:
            thread.join(timeout=5)
        for service in SERVICES:
            (self._login_dir / f"{service}.sock").unlink()
        self._servers, self._threads = [], []

    def claim(self, user: str, password: str) -> None:
        self.users[user] = ("administrator", password)
        self.state = "claimed"

    def generation(self, user: str) -> str:
        return f"{user} {self.changes[user]}"

    def forget_grants(self) -> None:
        self._grants.clear()

    def _serve(self, service: str, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(service, client), daemon=True).start()

    def _converse(self, service: str, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, contextlib.suppress(ConnectionError):
            for line in stream:
                request = json.loads(line)
                with self._lock:
                    if (service, request["op"]) != (PLAIN, "state"):
                        self.asked.append((service, request))
                    reply = {"v": 1, **self._answer(service, request)}
                if request["op"] == self.lose_answer_to:
                    return
                client.sendall(json.dumps(reply).encode() + b"\n" if self.garble is None else self.garble)

    def _answer(self, service: str, request: dict) -> dict:
        op = request["op"]
        if service == PLAIN and not (self.plain_rtsp.get("open") and self.state == "claimed"):
            told = {"ok": True, "state": "locked", "claimable": False, "realm": REALM}
            return told if op == "state" else {"ok": False, "code": "locked"}
        if service == PLAIN and op not in ("state", "nonce", "digest"):
            return {"ok": False, "code": "denied"}
        if op == "state":
            facts = {"model": "kawa-1", "hardware": "a", "serial": self.serial, "version": "1.0.0", "realm": REALM}
            if "user" in request:
                facts["generations"] = [] if request["user"] in self.due else [self.generation(request["user"])]
            if self.state == "unclaimed":
                facts["claim_salt"] = SALT.hex()
            if self.quarantine is not None:
                facts["quarantined"], facts["reason"] = True, self.quarantine
            return {"ok": True, "state": self.state, "claimable": self.state == "unclaimed", **facts}
        if op == "policy":
            return {"ok": True, "violations": violations(request["password"])}
        if op == "claim_proof":
            return self._claim_proof(request)
        if op == "claim":
            return self._claim(service, request)
        if op == "erase_locked":
            if self.quarantine is None:
                return {"ok": False, "code": "bad_request"}
            known = self.users.get(request["user"])
            right = known is not None and known == ("administrator", request["password"])
            return {"ok": True, "task": "started"} if right else {"ok": False, "code": "denied"}
        if self.state != "claimed":
            return {"ok": False, "code": self.state}
        return getattr(self, f"_{op}_op")(service, request)

    def _claim_proof(self, request: dict) -> dict:
        if self.refuse_with is not None:
            return {"ok": False, **self.refuse_with}
        known, nonce = claim_proof.verifier(SALT, self.code), bytes.fromhex(request["nonce"])
        seen = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).digest()
        if self.state != "unclaimed" or request["proof"] != claim_proof.client_proof(known, nonce, seen).hex():
            return {"ok": False, "code": "denied"}
        return {"ok": True, "proof": claim_proof.camera_proof(known, nonce, seen).hex()}

    def _claim(self, service: str, request: dict) -> dict:
        self.before_claim()
        if self.refuse_claim is not None:
            return {"ok": False, **self.refuse_claim}
        if self.state != "unclaimed" or request["code"].replace("-", "").upper() != self.code:
            return {"ok": False, "code": "denied"}
        if found := violations(request["password"]):
            return {"ok": False, "code": "policy", "violations": found}
        self.claim(request["user"], request["password"])
        return self._granted(service, request["user"])

    def _granted(self, service: str, user: str) -> dict:
        if user in self.due:
            return {"ok": False, "code": "change_required", "stage": "restricted", "may_change": self.due[user]}
        grant = secrets.token_urlsafe(16)
        self._grants[grant] = (service, user)
        told = {"role": self.users[user][0], "grant": grant, "generation": self.generation(user)}
        return {"ok": True, **told, "settled": self.settled}

    def _login_op(self, service: str, request: dict) -> dict:
        if self.refuse_with is not None:
            return {"ok": False, **self.refuse_with}
        known = self.users.get(request["user"])
        if known is None or known[1] != request["password"]:
            return {"ok": False, "code": "denied"}
        return self._granted(service, request["user"])

    def _nonce_op(self, service: str, request: dict) -> dict:
        nonce = secrets.token_hex(16)
        self.nonces.add(nonce)
        return {"ok": True, "nonce": nonce, "realm": REALM, "opaque": "b3BhcXVl"}

    def _digest_op(self, service: str, request: dict) -> dict:
        if self.refuse_with is not None:
            return {"ok": False, **self.refuse_with}
        if request["nonce"] not in self.nonces:
            return {"ok": False, "code": "denied", "stale": True}
        known = self.users.get(request["user"])
        if known is None or request["response"] != digest_response(request, known[1]):
            return {"ok": False, "code": "denied"}
        if service == PLAIN and known[0] != "viewer":
            return {"ok": False, "code": "denied"}
        return self._granted(service, request["user"])

    def _ws_token_op(self, service: str, request: dict) -> dict:
        """As the agent does, but for clock and lockout (tests/scenario/test_ws_tokens.py has those)."""
        if self.refuse_with is not None:
            return {"ok": False, **self.refuse_with}
        secret = (self.tokens or {}).get(request["user"])
        spoken = base64.b64decode(request["nonce"]) + (request["created"] + (secret or "")).encode()
        wanted = base64.b64encode(hashlib.sha1(spoken).digest()).decode()
        if secret is None or service != "onvif" or request["digest"] != wanted or request["nonce"] in self.used:
            return {"ok": False, "code": "denied"}
        self.used.add(request["nonce"])
        return self._granted(service, request["user"])

    def _token_on_op(self, service: str, request: dict) -> dict:
        reply = self._confirmed(service, request)
        if reply["ok"]:
            self.tokens[request["user"]] = base64.b32encode(secrets.token_bytes(15)).decode()[:20]
            return {"ok": True, "token": self.tokens[request["user"]]}
        return reply

    def _token_off_op(self, service: str, request: dict) -> dict:
        reply = self._asked_for(service, request)
        if reply["ok"]:
            self.tokens.pop(request["user"], None)
        return reply

    def _change_password_op(self, service: str, request: dict) -> dict:
        known = self.users.get(request["user"])
        if known is None or known[1] != request["old"]:
            return {"ok": False, "code": "denied"}
        if found := violations(request["new"]):
            return {"ok": False, "code": "policy", "violations": found}
        self.users[request["user"]] = (known[0], request["new"])
        self.changes[request["user"]] += 1
        self.due.pop(request["user"], None)
        return {"ok": True}

    def _users_op(self, service: str, request: dict) -> dict:
        if not self._administrator(service, request):
            return {"ok": False, "code": "denied"}
        tokens = self.tokens or {}
        users = [{"name": name, "role": one[0], "token": name in tokens} for name, one in self.users.items()]
        return {"ok": True, "users": users, "ws_token": self.tokens is not None}

    def _set_user_op(self, service: str, request: dict) -> dict:
        if not self._administrator(service, request):
            return {"ok": False, "code": "denied"}
        if found := violations(request["password"]):
            return {"ok": False, "code": "policy", "violations": found}
        self.users[request["user"]] = (request["role"], request["password"])
        self.changes[request["user"]] += 1
        return {"ok": True}

    def _enrol_op(self, service: str, request: dict) -> dict:
        allowed = self._administrator(service, request)
        return {"ok": True, "task": "started"} if allowed else {"ok": False, "code": "denied"}

    def _disown_op(self, service: str, request: dict) -> dict:
        reply = self._confirmed(service, request)
        if reply["ok"]:
            self.phase = "none"
        return reply

    def _transfer_op(self, service: str, request: dict) -> dict:
        return self._confirmed(service, request)

    def _erase_op(self, service: str, request: dict) -> dict:
        reply = self._confirmed(service, request)
        if reply["ok"]:
            self.state, self.phase, self.users = "unclaimed", "none", {}
            self.forget_grants()
        return reply

    def _confirmed(self, service: str, request: dict) -> dict:
        user = self._grants.get(str(request.get("grant")), ("", ""))[1]
        if not self._administrator(service, request) or self.users[user][1] != request["password"]:
            return {"ok": False, "code": "denied"}
        return {"ok": True, "task": "started"}

    def _device_op(self, service: str, request: dict) -> dict:
        if request.get("grant") not in self._grants:
            return {"ok": False, "code": "denied"}
        facts = {"model": "kawa-1", "hardware": "a", "serial": SERIAL, "version": "1.0.0", "slot": "a"}
        enrolment = {"phase": self.phase, "problem": ""}
        told = {"update": self.update, "schedule": self.schedule, "password_change": self.change, "ssh": self.ssh}
        if self._administrator(service, request):
            told["accounts"], told["plain_rtsp"] = self.accounts, self.plain_rtsp
        told["password"] = self.password
        return {"ok": True, **facts, "server": "", "enrolment": enrolment, **self.link, **told}

    def _open_ssh_op(self, service: str, request: dict) -> dict:
        if not self._confirmed(service, request)["ok"]:
            return {"ok": False, "code": "denied"}
        user = self._grants[request["grant"]][1]
        self.ssh = {"open": True, "user": user, "port": 22, "ends_in_s": 60 * int(request["minutes"])}
        return {"ok": True, **self.ssh, "password": "abcd-efgh-ijkl-mnop"}

    def _close_ssh_op(self, service: str, request: dict) -> dict:
        if not self._administrator(service, request):
            return {"ok": False, "code": "denied"}
        self.ssh = {"open": False}
        return {"ok": True}

    def _open_plain_rtsp_op(self, service: str, request: dict) -> dict:
        if not self._confirmed(service, request)["ok"]:
            return {"ok": False, "code": "denied"}
        if not self.plain_rtsp or request["port"] != str(self.plain_rtsp["port"]):
            return {"ok": False, "code": "bad_request", "detail": "another port"}
        user = self._grants[request["grant"]][1]
        until = f"2026-12-{int(request['days']) % 31:02}T09:00:00Z"
        self.plain_rtsp.update({"open": True, "user": user, "since": "2026-11-29T09:00:00Z", "until": until})
        return {"ok": True, **self.plain_rtsp}

    def _close_plain_rtsp_op(self, service: str, request: dict) -> dict:
        if not self._administrator(service, request):
            return {"ok": False, "code": "denied"}
        self.plain_rtsp = {"open": False, "port": self.plain_rtsp["port"]}
        return {"ok": True, **self.plain_rtsp}

    def _update_now_op(self, service: str, request: dict) -> dict:
        return self._asked_for(service, request)

    def _postpone_op(self, service: str, request: dict) -> dict:
        return self._asked_for(service, request) | {"until": "2026-11-24 09:15"}

    def _settings_op(self, service: str, request: dict) -> dict:
        reply = self._asked_for(service, request)
        if reply["ok"] and request["time_zone"] == "Tokyo":
            return {"ok": False, "code": "bad_request", "detail": "time zone: a name has three letters or more"}
        if reply["ok"]:
            self.schedule = {name: request[name] for name in ("windows", "time_zone")}
        return reply

    def _asked_for(self, service: str, request: dict) -> dict:
        allowed = self._administrator(service, request)
        return {"ok": True, "task": "started"} if allowed else {"ok": False, "code": "denied"}

    def _evidence_op(self, service: str, request: dict) -> dict:
        if request.get("grant") not in self._grants:
            return {"ok": False, "code": "denied"}
        return {"ok": True, "path": str(self._evidence)}

    def _offer_op(self, service: str, request: dict) -> dict:
        known = request.get("grant") in self._grants
        return {"ok": True, "path": self.offer} if known else {"ok": False, "code": "denied"}

    def _install_op(self, service: str, request: dict) -> dict:
        return self._enrol_op(service, request)

    def _upload_op(self, service: str, request: dict) -> dict:
        if not self._administrator(service, request):
            return {"ok": False, "code": "denied"}
        if self.refuse_bundle is not None and "room" in str(self.refuse_bundle):
            return {"ok": False, **self.refuse_bundle}
        self.upload_path.write_bytes(bytes(int(request["length"])))
        self.ticket = secrets.token_hex(16)
        return {"ok": True, "path": str(self.upload_path), "ticket": self.ticket}

    def _install_bundle_op(self, service: str, request: dict) -> dict:
        if request["ticket"] != self.ticket:
            return {"ok": False, "code": "denied"}
        return {"ok": True, "task": "started"} if self.refuse_bundle is None else {"ok": False, **self.refuse_bundle}

    def _administrator(self, service: str, request: dict) -> bool:
        granted = self._grants.get(str(request.get("grant")))
        return granted is not None and granted[0] == service and self.users[granted[1]][0] == "administrator"


def violations(password: str) -> list[dict[str, str]]:
    if len(password) >= MIN_PASSWORD_CHARACTERS:
        return []
    return [
        {
            "code": "too_short",
            "en": f"At least {MIN_PASSWORD_CHARACTERS} characters.",
            "ja": f"{MIN_PASSWORD_CHARACTERS}文字以上にしてください。",
        }
    ]


def digest_response(request: dict, password: str) -> str:
    """RFC 7616 section 3.4.1, with the RFC 2069 form when there is no qop."""
    algorithm = {"MD5": "md5", "SHA-256": "sha256"}[request["algorithm"]]

    def digest(text: str) -> str:
        return hashlib.new(algorithm, text.encode()).hexdigest()

    secret = digest(f"{request['user']}:{REALM}:{password}")
    method = digest(f"{request['method']}:{request['uri']}")
    middle = [request["nonce"]]
    if "qop" in request:
        middle += [request["nc"], request["cnonce"], request["qop"]]
    return digest(":".join((secret, *middle, method)))
