#!/bin/sh
# Installs Debian packages where it may: as root, or by sudo without a password. Never asks, starts no service.
#
#   tools/packages.sh NAME...    exit 0: installed; 1: it may not, or apt-get failed (which says why)
set -eu

command -v apt-get >/dev/null 2>&1 || exit 1
if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    exit 1
fi

# Packages start their service when they are installed, unless this hook refuses. Lumen starts its own, privately.
hook=/usr/sbin/policy-rc.d
if [ ! -e "$hook" ]; then
    trap '$sudo rm -f "$hook"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$hook" >/dev/null
    $sudo chmod 755 "$hook"
fi

apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
apt update
apt install -y --no-install-recommends "$@"
