# Functions for setup, trigger, verify and fix of scenarios: docs/scenarios.md describes them.
# Every variable of the run (NAME, ZONE, ADDR4 ...) is set.

say() { echo "scenario: $*" >&2; }

# await SECONDS COMMAND...: repeats the command until it succeeds.
await() {
    local until=$(($(date +%s%N) + $1 * 1000000000)) seconds=$1
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$(date +%s%N)" -gt "$until" ]; then
            say "not within $seconds s: $*"
            return 1
        fi
        sleep 0.05
    done
}

# await_not SECONDS COMMAND...: repeats the command until it fails.
await_not() {
    local seconds=$1
    shift
    await "$seconds" bash -c '! "$@"' - "$@"
}

# wait_port ADDRESS PORT: until something accepts connections there.
wait_port() { await 10 bash -c "exec 3<>/dev/tcp/$1/$2"; }

# svc_start NAME COMMAND...: starts a program in the background; its output goes to $STATE/NAME.log.
svc_start() {
    local name=$1
    shift
    mkdir -p "$STATE/svc"
    printf '%q ' "$@" >"$STATE/svc/$name"
    setsid "$@" >>"$STATE/$name.log" 2>&1 </dev/null &
    echo $! >"$STATE/$name.pid"
}

# svc_stop NAME [SIGNAL]: ends it, waits until it is gone.
svc_stop() {
    local pid
    pid=$(cat "$STATE/$1.pid")
    kill -"${2:-TERM}" -- "-$pid" 2>/dev/null || kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    await 5 bash -c "! kill -0 $pid" || kill -KILL -- "-$pid" || true
}

# svc_restart NAME: the same command again.
svc_restart() {
    svc_stop "$1"
    eval "svc_start $1 $(cat "$STATE/svc/$1")"
}

# dns_set ZONE OWNER TYPE [DATA...]: replaces all records of an owner and type in a zone; no DATA removes them.
# ZONE is zone, tld, root or ca. OWNER is @, relative to the zone, or ends with a dot. One DATA is one record.
# Nothing is served before dns_publish.
dns_set() {
    local label=$1 owner type=$3 file
    owner=$(dns_owner "$1" "$2")
    shift 3
    file=/etc/bind/zones/$label.zone
    awk -v o="$owner" -v t="$type" '!(tolower($1) == tolower(o) && $4 == t)' "$file" >"$file.new"
    mv "$file.new" "$file"
    dns_append "$label" "$owner" "$type" "$@"
}

# dns_add ZONE OWNER TYPE DATA...: adds records to those that are there.
dns_add() {
    local label=$1 owner type=$3
    owner=$(dns_owner "$1" "$2")
    shift 3
    dns_append "$label" "$owner" "$type" "$@"
}

dns_append() {
    local file=/etc/bind/zones/$1.zone owner=$2 type=$3 data
    shift 3
    for data in "$@"; do
        printf '%s %s IN %s %s\n' "$owner" "${TTL:-300}" "$type" "$data" >>"$file"
    done
}

dns_owner() {
    local origin
    case $1 in
    zone) origin=$ZONE. ;; tld) origin=$TLD. ;; root) origin=. ;; ca) origin=$CAZONE. ;; *) origin=$1. ;;
    esac
    case $2 in
    @) echo "$origin" ;; *.) echo "$2" ;; *) if [ "$origin" = . ]; then echo "$2."; else echo "$2.$origin"; fi ;;
    esac
}

dns_origin() { dns_owner "$1" @; }

# dns_sign ZONE [OPTIONS of dnssec-signzone...]: raises the serial and signs ZONE.zone to ZONE.signed (a copy where
# the zone is not signed). What is served does not change.
dns_sign() {
    local label=$1 dir=/etc/bind/zones origin
    shift
    origin=$(dns_origin "$label")
    awk '$4 == "SOA" { $7++ } { print }' $dir/$label.zone >$dir/$label.new && mv $dir/$label.new $dir/$label.zone
    if ls /etc/bind/keys/$label/K*.key >/dev/null 2>&1; then
        dnssec-signzone -q -S -K /etc/bind/keys/$label -d $dir -o "$origin" ${SIGN_OPTIONS:-} "$@" -f $dir/$label.signed $dir/$label.zone >$STATE/signzone.log 2>&1 ||
            { cat $STATE/signzone.log >&2; return 1; }
    else
        cp $dir/$label.zone $dir/$label.signed
    fi
}

# dns_serve ZONE: the name servers take what lies in ZONE.signed (ns2 its own copy), the resolver forgets.
dns_serve() {
    local origin view
    origin=$(dns_origin "$1")
    [ "$1" != zone ] || cp /etc/bind/zones/zone.signed /etc/bind/zones/zone2.signed
    for view in $(dns_views "$1"); do rndc -q reload "$origin" IN "$view" >>$STATE/rndc.log 2>&1 || { tail -3 $STATE/rndc.log >&2; return 1; }; done
    for view in $(dns_views "$1"); do await 2 dns_loaded "$1" "$view" || true; done
    resolver_flush
}

dns_views() {
    case $1 in zone) echo ns1 ns2 ;; *) echo "$1" ;; esac
}

# dns_loaded ZONE VIEW: whether the view serves the serial of ZONE.zone.
dns_loaded() {
    local at
    case $2 in ns1) at=$NS1_4 ;; ns2) at=$NS2_4 ;; tld) at=$TLDNS4 ;; root) at=$ROOT4 ;; ca) at=$PKI4 ;; esac
    [ "$(dig +short +norec +time=1 +tries=1 @"$at" "$(dns_origin "$1")" SOA | awk '{ print $3 }')" = "$(awk '$4 == "SOA" { print $7 }' /etc/bind/zones/$1.zone)" ]
}

# dns_publish ZONE [OPTIONS of dnssec-signzone...]: signs and serves.
dns_publish() { dns_sign "$@" && dns_serve "$1"; }

# dns_ds: gives the TLD the DS records of the zone's present key-signing keys. dns_publish tld follows.
dns_ds() {
    local ds
    dns_set tld "$ZONE." DS
    dnssec-dsfromkey -2 -f /etc/bind/zones/zone.signed "$ZONE." | while read -r _ _ _ ds; do dns_add tld "$ZONE." DS "$ds"; done
}

# resolver_flush: the resolver forgets everything, what it knows of the servers too, which outlives a reload.
resolver_flush() { unbound-control -q flush_infra all >>$STATE/unbound-control.log 2>&1 && unbound-control -q reload >>$STATE/unbound-control.log 2>&1 && await 5 dig +short +time=1 +tries=1 @127.0.0.1 version.bind CH TXT; }

# web_check: the web server's own opinion on its configuration.
web_check() {
    case $STACK in haproxy) haproxy -c -q -f /etc/haproxy/haproxy.cfg ;; *) nginx -t -q ;; esac
}

# web_reload: the web server takes what is configured now, and answers with it when this returns.
web_reload() {
    local before
    case $STACK in
    haproxy)
        before=$(haproxy_workers)
        kill -USR2 "$(cat "$STATE/haproxy.pid")"
        await 5 haproxy_renewed "$before"
        ;;
    openssl | go)
        for s in tls4 tls6; do [ ! -e "$STATE/$s.pid" ] || svc_restart $s; done
        wait_port "$ADDR4" "$PORT"
        ;;
    esac
    nginx_reload
}

# haproxy_renewed BEFORE: the worker of before is gone. While the master starts again it answers nothing, which says nothing.
haproxy_renewed() {
    local now
    now=$(haproxy_workers)
    [ -n "$now" ] && [ "$now" != "$1" ]
}

haproxy_workers() { certwright-scenario socket /run/haproxy/master.sock 'show proc' 2>/dev/null | awk '$2 == "worker" { print $1 }' | sort | head -1; }

# nginx_reload: reloads nginx and waits until the workers are new.
nginx_reload() {
    local before master
    master=$(cat /run/nginx.pid)
    before=$(pgrep -P "$master" | sort | tr '\n' ' ')
    nginx -s reload 2>>$STATE/reload.log || { cat $STATE/reload.log >&2; return 1; }
    await 5 nginx_renewed "$master" "$before" || { tail -5 /var/log/nginx/error.log >&2; return 1; }
}

# nginx_renewed MASTER BEFORE: a new worker is there, and those of before listen no more.
nginx_renewed() {
    local p
    for p in $2; do
        if [ -e /proc/$p/cmdline ] && ! grep -q 'shutting down' /proc/$p/cmdline; then return 1; fi
    done
    for p in $(pgrep -P "$1"); do
        case " $2 " in *" $p "*) ;; *) return 0 ;; esac
    done
    return 1
}

# nginx_settle: until a reload by somebody else is over. The order's look meets a new worker while the old one may still
# accept for some milliseconds more.
nginx_settle() { [ ! -e /run/nginx.pid ] || await 1 nginx_alone || true; }
nginx_alone() {
    local p n=0
    for p in $(pgrep -P "$(cat /run/nginx.pid)"); do grep -q 'shutting down' /proc/$p/cmdline || n=$((n + 1)); done
    [ $n -le 1 ]
}

# served [ADDRESS [SERVERNAME [OPTIONS of openssl s_client...]]]: the served leaf, as PEM.
served() {
    local at=${1:-$ADDR4} sni=${2-$NAME}
    case $at in \[*) at="$at:$PORT" ;; *:*) at="[$at]:$PORT" ;; *) at="$at:$PORT" ;; esac
    shift 2 2>/dev/null || shift $#
    if [ -n "$sni" ]; then set -- -servername "$sni" "$@"; else set -- -noservername "$@"; fi
    timeout 10 openssl s_client -connect "$at" "$@" </dev/null 2>/dev/null | openssl x509
}

# served_serial [ADDRESS [SERVERNAME [OPTIONS...]]]: its serial number, hexadecimal.
served_serial() { served "$@" | openssl x509 -noout -serial | cut -d= -f2; }

# serial_of FILE: of the first certificate in a PEM file.
serial_of() { openssl x509 -in "$1" -noout -serial | cut -d= -f2; }

# trusted [ADDRESS]: whether a client that trusts the authority accepts what is served for NAME.
trusted() {
    curl -sS -o /dev/null --max-time 10 --cacert "$CA_FILE" --resolve "$NAME:$PORT:${1:-$ADDR4}" "https://$NAME:$PORT/"
}

# mint OPTIONS...: makes a certificate (certwright-scenario mint -h).
mint() { certwright-scenario mint "$@"; }

# expect WANT GOT [WHAT]: fails with a clear text unless both are the same.
expect() { [ "$1" = "$2" ] || { say "${3:-value} is \"$2\", expected \"$1\""; return 1; }; }

# drop RULE...: an nftables rule in the input chain, such as: drop ip daddr $ADDR4 tcp dport 443
drop() {
    nft_chain
    nft add rule inet scenario in "$@" drop
}

# reject RULE...: the same, with an answer.
reject() {
    nft_chain
    nft add rule inet scenario in "$@" reject
}

nft_chain() {
    nft add table inet scenario
    nft add chain inet scenario in '{ type filter hook input priority 0 ; }'
}

# undrop: all rules go.
undrop() { nft delete table inet scenario; }

# --- base order: a certwright server with an issuer

# cw ARGS...: certwright; "not healthy" (exit status 3) is no failure of the script.
cw() {
    local rc=0
    certwright "$@" || rc=$?
    [ $rc = 0 ] || [ $rc = 3 ]
}

# server_start [OFFSET]: starts the server again, OFFSET (36h) ahead of the real time.
server_start() {
    export CERTWRIGHT_CLOCK_OFFSET=${1:-0s}
    eval "svc_start certwright $(cat "$STATE/svc/certwright")"
    unset CERTWRIGHT_CLOCK_OFFSET
    server_wait
}
server_stop() { svc_stop certwright "$@"; }
server_restart() { server_stop && server_start "$@"; }
server_wait() { await 20 certwright order list; }

# server_reload_command ARGV: the server's reload command becomes this YAML list; the server starts again.
server_reload_command() {
    sed -i "s|^  reload-web: .*|  reload-web: {argv: $1}|" "$STATE/certwright.yaml"
    server_restart
}

# issuer_add NAME [OPTIONS...]: makes the Pebble behind the proxy known as an issuer.
issuer_add() {
    local name=$1
    shift
    certwright issuer add "$name" --directory "$DIRECTORY" --ca-file "$CA_FILE" --contact "mailto:hostmaster@$ZONE" "$@"
}

# site_create [OPTIONS...]: the site of NAME: files, reload, endpoint.
site_create() {
    certwright site create "$SITE" --host "$NAME" --webroot web --root tls --fullchain "$(basename "$CERT")" --key "$(basename "$KEY")" \
        --reload reload-web --endpoint "$NAME:$PORT" "$@"
}

# order_create [OPTIONS...]: the order of NAME, followed until it rests.
order_create() { cw order create "$ORDER" --dns "$NAME" --issuer "$ISSUER" --site "$SITE" --wait --timeout 40s "$@" && nginx_settle; }

# order_renew, order_sync, order_verify [OPTIONS...]: asks for it and follows it until it rests, well or not.
# A renewal that was to be verified and was not is asked for again: Pebble takes a name for verified still one time in a
# hundred, even where it is told never to, and then the fault is not met.
order_renew() {
    local rc met
    for _ in 1 2 3 4 5 6 7 8; do
        rc=0 met=$(challenges)
        certwright order renew "$ORDER" --wait --timeout 30s "$@" || rc=$?
        [ $rc = 0 ] && [ "$AUTHZ_REUSE" != 100 ] && [ -n "$met" ] && [ "$met" = "$(challenges)" ] || break
        say "the authority asked for no proof: renewed once more"
    done
    nginx_settle
}
challenges() { acme_seen challenge 2>/dev/null || true; }
order_sync() { cw order sync "$ORDER" --wait --timeout 30s "$@" || true; nginx_settle; }
order_verify() { cw order verify "$ORDER" --wait --timeout 30s "$@" || true; }

# order_get QUERY: a property of the order, by JMESPath over its JSON.
order_get() { certwright order show "$ORDER" -o tsv --query "$1" || [ $? = 3 ]; }

# order_serial: of the order's current version.
order_serial() { order_get properties.serialNumber; }

# order_stage STAGE: the state of a stage of the order's path (verify, issue, store, deploy, serve).
order_stage() { order_get "properties.path[?stage=='$1'] | [0].state"; }

# acme_fault JSON: the authority's next answers are spoiled (docs/scenarios.md); acme_heal ends it; acme_seen OP counts.
acme_fault() { curl -sSf -X POST -d "$1" http://127.0.0.1:14009/; }
acme_heal() { curl -sSf -X DELETE http://127.0.0.1:14009/; }
acme_seen() { curl -sSf "http://127.0.0.1:14009/$1"; }
