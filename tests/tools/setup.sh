#!/bin/sh
# Makes this machine able to build, run and test Camward: Debian packages, then a virtual environment from the lock.
# Safe to repeat; does nothing when nothing changed. Further lists of packages may be named, beside lock/host-packages.txt. Addresses of mirrors come from the machine's own configuration.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build
exec 9>build/setup.lock
flock 9  # two at once would clear each other's environment

missing=""
for package in $(grep -hv '^#' lock/host-packages.txt "$@"); do
    dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "setup: Debian packages to install:$missing"
    if [ "$(id -u)" = 0 ]; then sudo=""
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo="sudo"
    else
        echo "setup: cannot install them without root. Run as root:" >&2
        echo "    apt-get update && apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    log=build/setup-apt.log
    # shellcheck disable=SC2086  # a list of words is meant
    if ! { $sudo apt-get update && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        echo "setup: apt-get failed (whole log: $log). Mend the machine's Debian sources, then run 'make setup' again." >&2
        exit 1
    fi
fi

python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $python is older than 3.11. Set PYTHON=/path/to/python3.11 or newer." >&2; exit 1; }
stamp=$( { "$python" -V; cat lock/dev.txt pyproject.toml; } | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/camward-stamp 2>/dev/null)" != "$stamp" ]; then
    echo "setup: making .venv from lock/dev.txt"
    rm -rf .venv
    "$python" -m venv .venv
    log=build/setup-pip.log
    if ! { .venv/bin/pip install --require-hashes -r lock/dev.txt && .venv/bin/pip install --no-deps --no-build-isolation -e .; } >"$log" 2>&1; then
        grep -E 'ERROR|error:' "$log" | tail -n 3 >&2
        echo "setup: a locked Python package could not be installed (whole log: $log)." >&2
        echo "setup: if a version has gone from the index, run 'make relock' and commit lock/dev.txt." >&2
        exit 1
    fi
    echo "$stamp" > .venv/camward-stamp
fi
