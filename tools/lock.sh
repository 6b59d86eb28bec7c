#!/bin/sh
# Makes requirements/*.lock anew: the newest versions that pyproject.toml allows, for every platform, with hashes,
# naming no registry. "dev" is held to the versions of "run", so that tests see what is shipped.
set -eu

cd "$(dirname "$0")/.."
sh tools/install.sh uv
uv=$(command -v uv || echo .venv/bin/uv)

# Starting from an empty file: what stands in an old lock would be kept.
compile() { # OUTPUT ARGUMENTS...
    output=$1
    shift
    rm -f "$output.new"
    "$uv" pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 "$@" \
        -o "$output.new" >/dev/null
    mv "$output.new" "$output"
}

printf 'uv\n' | compile requirements/installer.lock -
compile requirements/run.lock pyproject.toml --all-extras --group build
compile requirements/dev.lock pyproject.toml --all-extras --group build --group dev -c requirements/run.lock
