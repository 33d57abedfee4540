"""A TUF repository behind a real HTTP server, and the client that is asked to trust it.

`Site` holds the roles (python-tuf's objects), who signs them, and what its server answers; change any of it. `publish`
signs roles and puts them on the server under the next version. `Client` runs `camward-agent tuf` in this process.
"""

import contextlib
import copy
import hashlib
import http.server
import io
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

from agent.main import main

TOP = ("root", "timestamp", "snapshot", "targets")
WALK = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
"""What a first refresh of a fresh site asks for."""


def moment(days):
    return datetime.fromtimestamp(int(time.time()), UTC) + timedelta(days=days)


class Site:
    """One repository; `asked` lists the requests it saw, as paths below its metadata or targets folder."""

    def __init__(self, url, *, consistent=True, hashes=False):
        self.url = url
        self.hashes = hashes
        self.asked = []
        self.files = {}
        self.content = {}
        self.history = {}
        self.signers = {}
        self.roles = {
            "root": Root(consistent_snapshot=consistent, expires=moment(365)),
            "timestamp": Timestamp(expires=moment(1)),
            "snapshot": Snapshot(expires=moment(7)),
            "targets": Targets(expires=moment(90)),
        }
        for role in TOP:
            self.add_key(role)
        self.publish("root", "targets", "snapshot", "timestamp")

    # Changing it

    def add_key(self, role, signer=None):
        signer = signer or CryptoSigner.generate_ecdsa()
        self.roles["root"].add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        return signer

    def rotate(self, role):
        """Give a role one new key instead of its keys; publish the root (and the role) yourself."""
        old = self.signers.pop(role)
        for signer in old:
            self.roles["root"].revoke_key(signer.public_key.keyid, role)
        self.add_key(role)
        return old

    def delegate(self, parent, name, paths=("*",), *, terminating=False, prefixes=None, expires=90):
        """Let a role delegate to another, with a new key for this pair."""
        delegator = self.roles[parent]
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, roles={})
        patterns = None if prefixes else list(paths)
        delegator.delegations.roles[name] = DelegatedRole(name, [], 1, terminating, patterns, prefixes)
        signer = CryptoSigner.generate_ecdsa()
        delegator.add_key(signer.public_key, name)
        self.signers.setdefault(name, []).append(signer)
        return self.roles.setdefault(name, Targets(expires=moment(expires)))

    def delegate_bins(self, bits):
        """Let the top-level targets delegate to hash bins; the names of the bins."""
        succinct = SuccinctRoles([], 1, bits, "bin")
        self.roles["targets"].delegations = Delegations({}, succinct_roles=succinct)
        signer = CryptoSigner.generate_ecdsa()
        self.roles["targets"].add_key(signer.public_key)
        names = list(succinct.get_roles())
        for name in names:
            self.roles[name], self.signers[name] = Targets(expires=moment(90)), [signer]
        return names

    def add_target(self, path, content, role="targets", algorithms=("sha256",)):
        """List a target and serve its content; publish yourself."""
        target = TargetFile.from_data(path, content, list(algorithms))
        self.roles[role].targets[path] = target
        folder, slash, name = path.rpartition("/")
        for digest in target.hashes.values():
            self.content[folder + slash + digest + "." + name] = content
        self.content[path] = content
        return target

    # Publishing it

    def sign(self, role):
        metadata = Metadata(copy.deepcopy(self.roles[role]))
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def publish(self, *roles):
        """Sign each role, under its next version if it has been published before, and announce it in the next one."""
        for role in roles:
            signed = self.roles[role]
            if role in self.history:
                signed.version += 1
            self.serve(role, self.sign(role))

    def serve(self, role, body):
        """Put these bytes on the server as the role's present version."""
        version = self.roles[role].version
        self.history.setdefault(role, []).append(body)
        plain = quote(role, "") + ".json"
        name = f"{version}.{plain}"
        if role != "root" and (role == "timestamp" or not self.roles["root"].consistent_snapshot):
            name = plain
        self.files[name] = body
        digest = {"sha256": hashlib.sha256(body).hexdigest()}
        announced = MetaFile(version, len(body), digest) if self.hashes else MetaFile(version)
        if role == "snapshot":
            self.roles["timestamp"].snapshot_meta = announced
        elif role not in TOP or role == "targets":
            self.roles["snapshot"].meta[role + ".json"] = announced

    def republish(self):
        """Everything below the root anew."""
        self.publish("targets", "snapshot", "timestamp")

    def requests(self):
        """What was asked since the last call."""
        found, self.asked = self.asked, []
        return found


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, number, kind, path = self.path.split("/", 3)
        site = self.server.sites[int(number)]
        site.asked.append(path)
        body = (site.files if kind == "metadata" else site.content).get(path)
        if body is None and kind == "targets":
            plain = {quote(name, safe="/"): name for name in site.content}
            body = site.content.get(plain.get(path))
        if callable(body):
            body(self)
        else:
            self.answer(404 if body is None else 200, body or b"")

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(OSError):  # clients that have seen enough are what some tests are about
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Host(http.server.ThreadingHTTPServer):
    """Serves any number of sites."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sites = []
        self.handle_error = lambda *_: None
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def site(self, **how):
        made = Site(f"http://127.0.0.1:{self.server_port}/{len(self.sites)}", **how)
        self.sites.append(made)
        return made

    def stop(self):
        self.shutdown()
        self.server_close()
        self._thread.join()


class Client:
    """`camward-agent tuf` with its two folders; `said` is the last run's standard error."""

    def __init__(self, folder: Path, site: Site):
        self.folder = folder
        self.site = site
        self.metadata, self.targets = folder / "metadata", folder / "targets"
        self.said = ""

    def arguments(self, verb, *paths):
        """The command line, in the order in which suites give it."""
        found = ["--metadata-dir", str(self.metadata)]
        if verb != "init":
            found += ["--metadata-url", self.site.url + "/metadata"]
        if verb == "download":
            for path in paths:
                found += ["--target-name", path]
            found += ["--target-dir", str(self.targets), "--target-base-url", self.site.url + "/targets"]
        return ["tuf", *found, verb]

    def run(self, *arguments):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                status = main(list(arguments))
            except SystemExit as end:
                status = end.code
        self.said = errors.getvalue()
        assert output.getvalue() == ""
        return status

    def init(self, body=None):
        file = self.folder / "initial.json"
        file.write_bytes(self.site.history["root"][0] if body is None else body)
        return self.run(*self.arguments("init"), str(file))

    def refresh(self):
        return self.run(*self.arguments("refresh"))

    def download(self, *paths):
        return self.run(*self.arguments("download", *paths))

    def code(self):
        """The stable code of the one line on standard error."""
        lines = self.said.splitlines()
        assert len(lines) == 1, self.said
        program, code, _ = lines[0].split(": ", 2)
        assert program == "camward-agent tuf"
        return code

    def stored(self):
        """The trusted files by role name as the folder has them, with their versions."""
        return {
            file.name.removesuffix(".json"): json.loads(file.read_bytes())["signed"]["version"]
            for file in sorted(self.metadata.glob("*"))
        }

    def body(self, role):
        return (self.metadata / (role + ".json")).read_bytes()

    def downloaded(self):
        return sorted(file.read_bytes() for file in self.targets.glob("*")) if self.targets.is_dir() else []
