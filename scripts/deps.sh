#!/usr/bin/env bash
# Looks for the programs that the tests run against, and installs what is missing: Debian packages, when
# root. Otherwise it prints what to install; with CI=true that is a failure, else the tests that need a
# missing program are skipped and say so.
#
#   scripts/deps.sh        what make test needs
#   scripts/deps.sh all    and what only make test-all does: Debian's az (scripts/az.sh)
set -euo pipefail
cd "$(dirname "$0")/.."

# whole ends the script; with "all", az is seen to first.
whole() {
    if [ "$1" = all ] && ! scripts/az.sh install; then
        echo "deps: Debian's az could not be unpacked; its test in make test-all cannot run" >&2
        [ "${CI:-}" != true ] || exit 1
    fi
    exit 0
}

# One line a program: what is looked for, the package that has it, what the tests use it for.
# Certwright itself needs none of these.
read -r -d '' table <<'END' || true
nginx        nginx-light     a real web server to deploy to
postgres     postgresql      the other database
named        bind9           a real name server, with DNSSEC
dig          bind9-dnsutils  a second opinion on DNS answers
nsupdate     bind9-dnsutils  an owner who changes a zone, as BIND has it done
named-checkzone bind9-utils  zone files are checked before they are served
delv         bind9-dnsutils  a second opinion on DNSSEC
chromium     chromium        the pages, looked at in a browser
unbound      unbound         a validating resolver, in the scenarios
nsd          nsd             name servers other than BIND, in the scenarios
knotd        knot            name servers other than BIND, in the scenarios
dnsmasq      dnsmasq-base    a small name server and resolver, in the scenarios
ldns-signzone ldnsutils      another signer than BIND's, in the scenarios
haproxy      haproxy         another server to deploy to, in the scenarios
varnishd     varnish         a cache in front of a web server
postfix      postfix         SMTP with STARTTLS
/usr/lib/dovecot/pop3 dovecot-pop3d POP3 with STARTTLS
slapd        slapd           LDAP with StartTLS
mariadbd     mariadb-server-core the protocol of MySQL with TLS
proftpd      proftpd-core    FTP with AUTH TLS
/usr/lib/proftpd/mod_tls.so proftpd-mod-crypto its TLS
prosody      prosody         XMPP with STARTTLS
nft          nftables        connections that are dropped or cut, in the scenarios
apache2      apache2         other servers to deploy to, in the scenarios
lighttpd-openssl lighttpd-mod-openssl another one
stunnel4     stunnel4        another one
hitch        hitch           another one
dovecot      dovecot-imapd   another one
faketime     faketime        other servers whose clock is wrong
promtool     prometheus      a second opinion on metrics and alert rules
node         nodejs          Azure's own clients for JavaScript
npm          npm             and their modules, as test/clients/npm/package-lock.json has them
openssl      openssl         a second opinion on certificates and handshakes
jq           jq              JSON in scripts
socat        socat           a socket of HAProxy, in the scenarios
sqlite3      sqlite3         databases that somebody else has changed, damaged or locked, in the scenarios
python3      python3         odd servers, in the scenarios
pgrep        procps          processes, in the scenarios
curl         curl            HTTP in scripts
ip           iproute2        which ports and addresses are there
setpriv      util-linux      starting PostgreSQL as an ordinary user
perl         perl-base       free ports in scripts
gcc          gcc             the race detector
END

# have says whether a program is there; PostgreSQL's and the name server's are not on everybody's PATH.
have() {
    case $1 in
    /*) [ -e "$1" ] ;;
    postgres) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ;;
    lighttpd-openssl) [ -e /usr/lib/lighttpd/mod_openssl.so ] ;;
    gcc) command -v gcc >/dev/null && echo 'int main(void){return 0;}' | gcc -xc -o /dev/null - 2>/dev/null ;;
    *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] ;;
    esac
}

missing() {
    while read -r program package use; do
        [ -n "$program" ] || continue
        have "$program" || printf '%s\t%s\t%s\n' "$program" "$package" "$use"
    done <<<"$table"
}

install_missing() {
    local packages
    packages=$(missing | cut -f2 | sort -u)
    case $packages in *gcc*) packages="$packages libc6-dev" ;; esac
    echo "deps: installing $(echo $packages)"
    export DEBIAN_FRONTEND=noninteractive
    # Nothing is started: the tests start their own, on loopback.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && made=yes
    fi
    local rc=0
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages >/dev/null || rc=$?
    [ -z "$made" ] || rm -f $policy
    return $rc
}

if [ -z "$(missing)" ]; then whole "${1:-}"; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    install_missing || echo "deps: apt-get failed" >&2
fi
left=$(missing)
if [ -z "$left" ]; then whole "${1:-}"; fi
{
    echo "deps: these programs are missing; what needs them cannot be tested:"
    printf '%s\n' "$left" | awk -F'\t' '{printf "  %-16s package %-15s %s\n", $1, $2, $3}'
    echo "deps: on Debian or Ubuntu:  sudo apt-get install --no-install-recommends $(printf '%s\n' "$left" | cut -f2 | sort -u | tr '\n' ' ')"
} >&2
if [ "${CI:-}" = true ]; then
    echo "deps: CI=true, so this is a failure" >&2
    exit 1
fi
whole "${1:-}"
