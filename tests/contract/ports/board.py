"""A camera board on the host: a disk file, the boot loader's decision, the real agent and camera processes."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.formats import boot_record
from firmware_sim.world.boot import Save, boot_pass
from tests.contract.camera.camera_process import camera_config, start_camera

MIB = 1 << 20
SLOT_BYTES = 2 * MIB
OFFSETS = {"a": MIB, "b": 3 * MIB}
RECORDS = (65536, 131072)
CODE = "ABCD-EFGH-JKMN-PQRS"
DEADLINE_S = 240  # with many tests beside this one, and a message that is sent again after a minute
RESTARTED = 77  # exit status of an agent that restarted its machine


def wait_for(condition, what):
    """Poll until `condition()` is true."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"timed out waiting for {what}")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@dataclass
class Board:
    """`known`: contents of slots by version; the booted slot's version goes into agent.json."""

    folder: Path
    image_root: bytes
    serial: str = "KW1-000001"
    known: dict = field(default_factory=dict)
    releases: dict | None = None
    process: subprocess.Popen | None = None
    camera: object = None
    booted: str = ""
    boots: list = field(default_factory=list)
    console: list = field(default_factory=list)
    neighbours_port: int = 0  # where it serves other cameras, if it does
    ws_token: bool = False  # whether it takes WS-UsernameToken
    programs: list | None = None  # that may use the link
    transfer: dict = field(default_factory=dict)  # the line's limits

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        # A Unix socket's path has room for 107 bytes, which pytest's folders can exceed.
        self.run = Path(f"/tmp/camward-{os.getpid()}-{id(self):x}")
        self.state, self.disk = self.folder / "state", self.folder / "disk.img"
        self.ports = free_ports(2)

    def leave_factory(self, slot_a):
        """`slot_a`: what slot A holds, version 1.0.0."""
        self.known["1.0.0"] = slot_a
        record = boot_record.encode(boot_record.FRESH.replace(generation=1, rollback_index=1))
        with self.disk.open("wb") as disk:
            disk.truncate(6 * MIB)
            for offset, data in ((RECORDS[0], record), (RECORDS[1], record), (OFFSETS["a"], slot_a)):
                disk.seek(offset)
                disk.write(data)
        (self.folder / "image_root.json").write_bytes(self.image_root)
        factory = self.state / "factory"
        factory.mkdir(parents=True, mode=0o700)
        salt = bytes(16)
        digest = hashlib.sha256(salt + CODE.replace("-", "").encode()).hexdigest()
        label = {"v": 1, "serial": self.serial, "model": "kawa-1", "hardware": "a", "mac": "52:54:00:00:00:01"}
        label |= {"claim_salt": salt.hex(), "claim_sha256": digest}
        (factory / "label.json").write_text(json.dumps(label))
        (factory / "label.json").chmod(0o600)

    def config(self, version):
        https, rtsps = self.ports
        region = {name: {"offset": at, "length": SLOT_BYTES} for name, at in OFFSETS.items()}
        layout = {"name": "ab-1", "device": "/dev/vda", "erase_bytes": 4096, "boot_record": list(RECORDS)}
        layout |= {"slots": region, "fit_offset": MIB, "data": {"offset": 5 * MIB, "length": MIB}}
        services = [
            {"name": "web", "kind": "web", "port": https},
            {"name": "rtsp", "kind": "rtsps", "port": rtsps},
            {"name": "onvif", "kind": "onvif", "port": https},
        ]
        update = {"check_interval_s": 5, "telemetry_interval_s": 5, **self.transfer}
        declarations = {"support_ends": "2031-12-31"}
        if self.neighbours_port:
            update["neighbours"] = {"serve": True, "port": self.neighbours_port}
            declarations["listeners"] = [{"proto": "tcp", "port": self.neighbours_port}]
        return {
            "v": 1, "model": "kawa-1", "hardware": "a", "version": version, "security_epoch": 1,
            "build_time": 1763800000, "image_root": str(self.folder / "image_root.json"), "layout": layout,
            "services": services, "login_gid": 900, "health": {"deadline_s": 60},
            "update": update, "password": {}, "declarations": declarations,
            **({} if self.releases is None else {"releases": self.releases}),
            **({"ws_token": True} if self.ws_token else {}),
            **({"programs": self.programs} if self.programs else {}),
        }  # fmt: skip

    # Power

    def power_on(self):
        """The boot loader, then the agent until it is ready."""
        with self.disk.open("r+b") as disk:
            self.booted = self._boot_loader(disk)
            disk.seek(OFFSETS[self.booted])
            held = disk.read(SLOT_BYTES)
        version = next(name for name, content in self.known.items() if held.startswith(content))
        self.boots.append((self.booted, version))
        (self.folder / "agent.json").write_text(json.dumps(self.config(version)))
        (self.folder / "cmdline").write_text(f"console=ttyAMA0 camward.slot={self.booted} camward.trial=0\n")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.contract.ports.launch", *self.arguments()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        self.says("camward-agent: ready")

    def arguments(self):
        return [
            "run", "--config", str(self.folder / "agent.json"), "--state", str(self.state), "--run", str(self.run),
            "--disk", str(self.disk), "--command-line", str(self.folder / "cmdline"),
            "--watchdog", str(self.folder / "no-watchdog"),
        ]  # fmt: skip

    def _boot_loader(self, disk):
        copies = []
        for offset in RECORDS:
            disk.seek(offset)
            copies.append(disk.read(512))
        steps = boot_pass(copies[0], copies[1], lambda slot, index: True)
        answer = None
        while True:
            step = steps.send(answer)
            if not isinstance(step, Save):
                return step.slot
            disk.seek(RECORDS[step.copy])
            disk.write(boot_record.encode(step.record))
            answer = True

    def _listen(self, process):
        for line in process.stdout:
            self.console.append(line.strip())

    def says(self, line, count=1):
        """Wait until the console has said this."""
        process = self.process

        def said():
            if self.console.count(line) >= count:
                return True
            assert process.poll() in (None, RESTARTED), process.stderr.read()
            return False

        wait_for(said, line + " on the console; so far " + str(self.console))

    def kill(self):
        """Power off, as the agent sees it."""
        self.process.kill()
        self.process.communicate()

    def wait_for_restart(self):
        """The agent restarts its machine; boot again."""
        assert self.process.wait(DEADLINE_S) == RESTARTED, self.process.stderr.read()
        self.process.communicate()
        self.console.clear()
        self.power_on()

    def start_camera(self):
        """The camera application beside the agent; it outlives the agent's restarts here."""
        https, rtsps = self.ports
        folder = self.folder / "camera"
        folder.mkdir()
        listeners = {"https": https, "rtsps": rtsps, "rtsp": None}
        web = self.state / "web"
        self.camera = start_camera(
            folder,
            camera_config(
                folder, listeners=listeners, login_dir=str(self.run / "login"), evidence_dir=str(self.run),
                upload_dir=str(self.state / "bundle"),
                certificate=str(web / "cert.pem"), key=str(web / "key.pem"),
            ),
        )  # fmt: skip

    def stop(self):
        """End everything that was started; returns what the agent wrote on stderr."""
        errors = ""
        if self.camera is not None:
            self.camera.stop()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                errors = self.process.communicate(timeout=DEADLINE_S)[1]
            finally:
                self.process.kill()
        for path in sorted(self.run.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if self.run.exists():
            self.run.rmdir()
        return errors

    # People

    def ask(self, service, op, **members):
        """One request on a login socket."""
        return self.talk(f"login/{service}.sock", {"v": 1, "op": op, "source": "192.0.2.7", **members})

    def admin(self, op, **members):
        return self.talk("admin.sock", {"v": 1, "op": op, **members})

    def talk(self, name, request):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE_S)
            client.connect(str(self.run / name))
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as lines:
                return json.loads(lines.readline())

    def status(self):
        return self.admin("status")

    def slot(self, name):
        with self.disk.open("rb") as disk:
            disk.seek(OFFSETS[name])
            return disk.read(SLOT_BYTES)
