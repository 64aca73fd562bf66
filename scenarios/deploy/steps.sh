# Steps that the scenarios of this folder share. Sourced by their scripts.

# keep NAME: the pair as the server reads it now is kept for later.
keep() {
    mkdir -p "$STATE/$1"
    cat "$CERT" >"$STATE/$1/crt"
    cat "$KEY" >"$STATE/$1/key"
}

# put NAME: writes a kept pair into the files, through links, as cp and most tools do.
put() {
    cat "$STATE/$1/crt" >"$CERT"
    cat "$STATE/$1/key" >"$KEY"
}

# two_versions: the order is renewed once; the former pair is kept as "old", the present one as "new".
two_versions() {
    local first
    first=$(order_serial)
    keep old
    order_renew
    [ "$(order_serial)" != "$first" ]
    expect "$(order_serial)" "$(served_serial)" "the serial after the renewal"
    keep new
}

# serves_old: the process has the former pair in memory; the files hold the new one again, and nobody reloaded since.
serves_old() {
    two_versions
    put old
    web_reload
    expect "$(serial_of "$STATE/old/crt")" "$(served_serial)" "the serial in memory"
    sleep 0.3
    put new
}

# process_is_old: what serves_old has to have come to.
process_is_old() {
    expect "$(order_serial)" "$(serial_of "$CERT")" "the serial in the file"
    expect "$(serial_of "$STATE/old/crt")" "$(served_serial)" "the serial on the wire"
}

wrong_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$STATE/alien.key"
    cat "$STATE/alien.key" >"$KEY"
}

wrong_key_seen() {
    [ "$(openssl x509 -in "$CERT" -noout -pubkey)" != "$(openssl pkey -in "$KEY" -pubout)" ]
    ! web_check
}

make_swapped() {
    keep new
    awk '/BEGIN/{n++} {print > ("'"$STATE"'/part" n)}' "$STATE/new/crt"
    [ -s "$STATE/part2" ]
    cat "$STATE"/part2 "$STATE"/part1 >"$CERT"
}

swapped_seen() {
    ! web_check
    [ "$(openssl x509 -in "$STATE/part1" -noout -pubkey)" = "$(openssl pkey -in "$KEY" -pubout)" ]
}

make_half() {
    two_versions
    cat "$STATE/old/key" >"$KEY"
}

half_seen() {
    ! web_check
    [ "$(openssl x509 -in "$STATE/old/crt" -noout -pubkey)" = "$(openssl pkey -in "$KEY" -pubout)" ]
}

make_locked() {
    openssl pkey -in "$KEY" -aes256 -passout pass:secret -out "$STATE/locked.key"
    cat "$STATE/locked.key" >"$KEY"
}

locked_seen() {
    grep -q ENCRYPTED "$KEY"
}

make_der() {
    openssl x509 -in "$CERT" -outform DER -out "$STATE/der"
    cat "$STATE/der" >"$CERT"
}

no_load() {
    ! web_check
}

make_empty() {
    : >"$CERT"
}

make_cut() {
    head -c 500 "$CERT" >"$STATE/cut"; cat "$STATE/cut" >"$CERT"
}

make_leaf() {
    openssl x509 -in "$CERT" -out "$STATE/leaf"; cat "$STATE/leaf" >"$CERT"
    web_reload
}

leaf_seen() {
    [ "$(grep -c BEGIN "$CERT")" = 1 ]
    expect "$(order_serial)" "$(served_serial)" "the serial on the wire"
}

make_crlf() {
    sed 's/$/\r/' "$CERT" >"$STATE/crlf"; cat "$STATE/crlf" >"$CERT"
    web_reload
}

# reads_elsewhere: the server's configuration names a copy in another place; the renewal goes to the target's files.
reads_elsewhere() {
    cat "$CERT" >"$TLSDIR/legacy.pem"
    cat "$KEY" >"$TLSDIR/legacy.pem.key"
    chmod 600 "$TLSDIR/legacy.pem.key"
    sleep 0.3
    two_versions
    conf_reads "$CERT" "$TLSDIR/legacy.pem"
    conf_reads "$KEY" "$TLSDIR/legacy.pem.key"
    web_reload
}

# reads_by_link: the same, by a link that somebody made to the former version and forgot.
reads_by_link() {
    mkdir -p "$TLSDIR/2025" "$TLSDIR/live"
    cat "$CERT" >"$TLSDIR/2025/site.pem"
    cat "$KEY" >"$TLSDIR/2025/site.pem.key"
    chmod 600 "$TLSDIR/2025/site.pem.key"
    ln -s ../2025/site.pem "$TLSDIR/live/site.pem"
    ln -s ../2025/site.pem.key "$TLSDIR/live/site.pem.key"
    sleep 0.3
    two_versions
    conf_reads "$CERT" "$TLSDIR/live/site.pem"
    conf_reads "$KEY" "$TLSDIR/live/site.pem.key"
    web_reload
}

# conf_reads FROM TO: the server's configuration names another file.
conf_reads() {
    sed -i -E "s#$1(;|\$| )#$2\1#" /etc/nginx/conf.d/site.conf
    [ ! -e /etc/haproxy/haproxy.cfg ] || sed -i -E "s#$1(\$| )#$2\1#" /etc/haproxy/haproxy.cfg
}

# reads_here: it names the target's files again.
reads_here() {
    for f in "$TLSDIR/legacy.pem" "$TLSDIR/live/site.pem"; do
        conf_reads "$f" "$CERT"
        conf_reads "$f.key" "$KEY"
    done
    web_reload
    order_sync
}

old_elsewhere() {
    expect "$(order_serial)" "$(serial_of "$CERT")" "the serial in the target's file"
    expect "$(serial_of "$STATE/old/crt")" "$(served_serial)" "the serial on the wire"
}
