"""Commands import what they need and nothing else: what each may not import, and a control that does."""

import inspect
import json
import subprocess
import sys

import pytest

from tests.contract.server.harness import REPOSITORY, command
from update_server import main
from update_server.main import ALONE

ASK = """
import json, sys
from update_server.main import main
try:
    main(sys.argv[1:])
except SystemExit as ending:
    assert not ending.code, ending.code
sys.stderr.write(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
SIGNING = {"securesystemslib", "tuf", "pkcs11"}
SERVING = {"fastapi", "starlette", "uvicorn", "jinja2", "paho"}
DATABASE = {"sqlalchemy", "alembic", "pydantic", "cryptography"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("light") / "server"
    command("init", made, "--operator", "Light", "--host", "127.0.0.1")
    return made


def imported(*words):
    line = [sys.executable, "-c", ASK, *map(str, words)]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr))


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_imports_nothing_of_the_server(words):
    assert not imported(*words) & (SIGNING | SERVING | DATABASE)


@pytest.mark.parametrize(
    "words",
    [
        ["device", "list", "--json"],
        ["rollout", "list", "--json"],
        ["fleet", "passwords", "--json"],
        ["token", "list"],
        ["audit"],
        ["status"],
    ],
)
def test_commands_that_read_the_database_need_neither_signing_nor_migrations(folder, words):
    found = imported(*words, "--dir", folder)
    assert "sqlalchemy" in found, "the control: it does read the database"
    assert not found & (SIGNING | SERVING | {"alembic"})


def test_a_command_that_signs_needs_no_web_server(folder):
    found = imported("keys", "list", "--json", "--dir", folder)
    assert "securesystemslib" in found, "the control: it does sign"
    assert not found & (SERVING | {"alembic"})


def test_keys_on_an_offline_machine_need_no_database(folder, tmp_path):
    (tmp_path / "passphrase").write_text("a passphrase of some length")
    key = tmp_path / "holder.pem"
    found = imported("keys", "new", key, "--passphrase-file", tmp_path / "passphrase")
    assert "securesystemslib" in found
    assert not found & (SERVING | {"sqlalchemy", "alembic"})


def test_help_says_of_each_command_what_the_command_says_itself():
    every = main.typer.main.get_command(main.app).commands
    assert set(ALONE) <= set(every)
    for name, (_, text) in ALONE.items():
        own = inspect.cleandoc(every[name].loaded().help).partition("\n\n")[0]
        assert text == own


def test_every_command_of_the_table_is_there():
    for name, (_, places) in main.GROUPS.items():
        group = main.typer.main.get_command(main.app).commands[name]
        assert [group.get_command(None, one).name for one in group.list_commands(None)] == list(places)
