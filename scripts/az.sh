#!/usr/bin/env bash
# Debian's az, for make test-all: the Azure command line of Debian 13, unpacked into a folder of its own with all that
# it needs, whatever the machine's own release is. (Debian 12's az cannot read vaults: its keyvault commands import
# azure.keyvault 1.1, which Debian's python3-azure no longer had.)
#
#   scripts/az.sh path      prints the folder, a root file system to chroot into; fails if az is not there
#   scripts/az.sh install   unpacks it: 80 MB of packages, 1 GB on disk, some 15 s; no root needed
#
# Nothing is configured or started, and nothing outside of the folder is touched.
set -euo pipefail

release=trixie version=2.74.0-1
dir=${CERTWRIGHT_AZ:-${XDG_CACHE_HOME:-$HOME/.cache}/certwright-az/$release-$version}

have() { [ -e "$dir/complete" ]; }

# mirror prints where the machine has Debian's packages from.
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}

# config writes a configuration of apt that knows one release and no installed package.
config() { # folder
    mkdir -p "$1/lists/partial" "$1/archives/partial" "$1/none"
    : >"$1/status"
    cat >"$1/debian.sources" <<END
Types: deb
URIs: $(mirror)
Suites: $release
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    cat >"$1/apt.conf" <<END
Dir::State "$1";
Dir::State::Lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1";
Dir::Cache::archives "$1/archives";
Dir::Etc::SourceList "$1/debian.sources";
Dir::Etc::SourceParts "$1/none";
Dir::Etc::Preferences "$1/none/x";
Dir::Etc::PreferencesParts "$1/none";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Debug::NoLocking "true";
END
}

# unpack lays out the packages' files, as a merged /usr; and does the two things of their scripts that az needs.
unpack() { # archives, root
    local d package
    for d in bin sbin lib lib64; do
        mkdir -p "$2/usr/$d"
        ln -s "usr/$d" "$2/$d"
    done
    mkdir -p "$2/tmp" "$2/proc" "$2/dev" "$2/run" "$2/etc/ssl/certs"
    for package in "$1"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar -x -C "$2" --keep-directory-symlink --no-same-owner --no-same-permissions --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale
    done
    cat "$2"/usr/share/ca-certificates/mozilla/*.crt >"$2/etc/ssl/certs/ca-certificates.crt"
    : >"$2/etc/hosts"
}

install() {
    command -v apt-get >/dev/null || { echo "az.sh: it takes Debian's packages: there is no apt-get here" >&2; exit 1; }
    # Whose a mirror is stands in its lists, which a fresh machine does not have yet.
    [ -n "$(mirror)" ] || [ "$(id -u)" != 0 ] || apt-get update -qq || true
    [ -n "$(mirror)" ] || { echo "az.sh: apt knows no mirror of Debian: run apt-get update" >&2; exit 1; }
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    config "$work"
    export APT_CONFIG=$work/apt.conf
    apt-get update -qq
    apt-get install --download-only -y -qq "azure-cli=$version" >/dev/null
    rm -rf "$dir"
    unpack "$work/archives" "$dir"
    touch "$dir/complete"
}

case ${1:-} in
path) have && echo "$dir" ;;
install) have || install ;;
*) echo "usage: scripts/az.sh path|install" >&2; exit 2 ;;
esac
