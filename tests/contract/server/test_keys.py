"""The key ceremony by its command line: offline machines that hold nothing but keys, and a server that holds none."""

import json
import shutil
import time

import pytest

from agent.core import trust
from agent.core.clock import Time
from tests.contract.server import harness
from update_server.db.models import Device
from update_server.repository.verifier import verify_signature

NAMES = {"image-root": 5, "image-targets": 3, "director-root": 3}
WORD = {"CAMWARD_OFFLINE_PASSPHRASE": "correct horse battery staple"}
DEVICE_ID = "b" * 26


@pytest.fixture(scope="module")
def holders(tmp_path_factory):
    """One folder for each key, as if it were a machine: the private key never leaves it."""
    home = tmp_path_factory.mktemp("holders")
    for name, count in NAMES.items():
        for number in range(1, count + 1):
            machine = home / f"{name}-{number}"
            machine.mkdir()
            harness.command("keys", "new", machine / f"{machine.name}.pem", env=WORD)
    return home


def public(holders, name):
    return holders / name / f"{name}.pub"


def sign(holders, file, *names, check=True, more=()):
    """Carry a copy of the file to each machine, sign there, and carry the copies back."""
    copies = []
    for name in names:
        copy = holders / name / file.name
        shutil.copy(file, copy)
        done = harness.command("keys", "sign", copy, "--key", holders / name / f"{name}.pem", "--yes", *more, env=WORD,
                               check=check)  # fmt: skip
        if not check:
            return done
        copies.append(copy)
    return copies


def init(folder, holders, *more, leave=()):
    words = []
    for name, count in NAMES.items():
        for number in range(1, count + 1):
            if f"{name}-{number}" not in leave:
                words += [f"--{name}-key", public(holders, f"{name}-{number}")]
    return harness.command(
        "init", folder, "--operator", "River Office", "--host", "127.0.0.1", *words, *more, check=False
    )


ROOTS = ("image-root-1", "image-root-3", "image-root-5")
RELEASERS = ("image-targets-1", "image-targets-2")
DIRECTORS = ("director-root-1", "director-root-2")


@pytest.fixture(scope="module")
def begun(holders, tmp_path_factory):
    """A server that has never seen an offline key, after its first ceremony."""
    folder = tmp_path_factory.mktemp("begun") / "s"
    done = init(folder, holders)
    assert done.returncode == 0, done.stderr
    for name, signing in (("image", ROOTS + RELEASERS), ("director", DIRECTORS)):
        copies = sign(holders, folder / "ceremony" / f"{name}.json", *signing)
        assert "published" in harness.command("keys", "import", *copies, folder=folder).stdout
    return folder


@pytest.fixture
def server(begun, tmp_path):
    shutil.copytree(begun, tmp_path / "s")
    made = harness.Server(tmp_path / "s", 0, 0, 0, "")
    yield made
    if "services" in vars(made):
        made.services.close()


def one_line(done):
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


class Camera:
    """A camera as the server's files and services answer it, without a network."""

    def __init__(self, server, version="1.0.0"):
        self.server, self.version = server, version
        tuf = server.folder / "tuf"
        self.stored = {
            name: {
                "root": (tuf / name / "1.root.json").read_bytes(),
                "timestamp": None,
                "snapshot": None,
                "targets": None,
            }
            for name in ("image", "director")
        }
        with server.services.database.write() as session:
            session.add(
                Device(
                    id=DEVICE_ID, serial="KW1-1", model="kawa-1", hardware="a", version=version, ownership_sha256="",
                    enrolled_at=int(time.time()),
                )
            )  # fmt: skip

    @property
    def id(self):
        return DEVICE_ID

    def look(self):
        """One full check; returns what it would install. Raises as the device does."""
        who = trust.Device(DEVICE_ID, "kawa-1", "a", self.version, 1)
        check = trust.Check(who, self.stored, Time(int(time.time()), 0, 0), verify_signature)
        try:
            while (wanted := check.wants()) is not None:
                body = self._fetch(wanted.repository, wanted.path)
                check.absent() if body is None else check.feed(body)
        finally:
            for name, body in check.accepted():
                repository, _, role = name.partition("/")
                self.stored[repository][role] = body
        return check.outcome

    def _fetch(self, repository, path):
        services = self.server.services
        file = self.server.folder / "tuf" / repository / path
        if repository == "image" or path.endswith(".root.json"):
            return file.read_bytes() if file.exists() else None
        if path == "timestamp.json":
            return services.director_timestamp(DEVICE_ID, int(time.time()))
        version, role, _ = path.split(".")
        with services.database.read() as session:
            return services.director.numbered(session, DEVICE_ID, role, int(version))

    def root(self, name):
        return json.loads(self.stored[name]["root"])["signed"]["version"]


def publish(server, holders, file, *names):
    return server.run("keys", "import", *sign(holders, file, *names))


def audit(server, lines=50):
    return [(one["what"], one["detail"]) for one in server.json("audit", "--lines", lines)]


def test_a_server_waits_for_its_first_ceremony_and_never_sees_an_offline_key(holders, tmp_path):
    folder = tmp_path / "s"
    done = init(folder, holders)
    assert "signed (camward-server keys sign), and import each" in done.stdout
    assert not list(tmp_path.glob("*.offline"))
    names = {
        path.name for path in folder.rglob("*") if b"PRIVATE KEY" in (path.read_bytes() if path.is_file() else b"")
    }
    assert not any("root" in name or name.startswith("image-targets") for name in names)
    assert "has no root yet" in one_line(harness.command("serve", folder, check=False))
    for name in ("image", "director"):
        assert "signatures" in one_line(
            harness.command("keys", "import", folder / "ceremony" / f"{name}.json", folder=folder, check=False)
        )
    few = sign(holders, folder / "ceremony" / "image.json", *ROOTS[:2], *RELEASERS)
    assert "2 of 3 signatures by the root keys of root 1" in one_line(
        harness.command("keys", "import", *few, folder=folder, check=False)
    )
    assert list((folder / "tuf/image").iterdir()) == []


@pytest.mark.parametrize(
    ("more", "leave", "says"),
    [
        ((), ("image-root-5",), "--image-root 3/5 plans 5 keys, and 4 are given"),
        ((), tuple(f"image-targets-{n}" for n in (1, 2, 3)), "--image-targets 2/3 plans 3 keys, and 0"),
        (("--image-root", "5/5"), (), "5 of 5"),
        (("--director-root", "1/3"), (), "1 of 3"),
        (("--image-targets", "many"), (), "no number of keys"),
    ],
)
def test_a_plan_that_makes_no_sense_makes_no_server(holders, tmp_path, more, leave, says):
    assert says in one_line(init(tmp_path / "s", holders, *more, leave=leave))
    assert list(tmp_path.iterdir()) == []


def test_one_key_in_two_roles_makes_no_server(holders, tmp_path):
    plan = ("--image-targets", "2/4", "--image-targets-key", public(holders, "image-root-1"))
    assert "would serve both" in one_line(init(tmp_path / "s", holders, *plan))
    twice = ("--image-root", "3/6", "--image-root-key", public(holders, "image-root-1"))
    assert "Two of the --image-root-key are one key" in one_line(init(tmp_path / "s", holders, *twice))
    foreign = ("--director-root", "2/4", "--director-root-key", public(holders, "image-root-1"))
    assert "would serve both repositories" in one_line(init(tmp_path / "s", holders, *foreign))
    assert list(tmp_path.iterdir()) == []


def test_other_numbers_of_keys_can_be_made_at_init(tmp_path):
    numbers = ("--image-root", "2/4", "--image-targets", "3/4", "--director-root", "3/5")
    harness.command("init", tmp_path / "s", "--operator", "Op", "--host", "h", *numbers)
    listed = json.loads(harness.command("keys", "list", "--json", folder=tmp_path / "s").stdout)
    found = {(one["repository"], role["role"]): (role["threshold"], len(role["keys"]))
             for one in listed for role in one["roles"]}  # fmt: skip
    assert found["image", "root"] == (2, 4)
    assert found["image", "targets"] == (3, 4)
    assert found["director", "root"] == (3, 5)
    assert len(list((tmp_path / "s.offline").glob("*.pem"))) == 13
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    harness.command("release", "add", slot, "--tree", tree, "--manifest", manifest, folder=tmp_path / "s")


def test_the_first_ownership_record_carries_the_directors_root(begun):
    name = (begun / "ownership/current").read_text()
    record = json.loads((begun / "ownership" / f"{name}.json").read_bytes())
    assert record["director_root"] == (begun / "tuf/director/1.root.json").read_text()


def test_a_release_is_added_and_withdrawn_by_a_ceremony(server, holders, tmp_path):
    camera = Camera(server)
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    build, file = (slot, "--tree", tree, "--manifest", manifest), tmp_path / "add.json"
    said = server.run("release", "add", *build, "--prepare", file).stdout
    assert "version 1.1.0, severity high" in said
    assert "There is no release" in one_line(server.run("device", "assign", camera.id, "1.1.0", check=False))
    assert "published" in publish(server, holders, file, *RELEASERS).stdout
    server.run("device", "assign", camera.id, "1.1.0")
    assert camera.look().version == "1.1.0"
    assert json.loads(server.run("release", "show", "1.1.0").stdout)["state"] == "published"
    assert "already been added" in one_line(server.run("release", "add", *build, "--prepare", file, check=False))

    withdraw = ("release", "withdraw", "1.1.0", "--prepare", tmp_path / "withdraw.json")
    assert "assigned to cameras" in one_line(server.run(*withdraw, check=False))
    server.run("device", "assign", camera.id, "none")
    assert "GONE" in server.run(*withdraw).stdout
    server.run("device", "assign", camera.id, "1.1.0")
    copies = sign(holders, tmp_path / "withdraw.json", *RELEASERS)
    assert "assigned to cameras" in one_line(server.run("keys", "import", *copies, check=False))
    server.run("device", "assign", camera.id, "none")
    server.run("keys", "import", *copies)
    assert json.loads(server.run("release", "show", "1.1.0").stdout)["state"] == "withdrawn"
    assert "published already" in server.run("keys", "import", *copies).stdout


def test_a_release_whose_files_are_not_here_is_not_published(server, holders, tmp_path):
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    server.run("release", "add", slot, "--tree", tree, "--manifest", manifest, "--prepare", tmp_path / "add.json")
    next((server.folder / "targets").glob("*.tree")).unlink()
    copies = sign(holders, tmp_path / "add.json", *RELEASERS)
    assert "kawa-1-1.1.0.tree is not on this server" in one_line(server.run("keys", "import", *copies, check=False))


def test_the_signers_machine_needs_no_server_and_shows_what_it_signs(server, holders, tmp_path):
    server.run("keys", "prepare", "root", "--repository", "director", "--new-online", "-o", tmp_path / "d.json")
    shown = harness.command("keys", "show", tmp_path / "d.json").stdout
    assert "NEW    director-timestamp-2" in shown
    assert "GONE   director-timestamp (" in shown
    done = sign(holders, tmp_path / "d.json", "image-root-1", check=False)
    assert "signs nothing in this file" in one_line(done)
    copy = tmp_path / "unasked.json"
    shutil.copy(tmp_path / "d.json", copy)
    key = holders / "director-root-1/director-root-1.pem"
    unasked = harness.command("keys", "sign", copy, "--key", key, env=WORD, check=False)
    assert "add --yes" in one_line(unasked)
    assert copy.read_bytes() == (tmp_path / "d.json").read_bytes()
    assert "With which key" in one_line(harness.command("keys", "sign", copy, "--yes", check=False))


def test_a_signer_who_keeps_a_root_refuses_the_file_of_an_impostor(server, holders, tmp_path, begun):
    impostor = tmp_path / "impostor"
    harness.command("init", impostor, "--operator", "Op", "--host", "h")
    harness.command("keys", "prepare", "root", "-o", tmp_path / "bad.json", folder=impostor)
    kept = ("--root", begun / "tuf/image/1.root.json")
    done = sign(holders, tmp_path / "bad.json", "image-root-1", check=False, more=kept)
    assert "does not descend from your root 1" in one_line(done)
    server.run("keys", "prepare", "root", "-o", tmp_path / "good.json")
    assert len(sign(holders, tmp_path / "good.json", "image-root-1", more=kept)) == 1


def test_a_root_key_is_replaced_step_by_step_and_every_camera_follows(server, holders, tmp_path):
    camera = Camera(server)
    camera.look()
    harness.command("keys", "new", tmp_path / "aiko.pem", env=WORD)
    server.run("keys", "prepare", "root", "--repository", "director", "--remove", "root=director-root-1",
               "--add", f"root={tmp_path / 'aiko.pub'}", "-o", tmp_path / "d.json")  # fmt: skip
    copies = sign(holders, tmp_path / "d.json", *DIRECTORS)
    assert "1 of 2 signatures by the root keys of root 2" in one_line(
        server.run("keys", "import", *copies, check=False)
    )
    harness.command("keys", "sign", copies[0], "--key", tmp_path / "aiko.pem", "--yes", env=WORD)
    server.run("keys", "import", *copies)
    camera.look()
    assert camera.root("director") == 1  # an idle check is one request, and that file is signed by the same key
    server.run("device", "assign", camera.id, "none")
    camera.look()
    assert camera.root("director") == 2
    listed = json.loads(server.run("keys", "list", "--json").stdout)
    assert {key["name"] for key in listed[1]["roles"][0]["keys"]} == {"director-root-2", "director-root-3", "aiko"}


def test_online_keys_are_replaced_after_a_theft_and_new_cameras_never_trust_the_stolen_ones(server, holders, tmp_path):
    camera = Camera(server)
    camera.look()
    records = len(list((server.folder / "ownership").glob("*.json")))
    for name, signing in (("image", ROOTS), ("director", DIRECTORS)):
        file = tmp_path / f"{name}.json"
        server.run("keys", "prepare", "root", "--repository", name, "--new-online", "-o", file)
        publish(server, holders, file, *signing)
    with server.services.database.read() as session:
        stamp = server.services.director.timestamp(session, camera.id, int(time.time()))
    root = json.loads((server.folder / "tuf/director/2.root.json").read_bytes())["signed"]
    assert json.loads(stamp)["signatures"][0]["keyid"] in root["roles"]["timestamp"]["keyids"]
    assert camera.look() is None
    assert camera.root("director") == 2
    name = (server.folder / "ownership/current").read_text()
    record = json.loads((server.folder / "ownership" / f"{name}.json").read_bytes())
    assert json.loads(record["director_root"])["signed"]["version"] == 2
    assert len(list((server.folder / "ownership").glob("*.json"))) == records + 1


def test_every_operation_is_in_the_audit_log(server, holders, tmp_path):
    server.run("keys", "prepare", "root", "--repository", "director", "-o", tmp_path / "d.json")
    server.run("keys", "import", tmp_path / "d.json", check=False)
    publish(server, holders, tmp_path / "d.json", *DIRECTORS)
    found = [(what, detail.partition(": ")[0]) for what, detail in audit(server) if what.startswith("keys")]
    done = ("keys prepare", "keys import", "keys import refused", "keys import")
    assert found[-4:] == [(what, "director root 2") for what in done]
    assert len(audit(server, 2)) == 2
    assert "keys import refused" in server.run("audit").stdout


def test_an_import_that_was_cut_short_is_completed_by_repeating_it(server, holders, tmp_path):
    """The files are published, and the machine stops before the database says so."""
    camera = Camera(server)
    slot, tree, manifest = harness.write_build(tmp_path / "b", "1.1.0")
    server.run("release", "add", slot, "--tree", tree, "--manifest", manifest, "--prepare", tmp_path / "a.json")
    copies = sign(holders, tmp_path / "a.json", *RELEASERS)
    database = (server.folder / "server.db").read_bytes()
    server.run("keys", "import", *copies)
    server.services.close()
    del vars(server)["services"]
    for path in server.folder.glob("server.db*"):
        path.unlink()
    (server.folder / "server.db").write_bytes(database)
    assert "There is no release" in one_line(server.run("release", "show", "1.1.0", check=False))
    assert "published already" in server.run("keys", "import", *copies).stdout
    assert json.loads(server.run("release", "show", "1.1.0").stdout)["state"] == "published"
    assert camera.id == DEVICE_ID


def test_the_forecast_says_what_is_due_by_its_exit_status(server):
    calm = server.run("keys", "forecast", "--within", "30d")
    assert "DUE" not in calm.stdout
    due = server.run("keys", "forecast", "--within", "400d", "--json", check=False)
    assert due.returncode == 1
    assert [one["what"] for one in json.loads(due.stdout) if one["due"]] == ["list of releases 1"]
    assert {one["renewed"] for one in json.loads(due.stdout)} == {"server", "ceremony", "by hand"}
    assert "no duration" in one_line(server.run("keys", "forecast", "--within", "soon", check=False))


def test_a_running_server_says_in_its_log_what_people_have_to_renew(server, caplog):
    now = int(time.time())
    server.services.warn(now)
    assert caplog.messages == []
    server.services.warn(now + 340 * 86_400)
    (line,) = caplog.messages
    assert line.startswith("The list of releases 1 ends at ")


def test_the_list_of_releases_is_renewed(server, holders, tmp_path):
    server.run("keys", "prepare", "targets", "-o", tmp_path / "l.json")
    publish(server, holders, tmp_path / "l.json", *RELEASERS)
    assert "list of releases 2" in server.run("keys", "forecast").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("prepare", "root", "--repository", "other"), "no repository"),
        (("prepare", "snapshot"), "cannot be prepared"),
        (("prepare", "targets", "--repository", "director"), "cannot be prepared"),
        (("prepare", "targets", "--new-online"), "cannot be prepared"),
        (("prepare", "root", "--add", "root"), "no ROLE=VALUE"),
        (("prepare", "root", "--add", "boss=x"), "no ROLE=VALUE"),
        (("prepare", "root", "--add", "root=/no/such.pub"), "cannot be read"),
        (("prepare", "root", "--threshold", "root=many"), "no number of keys"),
        (("prepare", "root", "--threshold", "root=1"), "1 of 5"),
        (("prepare", "root", "--remove", "root=nobody"), "No keys of the root role"),
        (("prepare", "root", "--online", "timestamp=awskms:x"), "camward[kms-aws]"),
        (("prepare", "root", "--online", "timestamp=file:none.pem"), "cannot be read"),
        (("prepare", "root", "--online", "targets=new"), "is offline"),
        (("prepare", "targets", "--valid-days", 9), "with none"),
        (("prepare", "targets", "--repository", "director"), "cannot be prepared so"),
    ],
)
def test_what_cannot_be_prepared_is_said_in_one_line(server, tmp_path, words, says):
    line = one_line(server.run("keys", *words, "-o", tmp_path / "out.json", check=False))
    assert says in line
    assert not (tmp_path / "out.json").exists()


def test_no_keys_are_made_for_a_file_that_cannot_be_written(server, tmp_path):
    before = sorted((server.folder / "keys").iterdir())
    line = one_line(server.run("keys", "prepare", "root", "--new-online", "-o", tmp_path / "no/x.json", check=False))
    assert "no such folder" in line
    assert sorted((server.folder / "keys").iterdir()) == before


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"_type": "camward-ceremony", "v": 9, "repository": "image"}'])
def test_what_is_no_ceremony_file_is_said_in_one_line(server, tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    for words in (("import",), ("show",), ("sign", "--key", "k.pem", "--yes")):
        folder = server.folder if words == ("import",) else None
        one_line(harness.command("keys", words[0], tmp_path / "x.json", *words[1:], folder=folder, check=False))


def test_a_key_file_is_never_overwritten_and_its_passphrase_is_not_short(tmp_path):
    harness.command("keys", "new", tmp_path / "k.pem", env=WORD)
    before = (tmp_path / "k.pem").read_bytes()
    assert "already exists" in one_line(harness.command("keys", "new", tmp_path / "k.pem", env=WORD, check=False))
    assert (tmp_path / "k.pem").read_bytes() == before
    assert b"ENCRYPTED" in before
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    short = {"CAMWARD_OFFLINE_PASSPHRASE": "short"}
    assert "fewer than 12" in one_line(harness.command("keys", "new", tmp_path / "l.pem", env=short, check=False))
    assert "needs a passphrase" in one_line(harness.command("keys", "new", tmp_path / "l.pem", check=False))
    assert "encrypted key files or on tokens" in one_line(
        harness.command("keys", "new", f"file:{tmp_path}/l.pem", env=WORD, check=False)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k.pem", "k.pub"]
