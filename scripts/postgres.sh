#!/bin/sh
# A throw-away PostgreSQL for tests and trials. Nothing of it is durable (fsync is off).
#
#   postgres.sh serve        start one, print its DSN on standard output, stop and remove it when
#                            standard input ends: it cannot outlive who started it
#   postgres.sh start DIR    start one in DIR (made if need be), print its DSN
#   postgres.sh stop DIR     stop the one in DIR and remove DIR
#
# It listens on 127.0.0.1, on a port that the kernel picks. The programs are looked for on PATH and in
# /usr/lib/postgresql/*/bin; PostgreSQL refuses to run as root, so root runs it as user "postgres", else "nobody".
set -eu

fail() { echo "postgres.sh: $*" >&2; exit 1; }

bindir() {
    for d in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) "$(dirname "$(command -v initdb 2>/dev/null || echo /none/initdb)")"; do
        if [ -x "$d/initdb" ] && [ -x "$d/postgres" ]; then echo "$d"; return; fi
    done
    fail "no PostgreSQL server found in /usr/lib/postgresql/*/bin or on PATH: install the package postgresql"
}

# as_user runs a command as an ordinary user, whatever we are.
as_user() {
    if [ "$(id -u)" != 0 ]; then "$@"; return; fi
    user=nobody
    id postgres >/dev/null 2>&1 && user=postgres
    # The HOME of the caller may be unreadable for that user.
    (cd / && exec setpriv --reuid="$(id -u $user)" --regid="$(id -g $user)" --clear-groups env HOME=/ "$@")
}

# free_port asks the kernel for one: a socket bound to port 0, read back. Another process may take it before
# PostgreSQL does; start tries again then.
free_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1",LocalPort=>0)->sockport' 2>/dev/null ||
        python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'
}

start() {
    dir=$1
    bin=$(bindir)
    mkdir -p "$dir/socket"
    if [ "$(id -u)" = 0 ]; then
        chmod 0755 "$dir"
        user=nobody
        id postgres >/dev/null 2>&1 && user=postgres
        chown -R "$user" "$dir"
    fi
    as_user "$bin/initdb" -D "$dir/data" -A trust -U postgres --no-sync -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 ||
        { cat "$dir/initdb.log" >&2; fail "initdb failed in $dir"; }
    for try in 1 2 3 4 5; do
        port=$(free_port)
        if as_user "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -w -t 30 -s start -o "-c listen_addresses=127.0.0.1 -p $port \
            -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB \
            -c autovacuum=off -c jit=off -c max_wal_size=1GB" >/dev/null 2>&1; then
            echo "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
            return
        fi
    done
    tail -5 "$dir/data/server.log" >&2
    fail "PostgreSQL did not start in $dir (last port tried: $port)"
}

stop() {
    dir=$1
    [ -d "$dir/data" ] || return 0
    as_user "$(bindir)/pg_ctl" -D "$dir/data" -m immediate -s stop >/dev/null 2>&1 || true
    rm -rf "$dir"
}

case "${1:-}" in
serve)
    dir=$(mktemp -d "${TMPDIR:-/tmp}/certwright-pg.XXXXXX")
    trap 'stop "$dir"' EXIT
    trap 'exit 1' INT TERM HUP
    start "$dir" </dev/null
    while read -r _; do :; done
    ;;
start) [ $# = 2 ] || fail "usage: postgres.sh start DIR"; start "$2" ;;
stop) [ $# = 2 ] || fail "usage: postgres.sh stop DIR"; stop "$2" ;;
*) fail "usage: postgres.sh serve | start DIR | stop DIR" ;;
esac
