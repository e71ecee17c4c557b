#!/bin/sh
# Creates .venv from requirements.lock. On a bare Debian it first installs what makes virtual environments.
set -eu
python=${1:-python3.11}

if ! "$python" -m venv --clear .venv 2>/dev/null; then
    echo "bootstrap: $python cannot make a virtual environment; installing its venv package"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "bootstrap: please run: sudo apt-get install ${python##*/}-venv" >&2
        exit 2
    fi
    apt-get update -qq
    apt-get install -y -qq "${python##*/}-venv"
    "$python" -m venv --clear .venv
fi
echo "bootstrap: installing what it needs into .venv, about a minute"
# Compiled now, once: a session starts four processes, and a chip waits for some of them.
if .venv/bin/python -m pip install -q --disable-pip-version-check uv 2>/dev/null; then
    VIRTUAL_ENV=.venv .venv/bin/uv pip sync -q --compile-bytecode --require-hashes requirements.lock
    VIRTUAL_ENV=.venv .venv/bin/uv pip install -q --no-deps -e .
else
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
fi
.venv/bin/python -m compileall -q analysis controller drivers simulators
