"""Measures the full verification under MicroPython: `trust_device.py FOLDER NOW`; prints one JSON object.

FOLDER holds `stored/REPOSITORY/ROLE` and `served/REPOSITORY/PATH`.
"""

import gc
import json
import sys
import time

REPEAT = 7
ROLES = ("root", "timestamp", "snapshot", "targets")
DEVICE = ("abcdefghijklmnopqrstuvwxyz", "kawa-1", "a", "1.0.0", 1)


def resident_bytes():
    """What of this process is in memory."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise ValueError("no VmRSS")


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def main(folder, now):
    gc.collect()
    before_bytes = resident_bytes()
    begun = time.ticks_us()
    from agent.adapters.micropython.p256 import verify_signature
    from agent.core.clock import Time
    from agent.core.trust import Check, Device

    imported_us = time.ticks_us() - begun
    counted = [0]

    def counting(key, signature, message):
        counted[0] += 1
        verify_signature(key, signature, message)

    took_us = []
    for _ in range(REPEAT):
        counted[0] = 0
        stored = {}
        for repository in ("image", "director"):
            stored[repository] = {role: read(folder + "/stored/" + repository + "/" + role) for role in ROLES}
        begun = time.ticks_us()
        check = Check(Device(*DEVICE), stored, Time(now, 0, 0), counting)
        requests = 0
        while True:
            request = check.wants()
            if request is None:
                break
            requests += 1
            body = read(folder + "/served/" + request.repository + "/" + request.path)
            if body is None:
                check.absent()
            else:
                check.feed(body)
            check.accepted()
        took_us.append(time.ticks_us() - begun)
        if check.outcome is None:
            raise ValueError("the verification found nothing to install")
        check = stored = None
    gc.collect()
    found = {
        "import_us": imported_us,
        "took_us": took_us,
        "signatures": counted[0],
        "requests": requests,
        "resident_before_bytes": before_bytes,
        "resident_after_bytes": resident_bytes(),
        "heap_used_bytes": gc.mem_alloc(),
        "version": ".".join(str(part) for part in sys.implementation.version[:3]),
    }
    print(json.dumps(found))


main(sys.argv[1], int(sys.argv[2]))
