# The zone at other name servers than the base's BIND: NSD, Knot DNS, dnsmasq; signed by ldns. Sourced by
# scenarios: . ../software.sh. What the world asks is $W/one (ns1) and $W/two (ns2), made of the base's zone.zone.
W=$STATE/software
mkdir -p $W/keys
NS1="$NS1_4 $NS1_6" NS2="$NS2_4 $NS2_6" FILE=/etc/bind/zones/zone.zone

listening() { local a; for a in "$@"; do wait_port "$a" 53; done; }

# bind_leaves: the base's name server gives up the addresses of ns1 and ns2.
bind_leaves() {
    local a
    for a in $NS1 $NS2; do sed -i "/listen-on/s/ $a;//" /etc/bind/named.conf; done
    rndc -q reconfig 2>>$STATE/rndc.log
    for a in $NS1 $NS2; do await_not 5 bash -c "exec 3<>/dev/tcp/$a/53"; done
}

# nsd_start NAME "ADDRESS..." FILE [lines of the zone]: NSD for $ORIGIN (the zone).
nsd_start() {
    local d=$W/$1.d a
    mkdir -p $d
    {
        printf 'server:\n  username: ""\n  chroot: ""\n  zonesdir: ""\n  database: ""\n  pidfile: "%s/pid"\n  xfrdfile: "%s/xfrd"\n  zonelistfile: "%s/list"\n  xfrdir: "%s"\n' $d $d $d $d
        for a in $2; do printf '  ip-address: %s\n' "$a"; done
        printf 'remote-control:\n  control-enable: no\nzone:\n  name: "%s"\n  zonefile: "%s"\n%b' "${ORIGIN:-$ZONE}" "$3" "${4:-}"
    } >$d/nsd.conf
    svc_start $1 nsd -d -c $d/nsd.conf
    listening $2
}

# knot_start NAME "ADDRESS..." FILE: Knot DNS.
knot_start() {
    local d=$W/$1.d
    mkdir -p $d
    printf 'server:\n  rundir: "%s"\n  pidfile: "%s/pid"\n  listen: [%s]\ndatabase:\n  storage: "%s"\nlog:\n  - target: stderr\n    any: info\nzone:\n  - domain: "%s"\n    file: "%s"\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n' \
        $d $d "$(printf '%s@53, ' $2 | sed 's/, $//')" $d "${ORIGIN:-$ZONE}" "$3" >$d/knot.conf
    svc_start $1 knotd -c $d/knot.conf
    listening $2
}

# dirty_start UPSTREAM OPTIONS...: both of the zone's servers misbehave.
dirty_start() {
    local up=$1
    shift
    svc_start dirty certwright-scenario dirty-dns -listen "$NS1_4:53,[$NS1_6]:53,$NS2_4:53,[$NS2_6]:53" -upstream "$up:53" "$@"
    await 10 dig +time=1 +tries=1 @"$NS2_4" "$ZONE" SOA
}

newkey() { (cd $W/keys && ldns-keygen -a "$@" "${ORIGIN:-$ZONE}"); }
newkeys() { KSK=$(newkey "$1" -k) && ZSK=$(newkey "$1") && echo "$KSK $ZSK" >$W/keys/use; }
keys() { read -r KSK ZSK <$W/keys/use; }
raise() { awk '$4 == "SOA" { $7++ } { print }' $FILE >$FILE.new && mv $FILE.new $FILE; }

# sign OUT [OPTIONS of ldns-signzone]: the zone with a new serial, signed where there are keys.
sign() {
    local out=$1
    shift
    raise
    [ -e $W/keys/use ] || { cp $FILE "$out"; return 0; }
    (cd $W/keys && ldns-signzone -f "$out" -o "$ZONE" "$@" $FILE $(cat use) >$W/sign.log 2>&1) || { cat $W/sign.log >&2; return 1; }
}
ds_of() { ldns-key2ds -n -2 $W/keys/$1.key | sed 's/.*[[:space:]]DS[[:space:]]*//'; }
# trust KEY...: the TLD's DS set becomes that of these keys.
trust() {
    local k
    dns_set tld "$ZONE." DS
    for k in "$@"; do dns_add tld "$ZONE." DS "$(ds_of "$k")"; done
    dns_publish tld
}

# move SOFTWARE [ALGORITHM [OPTIONS of ldns-signzone]]: the zone goes to other servers; ALGORITHM none signs nothing.
move() {
    local software=$1 algorithm=${2:-ECDSAP256SHA256}
    shift $(($# < 2 ? $# : 2))
    bind_leaves
    [ "$algorithm" = none ] || newkeys "$algorithm"
    sign $W/one "$@"
    cp $W/one $W/two
    [ "$algorithm" = none ] || trust "$KSK"
    ${software}_start one "$NS1" $W/one
    ${software}_start two "$NS2" $W/two
    resolver_flush
}
# serve: both servers take $W/one; publish [OPTIONS]: after signing it anew.
serve() { cp $W/one $W/two && reread; }
reread() { svc_restart one && svc_restart two && listening $NS1 $NS2 && resolver_flush; }
publish() { sign $W/one "$@" && serve; }

# rcode NAME TYPE SERVER
rcode() { dig +norec +time=2 +tries=1 @"$3" "$1" "$2" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'; }
# delv_says TEXT NAME TYPE: BIND's validator, through the resolver.
delv_says() {
    awk '{ for (i = 1; i <= NF; i++) if ($i == "DS") { d = ""; for (j = i + 4; j <= NF; j++) d = d $j; printf "trust-anchors { . static-ds %s %s %s \"%s\"; };\n", $(i+1), $(i+2), $(i+3), d } }' $TRUST_ANCHOR >$W/anchor
    delv -a $W/anchor @127.0.0.1 "$2" "$3" 2>&1 | grep -Eq "$1"
}
validated() { delv_says 'fully validated' "$@"; }
bogus() { delv_says 'resolution failed|broken trust|no valid|SERVFAIL' "$@"; }

# updates_start KEY ALGORITHM SECRET "POLICY": two BINDs take the zone, unsigned: at ns1 the primary, which takes updates
# under the policy, at ns2 its secondary. With FAKE (such as '-2h') the primary is a Knot DNS whose clock is off: BIND does
# not start under faketime.
updates_start() {
    local d=$W/up.d e=$W/down.d policy="update-policy { $4 };"
    mkdir -p $d $e
    raise
    cp $FILE $d/zone
    [ -n "$4" ] || policy=
    printf 'options { directory "%s"; pid-file none; session-keyfile none; listen-on { %s; }; listen-on-v6 { %s; }; recursion no; notify-delay 0; dnssec-validation no; };\ncontrols { };\nkey "%s" { algorithm %s; secret "%s"; };\nkey "other" { algorithm hmac-sha256; secret "b3RoZXI="; };\nzone "%s" { type primary; file "zone"; %s };\n' \
        $d $NS1_4 $NS1_6 "$1" "$2" "$3" "$ZONE" "$policy" >$d/conf
    printf 'options { directory "%s"; pid-file none; session-keyfile none; listen-on { %s; }; listen-on-v6 { %s; }; recursion no; dnssec-validation no; };\ncontrols { };\nzone "%s" { type secondary; file "zone"; primaries { %s; }; allow-notify { any; }; };\n' \
        $e $NS2_4 $NS2_6 "$ZONE" $NS1_4 >$e/conf
    if [ -n "${FAKE:-}" ]; then
        printf 'server:\n  rundir: "%s"\n  listen: [%s]\ndatabase:\n  storage: "%s"\nlog:\n  - target: stderr\n    any: info\nkey:\n  - id: %s\n    algorithm: %s\n    secret: %s\nacl:\n  - id: update\n    key: %s\n    action: update\n  - id: transfer\n    address: [%s]\n    action: transfer\nzone:\n  - domain: "%s"\n    file: "%s/zone"\n    zonefile-sync: -1\n    acl: [update, transfer]\n' \
            $d "$(printf '%s@53, ' $NS1 | sed 's/, $//')" $d "$1" "$2" "$3" "$1" "$(echo $NS1 $NS2 | sed 's/ /, /g')" "$ZONE" $d >$d/knot.conf
        # not under the program faketime, which would stay between us and knotd
        svc_start up env $(faketime -f "$FAKE" env | grep -E '^(LD_PRELOAD|FAKETIME)=') knotd -c $d/knot.conf
    else
        svc_start up named -g -n 1 -c $d/conf
    fi
    svc_start down named -g -n 1 -c $e/conf
    listening $NS1 $NS2
    await 10 bash -c "dig +norec +short @$NS2_4 $ZONE SOA | grep -q ."
    resolver_flush
}
updates_stop() { svc_stop up && svc_stop down; rm -rf $W/up.d $W/down.d; }
# nsupdate_says TEXT KEY ALGORITHM SECRET SERVER ZONE: what BIND's own client is told.
nsupdate_says() {
    printf 'server %s\nzone %s\nupdate add _acme-challenge.test.%s 60 TXT "x"\nsend\n' $5 $6 $6 | nsupdate -y "$3:$2:$4" 2>&1 | grep -q "$1"
}
