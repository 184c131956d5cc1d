#!/usr/bin/env bash
# Install with the test extras and run the whole test suite; arguments go to pytest (default: all, on all cores).
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/_venv.sh
ensure_venv demo,video,export,backbones,dev

if [ $# -gt 0 ]; then
    exec python -m pytest "$@"
fi
ruff check .
ruff format --check .
# One thread a process: the tests are small, and there is a process for every core.
OMP_NUM_THREADS=1 exec python -m pytest -n auto
