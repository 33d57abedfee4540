import json
import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.camera import agent_login, http_server
from firmware_sim.camera.login import LoginUnavailable, Reply, parse_reply, service_state

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class Told:
    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def ask(self, service: str, op: str, source: str, **fields: object) -> Reply:
        return self.reply


def test_only_a_clear_yes_is_a_yes() -> None:
    assert parse_reply({"v": 1, "ok": True, "role": "viewer"}).ok
    assert parse_reply({"v": 1, "ok": False, "code": "wait", "retry_after_s": 3}) == Reply(
        ok=False, code="wait", fields={"retry_after_s": 3}
    )
    for value in ({}, [], None, {"v": 2, "ok": True}, {"v": 1, "ok": 1}, {"v": 1, "ok": "true"}, {"v": 1, "ok": False}):
        with pytest.raises(LoginUnavailable):
            parse_reply(value)


@given(JSON, JSON)
def test_random_replies_are_understood_or_unavailable(ok: object, code: object) -> None:
    try:
        reply = parse_reply({"v": 1, "ok": ok, "code": code})
    except LoginUnavailable:
        return
    assert reply.ok is (ok is True)


def test_members_of_another_type_count_as_missing() -> None:
    reply = Reply(ok=True, code="", fields={"role": 7, "seconds": True, "stale": "true", "users": [1, {"name": "a"}]})

    assert reply.text("role") == ""
    assert reply.number("seconds", 5) == 5
    assert reply.flag("stale") is False
    assert reply.objects("users") == [{"name": "a"}]
    assert reply.objects("role") == []


def test_a_state_that_is_unknown_is_no_state() -> None:
    assert service_state(Told(Reply(ok=True, code="", fields={"state": "locked"})), "web", "a") == "locked"
    for reply in (Reply(ok=True, code="", fields={"state": "open"}), Reply(ok=False, code="busy")):
        with pytest.raises(LoginUnavailable):
            service_state(Told(reply), "web", "a")


def test_a_client_may_wait_longer_than_the_agent_takes_to_prove_a_password() -> None:
    assert http_server.ANSWER_WITHIN_S > agent_login.PROVED_WITHIN_S > agent_login.ANSWER_WITHIN_S


def test_logins_that_wait_for_their_hash_keep_no_stream_from_asking_for_the_state(tmp_path: Path) -> None:
    """Strangers can bring about as many of those as there is room for, and a stream that gets no answer ends."""
    asked: queue.Queue[str] = queue.Queue()
    over = threading.Event()

    def converse(client: socket.socket) -> None:
        with client:
            op = json.loads(client.makefile().readline())["op"]
            asked.put(op)
            if op == "login":
                over.wait(30)
            client.sendall(b'{"v":1,"ok":true,"state":"claimed"}\n')

    def serve() -> None:
        for _ in range(agent_login.MAX_CONVERSATIONS + 1):
            threading.Thread(target=converse, args=(server.accept()[0],), daemon=True).start()

    login = agent_login.AgentLogin(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "web.sock"))
        server.listen(16)
        threading.Thread(target=serve, daemon=True).start()
        with ThreadPoolExecutor(agent_login.MAX_CONVERSATIONS + 1) as pool:
            try:
                waiting = [
                    pool.submit(login.ask, "web", "login", "a", user=str(number), password="x")
                    for number in range(agent_login.MAX_CONVERSATIONS)
                ]
                assert [asked.get(timeout=5) for _ in waiting] == ["login"] * agent_login.MAX_CONVERSATIONS
                assert pool.submit(login.ask, "web", "state", "b").result(5).text("state") == "claimed"
            finally:
                over.set()
        assert all(one.result().ok for one in waiting)
