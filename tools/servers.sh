#!/bin/sh
# Brings the programs that the integration tests run: redis-server, PostgreSQL's server, Prometheus, its node exporter
# and Alertmanager, poppler, openssl, GnuTLS's certtool, SoftHSM, and Go with its library for transparency logs.
#
# Only what is missing, from the distribution's packages where it may (tools/packages.sh). What is still missing then
# is named; the tests that need it skip. With CI set, a missing one is a failure.
set -eu

cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null 2>&1; }
has_postgres() {
    has postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 # Debian keeps it off PATH
}

missing() {
    has redis-server || has valkey-server || printf 'redis-server '
    has_postgres || printf 'postgresql '
    has prometheus-node-exporter || has node_exporter || printf 'prometheus-node-exporter '
    { has prometheus && has promtool; } || printf 'prometheus '
    has amtool || printf 'prometheus-alertmanager '
    has faketime || printf 'faketime '
    has openssl || printf 'openssl '
    has certtool || printf 'gnutls-bin '
    has softhsm2-util || printf 'softhsm2 '
    { has pdftoppm && has pdffonts; } || printf 'poppler-utils '
    has go || printf 'golang-go '
    [ -d "${GOCODE:-/usr/share/gocode}/src/golang.org/x/mod" ] || printf 'golang-golang-x-mod-dev '
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0

echo "getting what the tests need: $wanted"
# shellcheck disable=SC2086 # a list of names
sh tools/packages.sh $wanted || true

still=$(missing)
[ -n "$still" ] || exit 0
echo "missing: $still- the tests that need them are skipped. On Debian or Ubuntu: sudo apt-get install $still" >&2
[ -z "${CI:-}" ]
