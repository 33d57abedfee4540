"""Who can begin a handover, read from the source; and what an erase leaves, whatever lies there."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent
from agent.app import handover
from agent.app.handover import DISOWN, ERASE, KEPT, KINDS, TRANSFER
from agent.formats.errors import Unavailable
from agent.formats.json import dump
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import UnsafeDeviceSecret, UnsafeKeyStore
from firmware_sim.world.store import Documents, MemoryErasure, MemoryStore

ROOT = Path(agent.__file__).parent
FROM_AFAR = (
    "checking",
    "updating",
    "installing",
    "reading_tree",
    "reporting",
    "enrolling",
    "trusted_time",
    "tuf_client",
)
"""Modules that take what a server or broker sends."""


def calls(name: str) -> set[tuple[str, str]]:
    """(module, function) wherever `.name(` is called or handed on, in the agent."""
    found = set()
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and node.attr == name:
                    found.add((path.stem, function.name, ast.unparse(node.value)))
    return found


def test_only_office_transfer_and_the_grave_command_begin_a_handover() -> None:
    begun = {(module, function) for module, function, value in calls("begin") if value.endswith("_handover")}
    assert begun == {("office", "_begin"), ("transferring", "_hand_over"), ("commanding", "_begin_erase")}
    started = {(module, function) for module, function, value in calls("begin") if value.endswith("_transferring")}
    assert started == {("office", "transfer")}


@pytest.mark.parametrize("what", ["disown", "transfer", "erase"])
def test_only_people_at_the_camera_reach_the_office(what: str) -> None:
    """The login operations that demand a password, and root's socket: nothing else names these functions."""
    asked = {
        (module, function) for module, function, value in calls(what) if value in ("self", "self._office", "office")
    }
    known = {("login", "__init__"), ("office", "__init__" if what != "transfer" else "_transfer")}
    if what == "erase":  # the owner's way out of a quarantine: name and password at once
        known |= {("quarantining", function) for function in ("operations", "erase", "compared")}
    assert asked == known
    source = (ROOT / "app" / "login.py").read_text()
    assert f'"{what}": lambda asked: self._confirmed(asked, ' in source


@pytest.mark.parametrize("module", FROM_AFAR)
def test_what_comes_from_afar_is_read_where_no_handover_can_be_begun(module: str) -> None:
    tree = ast.parse((ROOT / "app" / f"{module}.py").read_text())
    imported = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import) for alias in node.names
    }
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in imported if "handover" in name or "transferring" in name or name == "Office"}


def test_nothing_but_a_handover_touches_the_erasure_and_the_keys() -> None:
    assert {module for module, _, _ in calls("erasure")} == {"handover"}
    forgetting = {module for module, _, value in calls("forget") if "keys" in value}
    assert forgetting == {"handover", "transferring", "identity", "rotating"}
    for module in ("identity", "rotating"):  # of a rotation that came to nothing, and only that key
        text = (ROOT / "app" / f"{module}.py").read_text()
        assert text.count("keys.forget(") == text.count("keys.forget(ROTATED)") > 0
    assert {module for module, _, value in calls("replace") if "keys" in value} == {"handover", "identity"}


class Camera:
    """The ports that `finish` uses, over documents in memory."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.documents = Documents(Power())
        self.store = MemoryStore(self.documents)
        self.erasure = MemoryErasure(self.documents)
        self.keys = UnsafeKeyStore(self.documents, Chance(1))
        self.secret = UnsafeDeviceSecret(self.documents, Chance(2))
        for name in names:
            self.documents.content[name] = b"secret"


PART = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=8)
NAMES = st.lists(PART, min_size=1, max_size=3).map("/".join)
KNOWN = st.sampled_from(
    ["credentials/web.json", "credentials/web.json.new", "ownership/record.json", "trust/director/root.json",
     "outbox/1", "trust/rollback_index.new", "factory", "clock", "trust", "trust/imagex", "handover/erase.json.new",
     "web/key.pem"]
)  # fmt: skip


@given(st.sets(NAMES | KNOWN, max_size=12))
def test_an_erase_leaves_nothing_that_is_not_on_the_list(names: set[str]) -> None:
    camera = Camera(tuple(names))
    camera.store.write("handover/erase.json", dump({"v": 1, "version": "1.0.0", "token": ""}))
    assert handover.finish(camera, "1.0.0") == ERASE  # type: ignore[arg-type]
    new = {"credentials/state.json", "evidence/history.json"}
    listed = tuple(name for name in KEPT[ERASE] if name.endswith("/"))
    for name in set(camera.documents.content) - new:
        assert name.startswith(listed) or name in KEPT[ERASE], name
    assert handover.finish(camera, "1.0.0") == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_what_stays_is_the_factorys_and_the_manufacturers(kind: str) -> None:
    """Changing this list needs a reason: docs/ownership.md tells buyers and sellers what it says."""
    assert set(KEPT[ERASE]) == {"factory/", "trust/image/", "trust/rollback_index", "clock/"}
    assert set(KEPT[DISOWN]) - set(KEPT[ERASE]) == {"credentials/", "secret/", "web/", "evidence/history.json"}
    assert set(KEPT[TRANSFER]) - set(KEPT[DISOWN]) == {"identity/"}
    names = (
        "factory/label.json",
        "factory/calibration",
        "trust/image/root.json",
        "trust/rollback_index",
        "clock/floor.json",
    )
    camera = Camera((*names, "factory/voucher.json"))
    camera.store.write(f"handover/{kind}.json", b"{")
    assert handover.finish(camera, "1.0.0") == kind  # type: ignore[arg-type]
    assert {name: camera.documents.content.get(name) for name in names} == dict.fromkeys(names, b"secret")
    assert "factory/voucher.json" not in camera.documents.content


def test_of_two_journals_the_erase_counts() -> None:
    """Nothing writes two; but if there are two, the one that leaves the least is the safe one."""
    camera = Camera(("credentials/web.json",))
    for kind in KINDS:
        camera.store.write(f"handover/{kind}.json", b"")
    assert handover.finish(camera, "1.0.0") == ERASE  # type: ignore[arg-type]
    assert "credentials/web.json" not in camera.documents.content
    assert not [name for name in camera.documents.content if name.startswith("handover/")]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_camera_keeps_for_its_user_goes_with_the_user_alone(kind: str) -> None:
    removed: list[str] = []

    class Pictures(MemoryErasure):
        def contents(self) -> list[str]:
            return [*super().contents(), *(["/data/camera/1.jpg"] if not removed else [])]

        def remove(self, item: str) -> None:
            if item[0] == "/":
                removed.append(item)
            else:
                super().remove(item)

    camera = Camera(("config/overlay.json",))
    camera.erasure = Pictures(camera.documents)
    camera.store.write(f"handover/{kind}.json", b"{")
    assert handover.finish(camera, "1.0.0") == kind  # type: ignore[arg-type]
    assert removed == (["/data/camera/1.jpg"] if kind == ERASE else [])
    assert "config/overlay.json" not in camera.documents.content


def test_what_the_camera_keeps_for_its_user_and_will_not_go_does_not_keep_the_camera_shut() -> None:
    """A memory card that is mounted there or broken, or a program that goes on writing; its names may be anything."""

    class Card(MemoryErasure):
        def contents(self) -> list[str]:
            return ["/data/camera/\udcff", *super().contents()]

        def remove(self, item: str) -> None:
            if item[0] == "/":
                raise Unavailable("busy")
            super().remove(item)

    camera = Camera(("credentials/web.json",))
    camera.erasure = Card(camera.documents)
    camera.store.write("handover/erase.json", dump({"v": 1, "version": "1.0.0", "token": ""}))
    assert handover.finish(camera, "1.0.0") == ERASE  # type: ignore[arg-type]
    assert b"unclaimed" in camera.documents.content["credentials/state.json"]
    assert b'"remaining":["/data/camera/?"]' in camera.documents.content["evidence/history.json"]
