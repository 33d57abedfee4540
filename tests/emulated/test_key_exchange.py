"""The camera's own TLS library: what key exchange it comes to with one that can do the same, and how long its hello is.

What it costs a mobile line: docs/telemetry.md.
"""

import base64
import json
from pathlib import Path

from agent.formats.boot_record import FRESH
from firmware_sim.qemu.deadline import Deadline
from tests.contract.ports.test_key_exchange import PROGRAM, X25519, X25519_MLKEM768
from tests.emulated.boot_helpers import BOOT_S, UP, Disk, wait, without_agent

COMMITTED_A = FRESH.replace(generation=7, rollback_index=1)
PIECE = 700  # busybox's shell edits lines of 1,023 characters
SHARE_BYTES, ANSWER_BYTES = 1184 + 32, 1088 + 32  # ML-KEM-768's key and ciphertext (FIPS 203, 8), each with X25519's
PYTHON = "env -i PATH=/usr/sbin:/usr/bin PYTHONPATH=/usr/lib/camward/python:/usr/lib/camward/site python3 -s -S -P -B"


def test_the_camera_exchanges_keys_by_x25519_with_ml_kem(tmp_path: Path):
    packed = base64.b64encode(PROGRAM.read_bytes()).decode()
    words = f"{PYTHON} -c \"import base64,sys;sys.argv=['', '/tmp'];exec(base64.b64decode(open('/tmp/p').read()))\""
    with Disk(tmp_path, without_agent(), COMMITTED_A).machine(shell=True) as machine:
        wait(machine, UP)
        for at in range(0, len(packed), PIECE):
            status, text = machine.shell(f"echo {packed[at : at + PIECE]} >>/tmp/p", Deadline(BOOT_S))
            assert status == 0, text
        status, text = machine.shell(words, Deadline(BOOT_S))
    assert status == 0, text
    found = json.loads(text.splitlines()[-1])
    assert tuple(found["library"]) >= (3, 5)
    assert found["version"] == "TLSv1.3"
    assert (found["offered"][0], found["group"]) == (X25519_MLKEM768, X25519_MLKEM768)
    assert X25519 in found["offered"]  # for a server that cannot
    assert found["client_hello_bytes"] > SHARE_BYTES
    assert found["server_hello_bytes"] > ANSWER_BYTES
