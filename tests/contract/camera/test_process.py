import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.camera.camera_process import (
    READY_WITHIN_S,
    CameraProcess,
    camera_config,
    launch,
    make_certificate,
    next_line,
    ports_of,
    start_camera,
)
from tests.contract.camera.clients import Browser
from tests.contract.camera.fake_agent import FakeAgent

ROOT = Path(__file__).resolve().parents[3]


def run_to_the_end(folder: Path, config: object) -> subprocess.CompletedProcess[str]:
    path = folder / "camera.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    command = [sys.executable, "-m", "firmware_sim.camera", "--config", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=READY_WITHIN_S)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fault": "crash"}, "broken on purpose"),
        ({"mode": "open"}, "mode must be gated or ungated"),
        ({"listeners": {"https": 0}}, "listeners.rtsps must be"),
        ({"address": "203.0.113.77"}, "cannot serve"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    make_certificate(tmp_path)

    result = run_to_the_end(tmp_path, camera_config(tmp_path, **change))

    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert message in result.stderr


def test_a_configuration_that_is_no_json_is_refused(tmp_path: Path) -> None:
    assert "is not JSON" in run_to_the_end(tmp_path, "{").stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"https": taken.getsockname()[1], "rtsps": 0}
        result = run_to_the_end(tmp_path, camera_config(tmp_path, listeners=ports))

    assert (result.returncode, "in use" in result.stderr) == (1, True)


def test_a_certificate_with_another_key_is_refused(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, key = make_certificate(other)

    result = run_to_the_end(tmp_path, camera_config(tmp_path, key=str(key)))

    assert (result.returncode, "cannot serve" in result.stderr) == (1, True)


def test_ports_stay_closed_until_the_certificate_is_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as finder:
        port = finder.getsockname()[1]
    process = launch(tmp_path, camera_config(tmp_path, listeners={"https": port, "rtsps": 0}))

    assert "waits for its certificate" in next_line(process)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    make_certificate(tmp_path)
    camera = CameraProcess(tmp_path, process, ports_of(next_line(process)))

    assert Browser(camera).get("/health").status == 200
    assert camera.stop() == ""


def test_a_camera_that_waits_can_be_stopped(tmp_path: Path) -> None:
    process = launch(tmp_path, camera_config(tmp_path))

    assert "waits for its certificate" in next_line(process)
    assert CameraProcess(tmp_path, process).stop() == ""
    assert process.returncode == 0


def test_root_is_given_up_for_good_or_the_camera_does_not_run(tmp_path: Path, agent: FakeAgent) -> None:
    """As root: the running camera has no root left. As anybody else: becoming another account fails, so it stops."""
    _, key = make_certificate(tmp_path)
    config = camera_config(tmp_path, run_as={"uid": 900, "gid": 900})
    if os.getuid() != 0:
        result = run_to_the_end(tmp_path, config)
        assert (result.returncode, "cannot become uid 900" in result.stderr) == (1, True)
        return
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and path != Path("/tmp") and path != Path("/"):
            path.chmod(0o755)
    key.chmod(0o640)
    os.chown(key, 0, 900)
    # A checkout in root's home is closed to uid 900.
    program = tmp_path / "program" / "firmware_sim"
    shutil.copytree(ROOT / "firmware_sim/camera", program / "camera")
    shutil.copy(ROOT / "firmware_sim/__init__.py", program)
    camera = start_camera(tmp_path, config, program.parent)
    status = Path(f"/proc/{camera.process.pid}/status").read_text()
    errors = camera.stop()

    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["900"] * 4
    assert fields["Gid"].split() == ["900"] * 4
    assert fields["Groups"].strip() == ""
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert errors == ""


def test_the_gated_camera_never_imports_the_ungated_one(tmp_path: Path) -> None:
    script = "import sys, firmware_sim.camera.__main__; sys.exit('firmware_sim.camera.ungated' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_image_without_the_ungated_module_cannot_be_configured_into_it(tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(camera_config(tmp_path, mode="ungated")))
    script = (
        "import sys; sys.modules['firmware_sim.camera.ungated'] = None; sys.argv[1:] = ['--config', sys.argv[1]]\n"
        "from firmware_sim.camera.__main__ import main; sys.exit(main())"
    )
    result = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)

    assert (result.returncode, "holds no ungated camera" in result.stderr) == (1, True)


def test_a_wrong_command_line_says_how_it_should_be() -> None:
    command = [sys.executable, "-m", "firmware_sim.camera", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=READY_WITHIN_S)

    assert (result.returncode, result.stderr) == (2, "usage: camward-camera --config FILE\n")
