#!/bin/sh
# Makes .venv and installs one of the locks into it, with this checkout on top.
#
#   tools/install.sh run    what `lumen` needs
#   tools/install.sh dev    the same, and what the tests and the linters need
#   tools/install.sh uv     only .venv and uv (to make the locks anew)
#
# Does nothing, in well under a second, when nothing has changed. PYTHON names the interpreter (default python3).
set -eu

cd "$(dirname "$0")/.."
profile=${1:?run, dev or uv}
python=${PYTHON:-python3}
venv=.venv
stamp=$venv/.installed

say() { printf '%s\n' "$*" >&2; } # standard output is the target's
die() { say "$*"; exit 1; }

# What an installation depends on. "dev" holds everything of "run", at the same versions.
digest() {
    "$venv/bin/python" - "$1" <<'PY'
import hashlib, pathlib, platform, sys

digest = hashlib.sha256(f"{pathlib.Path.cwd()} {platform.python_version()} {platform.machine()}".encode())
for name in ("pyproject.toml", "requirements/installer.lock", f"requirements/{sys.argv[1]}.lock", "tools/install.sh"):
    digest.update(pathlib.Path(name).read_bytes())
print(f"{sys.argv[1]} {digest.hexdigest()}")
PY
}

installed() { [ -f "$stamp" ] && grep -qxF "$(digest "$1")" "$stamp"; }

check_python() {
    command -v "$python" >/dev/null 2>&1 ||
        die "$python is not there: install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$python is $("$python" -V 2>&1 | cut -d' ' -f2): Lumen needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."
}

find_uv() {
    uv=$(command -v uv || true)
    if [ -z "$uv" ] || ! "$uv" --version >/dev/null 2>&1; then
        uv=$venv/bin/uv
    fi
}

make_venv() {
    find_uv
    if [ -x "$uv" ] && "$uv" venv -q --clear --seed --python "$python" "$venv" 2>/dev/null; then
        return
    fi
    rm -rf "$venv"
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
        return
    fi
    # Debian keeps venv and ensurepip in a package of its own.
    say "Python's venv module is missing: getting python3-venv"
    sh tools/packages.sh python3-venv && "$python" -m venv "$venv" && return
    rm -rf "$venv"
    die "$python cannot make a virtual environment: install python3-venv (Debian, Ubuntu) or ensurepip, and try again"
}

if [ "$profile" != dev ] && [ "$profile" != run ] && [ "$profile" != uv ]; then
    die "tools/install.sh: run, dev or uv, not $profile"
fi

if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    check_python
    make_venv
elif [ "$profile" != uv ]; then
    if installed "$profile" || { [ "$profile" = run ] && installed dev; }; then
        exit 0
    fi
    # Never take the test tools out of an environment that has them.
    if grep -q '^dev ' "$stamp" 2>/dev/null; then
        profile=dev
    fi
fi

find_uv
if [ ! -x "$uv" ]; then
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || die "$venv has no pip: remove the folder $venv and try again"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --root-user-action=ignore --require-hashes \
        -r requirements/installer.lock
    uv=$venv/bin/uv
fi
[ "$profile" != uv ] || exit 0

rm -f "$stamp"
lock=requirements/$profile.lock
say "installing $lock into $venv"
# A mirror that is set up for pip alone is unknown to uv: then pip does the work, slower.
if ! "$uv" pip sync -q --compile-bytecode --python "$venv/bin/python" --require-hashes "$lock"; then
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || die "uv could not install $lock; what it said stands above"
    say "uv could not install $lock: trying pip"
    "$venv/bin/python" -m pip install --disable-pip-version-check --root-user-action=ignore --require-hashes -r "$lock"
fi
# "compat" is a plain path entry: no import hook at every start of Python.
"$uv" pip install -q --python "$venv/bin/python" --offline --no-deps --no-build-isolation \
    --config-setting editable_mode=compat --reinstall-package lumen-workers -e .
digest "$profile" >"$stamp"
say "ready: $venv/bin/lumen ($profile)"
