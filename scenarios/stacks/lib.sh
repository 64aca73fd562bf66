# Other servers in place of nginx, for the scenarios of this folder. Sourced by their scripts. The target, its files and
# the order stay those of the base; what serves HTTPS at the addresses is exchanged before the fault.

# same HEX: as serial numbers are compared: upper case, without leading zeros.
same() { tr 'a-f' 'A-F' | sed 's/^0*//'; }
oserial() { order_serial | same; }
wserial() { served_serial "$@" | same; }

# settled: until the wire shows the order's current version.
settled() {
    local n=0
    until [ "$(oserial)" = "$(wserial "$ADDR4" 2>/dev/null)" ]; do
        n=$((n + 1))
        [ $n -lt 60 ] || { say "wire $(wserial), order $(oserial)"; return 1; }
        sleep 0.2
    done
}

# plain_nginx: nginx leaves HTTPS to the other server and goes on with port 80.
plain_nginx() {
    awk '/^server/{n++} n<2' /etc/nginx/conf.d/site.conf >/run/site.x
    cat /run/site.x >/etc/nginx/conf.d/site.conf
    nginx_reload
}

# keep_first: the files as they are now, for later, in /opt/v1.
keep_first() {
    mkdir -p /opt/v1
    cp -L "$CERT" /opt/v1/cert.pem
    cp -L "$KEY" /opt/v1/key.pem
    cat /opt/v1/cert.pem /opt/v1/key.pem >/opt/v1/all.pem
}

both_up() { wait_port "$ADDR4" "$PORT" && wait_port "$ADDR6" "$PORT"; }

# site_set [OPTIONS]: the site anew, with no reload command unless one is given.
site_set() { certwright site set "$SITE" --host "$NAME" --webroot web --root tls --fullchain "$(basename "$CERT")" --key "$(basename "$KEY")" --endpoint "$NAME:$PORT" "$@" >/dev/null; }
C() { echo "${CERTF:-$CERT}"; }
K() { echo "${KEYF:-$KEY}"; }

conf_apache() { mkdir -p /opt/httpd/sites; cat >/opt/httpd/httpd.conf <<E
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
ServerRoot /opt/httpd
ServerName localhost
PidFile /opt/httpd/httpd.pid
DefaultRuntimeDir /opt/httpd
User www-data
Group www-data
ErrorLog /opt/httpd/error.log
Listen $ADDR4:$PORT https
Listen [$ADDR6]:$PORT https
IncludeOptional sites/*.conf
E
cat >/opt/httpd/sites/10-shop.conf <<E
<VirtualHost *:$PORT>
  ServerName $NAME
  SSLEngine on
  SSLCertificateFile $(C)
  SSLCertificateKeyFile $(K)
  DocumentRoot $WWW
  <Directory $WWW>
    Require all granted
  </Directory>
</VirtualHost>
E
}
start_apache() { svc_start httpd apache2 -f /opt/httpd/httpd.conf -DFOREGROUND; both_up; }
reload_apache='[/usr/sbin/apache2, -f, /opt/httpd/httpd.conf, -k, graceful]'

conf_lighttpd() { mkdir -p /opt/lighty; cat >/opt/lighty/lighttpd.conf <<E
server.modules = ( "mod_openssl" )
server.document-root = "$WWW"
server.bind = "$ADDR4"
server.port = $PORT
server.pid-file = "/opt/lighty/pid"
server.errorlog = "/opt/lighty/error.log"
ssl.engine = "enable"
ssl.pemfile = "$(C)"
ssl.privkey = "$(K)"
\$SERVER["socket"] == "[$ADDR6]:$PORT" { ssl.engine = "enable"
 ssl.pemfile = "$(C)"
 ssl.privkey = "$(K)" }
E
}
start_lighttpd() { svc_start lighty lighttpd -D -f /opt/lighty/lighttpd.conf; both_up; }
reload_lighttpd='[/bin/sh, -c, "kill -USR1 $(cat /opt/lighty/pid)"]'

conf_stunnel() { mkdir -p /opt/st; cat >/opt/st/stunnel.conf <<E
foreground = yes
pid = /opt/st/pid
output = /opt/st/log
${STUNNEL_EXTRA:-}
[web4]
accept = $ADDR4:$PORT
connect = $ADDR4:80
cert = $(C)
key = $(K)
[web6]
accept = $ADDR6:$PORT
connect = $ADDR4:80
cert = $(C)
key = $(K)
E
chmod 777 /opt/st; }
start_stunnel() { svc_start st stunnel4 /opt/st/stunnel.conf; both_up; }
reload_stunnel='[/bin/sh, -c, "kill -HUP $(cat /run/scenario/st.pid)"]'

conf_dovecot() { mkdir -p /opt/dc; cat >/opt/dc/dovecot.conf <<E
base_dir = /opt/dc/run
log_path = /opt/dc/log
protocols = imap
listen = $ADDR4, $ADDR6
ssl = required
ssl_cert = <$(C)
ssl_key = <$(K)
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=www-data gid=www-data home=/opt/dc/home
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = $PORT
    ssl = yes
  }
}
E
}
start_dovecot() { svc_start dc dovecot -F -c /opt/dc/dovecot.conf; both_up; }
reload_dovecot='[/usr/bin/doveadm, -c, /opt/dc/dovecot.conf, reload]'

conf_hitch() { mkdir -p /opt/hitch; cat >/opt/hitch/hitch.conf <<E
frontend = { host = "$ADDR4" port = "$PORT" }
frontend = { host = "$ADDR6" port = "$PORT" }
backend = "[$ADDR4]:80"
pem-file = "${ALLF:-$TLSDIR/all.pem}"
workers = 1
daemon = off
user = "_hitch"
E
}
start_hitch() { svc_start hitch hitch --config=/opt/hitch/hitch.conf; both_up; }
reload_hitch='[/bin/sh, -c, "kill -HUP $(cat /run/scenario/hitch.pid)"]'

conf_lb() { mkdir -p /opt/lb/certs; cat >/opt/lb/lb.cfg <<E
global
  stats socket /opt/lb/ctl.sock mode 600 level admin
  log stderr format raw local0 notice
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend edge
  bind $ADDR4:$PORT ssl crt ${ALLF:-$TLSDIR/all.pem}
  bind $ADDR6:$PORT ssl crt ${ALLF:-$TLSDIR/all.pem}
  default_backend app
backend app
  server a $ADDR4:80
E
}
start_lb() { svc_start lb haproxy -W -S /opt/lb/master.sock -f /opt/lb/lb.cfg; both_up; }
reload_lb='[/bin/sh, -c, "set -e; haproxy -c -q -f /opt/lb/lb.cfg; kill -USR2 $(cat /run/scenario/lb.pid)"]'

pg_bin() { ls -d /usr/lib/postgresql/*/bin | tail -1; }
conf_pg() { mkdir -p /opt/pg; chown postgres /opt/pg; local B; B=$(pg_bin)
[ -e /opt/pg/d/PG_VERSION ] || setpriv --reuid=postgres --regid=postgres --init-groups $B/initdb -D /opt/pg/d -A trust -U postgres --no-sync >/opt/pg/init.log 2>&1
cat >>/opt/pg/d/postgresql.conf <<E
listen_addresses = '$ADDR4,$ADDR6'
port = 5432
unix_socket_directories = '/opt/pg'
ssl = on
ssl_cert_file = '$(C)'
ssl_key_file = '$(K)'
E
echo "hostssl all all all trust" >>/opt/pg/d/pg_hba.conf; }
start_pg() { svc_start pg setpriv --reuid=postgres --regid=postgres --init-groups $(pg_bin)/postgres -D /opt/pg/d; wait_port $ADDR4 5432; }
reload_pg='[/bin/sh, -c, "kill -HUP $(head -1 /opt/pg/d/postmaster.pid)"]'
pg_served() { timeout 5 openssl s_client -starttls postgres -connect $ADDR4:5432 -servername $NAME </dev/null 2>/dev/null | openssl x509 -noout -serial | cut -d= -f2 | same; }

# use SERVER [OPTIONS of site_set]: the server takes over, with its proper reload command, and a renewal proves it.
use() {
    local sw=$1 r=reload_$1
    shift
    plain_nginx
    case $sw in hitch | lb)
        cat "$CERT" "$KEY" >"$TLSDIR/all.pem"
        set -- --combined all.pem "$@"
        ;;
    esac
    "conf_$sw"
    "start_$sw"
    server_reload_command "${!r}"
    site_set --reload reload-web "$@"
    keep_first
    order_renew >/dev/null
    settled
}

# pg_site [OPTIONS]: the site whose endpoint is PostgreSQL.
pg_site() { certwright site set "$SITE" --host "$NAME" --webroot web --root tls --fullchain "$(basename "$CERT")" --key "$(basename "$KEY")" "$@" >/dev/null; }

# use_pg: PostgreSQL serves with a key of its own.
use_pg() {
    plain_nginx
    chown postgres "$TLSDIR"
    server_reload_command "$reload_pg"
    pg_site --owner postgres
    order_renew >/dev/null
    conf_pg
    start_pg
    pg_site --owner postgres --endpoint "$NAME:5432" --reload reload-web
    order_renew >/dev/null
}
