"""Which key exchange the agent's TLS comes to, and what it costs; the camera's own library: tests/emulated."""

import json
import ssl
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("key_exchange_program.py")
X25519, X25519_MLKEM768 = "001d", "11ec"
"""Of the groups of TLS 1.3: RFC 8446, 4.2.7, and draft-ietf-tls-ecdhe-mlkem."""
HYBRID_SINCE = (3, 5)  # OpenSSL


def test_it_is_hybrid_where_the_library_has_it_and_x25519_where_not(tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    hybrid = ssl.OPENSSL_VERSION_INFO[:2] >= HYBRID_SINCE
    assert found["version"] == "TLSv1.3"
    assert found["group"] == (X25519_MLKEM768 if hybrid else X25519)
    assert found["offered"][0] == found["group"]
    assert (X25519_MLKEM768 in found["offered"]) == hybrid
