"""The command line with bad input: one line that says what and what to do, exit 1, nothing half-made."""

import os
import signal
import sqlite3
import subprocess
import tomllib
from contextlib import closing

import pytest

from tests.contract.server import harness


def one_line(done):
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("camward-server: ")
    return done.stderr


def init(folder, *more, host="127.0.0.1"):
    return harness.command("init", folder, "--operator", "Op", "--host", host, *more, check=False)


def test_init_refuses_a_folder_that_exists_and_changes_nothing(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine").write_text("precious")
    assert "already exists" in one_line(init(tmp_path / "s"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s"]
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("more", "host", "says"),
    [
        ((), "not a host", "neither an IP address nor a host name"),
        (("--device-port", "70000"), "h", "ports.device"),
        (("--check-interval", "1s"), "h", "check_interval_s"),
        (("--line", "wet"), "h", "line"),
        (("--check-interval", "soon"), "h", "no duration"),
        (("--passphrase-file", "/nonexistent"), "h", "cannot be read"),
    ],
)
def test_init_refuses_bad_values_and_leaves_nothing(tmp_path, more, host, says):
    assert says in one_line(init(tmp_path / "s", *more, host=host))
    assert list(tmp_path.iterdir()) == []


def test_offline_keys_do_not_live_on_the_server(tmp_path):
    assert "must not lie inside" in one_line(init(tmp_path / "s", "--offline-keys", tmp_path / "s" / "keys"))


def test_secrets_are_for_their_owner_only_and_offline_keys_are_encrypted(tmp_path):
    (tmp_path / "word").write_text("a passphrase of our own\n")
    done = init(tmp_path / "s", "--passphrase-file", tmp_path / "word", "--offline-keys", tmp_path / "vault")
    assert done.returncode == 0
    assert "made up" not in done.stdout
    assert not (tmp_path / "vault" / "passphrase").exists()
    offline = sorted((tmp_path / "vault").iterdir())
    assert len(offline) == 11
    for path in offline:
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
    online = [path for path in (tmp_path / "s/keys").rglob("*") if path.is_file() and path.name != "current"]
    secret = [*offline, *online, *(tmp_path / "s/pki").glob("*.key.pem"), tmp_path / "s/broker/server.key.pem"]
    assert len(secret) == 11 + (5 + 1 + 1 + 2) + 3 + 1
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    release = ("release", "add", slot, "--tree", tree, "--manifest", manifest, "--offline-keys", tmp_path / "vault")
    folder = tmp_path / "s"
    assert "need their passphrase" in one_line(harness.command(*release, folder=folder, check=False))
    assert "does not open" in one_line(
        harness.command(*release, "--passphrase-file", wrong, folder=folder, check=False)
    )
    env = {"CAMWARD_OFFLINE_PASSPHRASE": "a passphrase of our own"}
    assert "is published" in harness.command(*release, folder=folder, env=env).stdout
    again = harness.command(*release, folder=folder, env=env, check=False)
    assert "already been added" in one_line(again)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("device = ", "devise = "), "ports.devise"),
        (("operator = ", "operator ="), ""),
        (('operator = "River Office"', "operator = 7"), "operator"),
        (("[ports]", "[ports"), "cannot be read"),
        (("timestamp_valid_s = 604800", "timestamp_valid_s = 1"), "tuf.timestamp_valid_s"),
    ],
)
def test_malformed_settings_are_named(server, tmp_path, change, says):
    folder = tmp_path / "s"
    folder.mkdir()
    text = (server.folder / "server.toml").read_text()
    (folder / "server.toml").write_text(text.replace(*change))
    line = one_line(harness.command("status", folder=folder, check=False))
    assert says in line


def test_the_environment_wins_over_the_file(server):
    done = server.run("status", env={"CAMWARD_PORTS__DEVICE": "x"}, check=False)
    assert "ports.device" in one_line(done)


@pytest.mark.parametrize(
    "words",
    [
        ("device", "show", "nobody"), ("device", "assign", "nobody", "1.1.0"), ("device", "token", "--serial", "a b"),
        ("release", "show", "9.9.9"), ("rollout", "show", "999"), ("rollout", "create", "9.9.9"),
        ("rollout", "abort", "999"), ("root", "export", "--version", "99"), ("user", "add", "a b"),
        ("user", "password", "nobody"), ("release", "add", "/no", "--tree", "/no", "--manifest", "/no"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_said_in_one_line(server, words):
    one_line(server.run(*words, check=False))


def test_the_image_root_is_exported_for_the_firmware(server, tmp_path):
    server.run("root", "export", "--out", tmp_path / "root.json")
    assert (tmp_path / "root.json").read_bytes() == (server.folder / "tuf/image/1.root.json").read_bytes()


def test_a_taken_port_is_one_line_and_no_process_is_left(server):
    done = harness.command_line("serve", server.folder, "--with-broker")
    assert f"Port {server.device_port}" in one_line(done)


def test_without_its_broker_the_port_of_which_is_taken_nothing_starts(tmp_path, server):
    other = harness.make_server(tmp_path / "s")
    text = (other.folder / "server.toml").read_text()
    (other.folder / "server.toml").write_text(text.replace(f"mqtt = {other.mqtt_port}", f"mqtt = {server.mqtt_port}"))
    assert f"Port {server.mqtt_port}" in one_line(harness.command_line("serve", other.folder, "--with-broker"))


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in out.split()]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_broker_ends_with_the_server(tmp_path, number):
    server = harness.make_server(tmp_path / "s")
    harness.start(server)
    (broker,) = children(server.process.pid)
    server.process.send_signal(number)
    code = server.process.wait(30)
    server.process.stdout.close()
    assert code == (-9 if number == signal.SIGKILL else 0)
    harness.wait_for(lambda: not alive(broker), "the broker's end")


def test_the_broker_is_not_root_and_holds_no_key_but_the_servers(tmp_path):
    server = harness.make_server(tmp_path / "s")
    harness.start(server)
    (broker,) = children(server.process.pid)
    with open(f"/proc/{broker}/status") as file:
        users = {word for line in file if line.startswith(("Uid:", "Gid:")) for word in line.split()[1:]}
    harness.stop(server)
    folder = server.folder / "broker"
    assert users == {str(folder.stat().st_uid), str(folder.stat().st_gid)}
    if os.getuid() == 0:
        assert "0" not in users
    names = {"acl", "ca.pem", "data", "mosquitto.conf", "mosquitto.log", "openssl.cnf"}
    names |= {"server.key.pem", "server.pem"}
    assert {path.name for path in folder.iterdir()} == names
    assert (server.folder / "pki/ca.key.pem").stat().st_uid == os.getuid()


def test_the_brokers_configuration_follows_the_settings_and_a_planted_link_is_not_followed(tmp_path):
    server = harness.make_server(tmp_path / "s")
    (server.folder / "broker/mosquitto.conf").write_text("allow_anonymous true\n")
    harness.start(server)
    harness.stop(server)
    assert "allow_anonymous false" in (server.folder / "broker/mosquitto.conf").read_text()
    victim, log = tmp_path / "victim", server.folder / "broker/mosquitto.log"
    victim.write_text("mine")
    log.unlink()
    log.symlink_to(victim)
    one_line(harness.command_line("serve", server.folder, "--with-broker"))
    assert victim.read_text() == "mine"


def test_the_server_ends_when_its_broker_does(tmp_path):
    server = harness.make_server(tmp_path / "s")
    harness.start(server)
    (broker,) = children(server.process.pid)
    os.kill(broker, signal.SIGKILL)
    assert server.process.wait(30) == 1
    server.process.stdout.close()


def test_a_broker_that_does_not_start_is_quoted(tmp_path):
    server = harness.make_server(tmp_path / "s")
    (server.folder / "broker/data/mosquitto.db").write_bytes(b"nonsense" * 100)
    assert "mosquitto does not start" in one_line(harness.command_line("serve", server.folder, "--with-broker"))


def in_database(server, statement):
    with closing(sqlite3.connect(server.folder / "server.db")) as database:
        database.execute(statement)
        database.commit()


def test_an_older_schema_is_refused_until_it_is_migrated(tmp_path):
    server = harness.make_server(tmp_path / "s")
    in_database(server, "DELETE FROM alembic_version")
    assert "camward-server migrate" in one_line(server.run("status", check=False))


def test_a_database_that_fails_is_said_in_one_line(tmp_path):
    server = harness.make_server(tmp_path / "s")
    in_database(server, "ALTER TABLE device RENAME TO elsewhere")
    for words in (("status",), ("device", "list"), ("device", "update-now", "KW1-000001")):
        assert "no such table: device" in one_line(server.run(*words, check=False))


def test_what_the_disk_does_not_take_is_said_in_one_line(tmp_path):
    server = harness.make_server(tmp_path / "s")
    (server.folder / "targets").rmdir()
    (server.folder / "targets").write_text("no folder")
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    release = ("release", "add", slot, "--tree", tree, "--manifest", manifest)
    assert "Not a directory" in one_line(server.run(*release, check=False))
    (server.folder / "targets").unlink()
    (server.folder / "targets").mkdir()
    assert "is published" in server.run(*release).stdout


def test_a_damaged_database_is_said_in_one_line(tmp_path):
    server = harness.make_server(tmp_path / "s")
    (server.folder / "server.db").write_bytes(b"no database" * 1000)
    assert "cannot be opened" in one_line(server.run("status", check=False))


def test_settings_spell_everything_out(server):
    values = tomllib.loads((server.folder / "server.toml").read_text())
    assert values["ports"] == {"device": server.device_port, "people": server.people_port, "mqtt": server.mqtt_port}


def test_help_names_every_command():
    done = harness.command_line("--help")
    for word in (
        "init",
        "serve",
        "status",
        "migrate",
        "device",
        "release",
        "rollout",
        "root",
        "keys",
        "audit",
        "user",
        "token",
    ):
        assert word in done.stdout
