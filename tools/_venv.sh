# Sourced by quickstart.sh and run_tests.sh: a virtual environment in the clone, made once and reused.
# ensure_venv EXTRAS: install mmaffect with the extras, unless that was done with these very files before.

ensure_venv() {
    local extras=$1 python=${PYTHON:-python3} constraints=() stamp
    command -v "$python" >/dev/null || { echo "error: $python not found; set PYTHON to a Python 3.10-3.13" >&2; exit 1; }
    # Without pip, an earlier call was interrupted while it made the environment.
    if [ ! -x .venv/bin/pip ]; then
        "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' ||
            { echo "error: $("$python" --version) found; mmaffect needs Python 3.10-3.13 (set PYTHON)" >&2; exit 1; }
        "$python" -m venv .venv || { echo "error: cannot make .venv (on Debian: apt install python3-venv)" >&2; exit 1; }
    fi
    # The pinned set was tested on Python 3.11; other versions take the ranges of setup.py.
    if .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
        constraints=(-c constraints.txt)
    fi
    stamp=$(cat setup.py constraints.txt | cksum | cut -d' ' -f1)-$extras
    if ! grep -qxF -- "$stamp" .venv/installed 2>/dev/null; then
        echo "installing mmaffect[$extras] into .venv (a few minutes and 6 GB the first time)"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check ${constraints[@]+"${constraints[@]}"} -e ".[$extras]"
        echo "$stamp" >>.venv/installed
    fi
    PATH="$PWD/.venv/bin:$PATH"
}
