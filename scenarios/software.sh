# Starts other software than the base's nginx, for scripts of scenarios: . ../../software.sh
# Configurations and logs lie in $S. What a function needs beside the packages of scripts/deps.sh stands there too.
PATH=$PATH:/usr/sbin:/usr/lib/postfix/sbin
S=$STATE/soft; mkdir -p $S; chmod 755 $STATE $S
chmod a+r $KEY 2>/dev/null || true

# own_https, own_http, own_all: nginx gives up the HTTPS port, port 80, or both; nginx_back takes both again.
own_https() { cat > /etc/nginx/conf.d/site.conf <<E
server { listen $ADDR4:80; listen [$ADDR6]:80; server_name $NAME; root $WWW; }
E
nginx_reload; await_not 5 bash -c "exec 3<>/dev/tcp/$ADDR4/$PORT"; }
own_http() { cat > /etc/nginx/conf.d/site.conf <<E
server { listen $ADDR4:$PORT ssl; listen [$ADDR6]:$PORT ssl; server_name $NAME; root $WWW; ssl_certificate $CERT; ssl_certificate_key $KEY; }
E
nginx_reload; await_not 5 bash -c "exec 3<>/dev/tcp/$ADDR4/80"; }
own_all() { rm -f /etc/nginx/conf.d/site.conf; nginx_reload; await_not 5 bash -c "exec 3<>/dev/tcp/$ADDR4/80"; }
nginx_back() { cat > /etc/nginx/conf.d/site.conf <<E
server { listen $ADDR4:80; listen [$ADDR6]:80; server_name $NAME; root $WWW; }
server { listen $ADDR4:$PORT ssl; listen [$ADDR6]:$PORT ssl; server_name $NAME; root $WWW; ssl_certificate $CERT; ssl_certificate_key $KEY; }
E
nginx_reload; wait_port $ADDR4 80; }

# apache NAME: Apache with the configuration on the standard input.
apache() {
  local n=$1 m
  { echo "ServerRoot $S
PidFile $S/$n.pidfile
DefaultRuntimeDir $S
ErrorLog $S/$n.err
LogLevel info
User www-data
Group www-data
ServerName localhost
Timeout 20
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so"
  for m in authz_core authz_host auth_basic authn_core authn_file authz_user alias dir rewrite headers setenvif socache_shmcb ssl http2 remoteip proxy proxy_http env; do
    echo "LoadModule ${m}_module /usr/lib/apache2/modules/mod_$m.so"; done
  echo "SSLSessionCache shmcb:$S/$n-cache(512000)
DirectoryIndex index.html
<Directory />
Require all granted
</Directory>"
  cat; } > $S/$n.conf
  apache2 -t -f $S/$n.conf 2>$S/$n.t || { cat $S/$n.t >&2; return 1; }
  svc_start $n apache2 -f $S/$n.conf -DFOREGROUND
}
# apache_tls [DIRECTIVES]: at the HTTPS port with CERT and KEY; the directives go into its host block.
apache_tls() {
  apache apache <<E
Listen $ADDR4:$PORT https
Listen [$ADDR6]:$PORT https
<VirtualHost $ADDR4:$PORT [$ADDR6]:$PORT>
ServerName $NAME
DocumentRoot $WWW
SSLEngine on
SSLCertificateFile $CERT
SSLCertificateKeyFile $KEY
${1:-}
</VirtualHost>
E
  wait_port $ADDR4 $PORT
}
# apache_http [DIRECTIVES [ROOT]]: on port 80.
apache_http() {
  apache apache80 <<E
Listen $ADDR4:80
Listen [$ADDR6]:80
<VirtualHost $ADDR4:80 [$ADDR6]:80>
ServerName $NAME
DocumentRoot ${2:-$WWW}
${1:-}
</VirtualHost>
E
  wait_port $ADDR4 80
}
# lighttpd_start NAME: lighttpd with the configuration on the standard input; lighttpd_tls, lighttpd_http as for Apache.
lighttpd_start() {
  local n=$1
  { echo 'server.modules = ("mod_access","mod_auth","mod_authn_file","mod_redirect","mod_alias","mod_setenv","mod_openssl")'
    echo "server.username = \"www-data\""; echo "server.groupname = \"www-data\""
    echo "server.errorlog = \"$S/$n.err\""; echo 'index-file.names = ("index.html")'; cat; } > $S/$n.conf
  touch $S/$n.err; chmod 666 $S/$n.err
  lighttpd -tt -f $S/$n.conf
  svc_start $n lighttpd -D -f $S/$n.conf
}
lighttpd_tls() {
  lighttpd_start lighttpd <<E
server.document-root = "$WWW"
server.bind = "$ADDR4"
server.port = $PORT
ssl.engine = "enable"
ssl.pemfile = "$CERT"
ssl.privkey = "$KEY"
${1:-}
\$SERVER["socket"] == "[$ADDR6]:$PORT" { ssl.engine = "enable"
ssl.pemfile = "$CERT"
ssl.privkey = "$KEY"
${1:-}
}
E
  wait_port $ADDR4 $PORT
}
lighttpd_http() {
  lighttpd_start lighttpd80 <<E
server.document-root = "${2:-$WWW}"
server.bind = "$ADDR4"
server.port = 80
\$SERVER["socket"] == "[$ADDR6]:80" { }
${1:-}
E
  wait_port $ADDR4 80
}
# plain_backend: the site in plain HTTP at 127.0.0.1:8080, for what ends TLS in front of it.
plain_backend() { lighttpd_start plain <<E
server.document-root = "$WWW"
server.bind = "127.0.0.1"
server.port = 8080
E
wait_port 127.0.0.1 8080; }
# hitch_tls, stunnel_tls [LINES]: at the HTTPS port, in front of plain_backend.
hitch_tls() {
  plain_backend
  cat $KEY $CERT > $S/hitch.pem
  echo "frontend = \"[$ADDR4]:$PORT\"
frontend = \"[$ADDR6]:$PORT\"
backend = \"[127.0.0.1]:8080\"
pem-file = \"$S/hitch.pem\"
user = \"nobody\"
workers = 1
${1:-}" > $S/hitch.conf
  svc_start hitch hitch --config=$S/hitch.conf
  wait_port $ADDR4 $PORT
}
stunnel_tls() {
  plain_backend
  echo "foreground = yes
pid =
[a]
accept = $ADDR4:$PORT
connect = 127.0.0.1:8080
cert = $CERT
key = $KEY
${1:-}
[b]
accept = $ADDR6:$PORT
connect = 127.0.0.1:8080
cert = $CERT
key = $KEY
${1:-}" > $S/stunnel.conf
  svc_start stunnel stunnel4 $S/stunnel.conf
  wait_port $ADDR4 $PORT
}
# again NAME...: services start anew.
again() { local s; for s in "$@"; do svc_restart $s; done; wait_port $ADDR4 $PORT; }
# code PATH [ADDRESS]: the status of a page of NAME in plain HTTP.
code() { curl -s -o /dev/null -w '%{http_code}' --max-time 8 --resolve $NAME:80:${2:-$ADDR4} http://$NAME$1; }
CH=/.well-known/acme-challenge
# san [ADDRESS [SERVERNAME]]: the names of the served certificate.
san() { served "$@" | openssl x509 -noout -ext subjectAltName; }
# ocsp_db V|R FILE: the list says that the certificate is valid, or revoked.
ocsp_db() {
  local sn; sn=$(serial_of $2)
  if [ $1 = V ]; then printf 'V\t401231235959Z\t\t%s\tunknown\t/CN=x\n' $sn > $S/index.txt
  else printf 'R\t401231235959Z\t260101000000Z,keyCompromise\t%s\tunknown\t/CN=x\n' $sn > $S/index.txt; fi
}
# staple STATUS CERTFILE OUT [OPTIONS of openssl ocsp]
staple() {
  ocsp_db $1 $2
  openssl x509 -in $2 -out $S/leafonly.pem
  openssl ocsp -issuer $CADIR/int.pem -cert $S/leafonly.pem -reqout $S/q.der -no_nonce >/dev/null 2>&1
  openssl ocsp -index $S/index.txt -CA $CADIR/int.pem -rsigner $CADIR/int.pem -rkey $CADIR/int.key -reqin $S/q.der -respout $3 "${@:4}" >/dev/null 2>&1
}
# leaf_ext OUT KEY EXTENSIONS-LINES: a leaf with extensions of ours, by openssl, chain int
leaf_ext() {
  openssl ecparam -name prime256v1 -genkey -noout -out $2
  openssl req -new -key $2 -subj "/CN=$NAME" -out $S/l.csr
  printf 'subjectAltName=DNS:%s\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\n%s\n' $NAME "$3" > $S/l.ext
  openssl x509 -req -in $S/l.csr -CA $CADIR/int.pem -CAkey $CADIR/int.key -set_serial 0x$(openssl rand -hex 8) -days 60 -extfile $S/l.ext -out $1 2>/dev/null
  cat $CADIR/int.pem >> $1
}
# postfix_start PORT [LINES of main.cf]
postfix_start() {
  local q=$S/pf d
  mkdir -p $q/etc $q/data; for d in active bounce corrupt defer deferred flush hold incoming maildrop private public pid saved trace; do mkdir -p $q/queue/$d; done
  chown -R postfix $q/queue $q/data; chown root $q/queue $q/queue/pid; chgrp postdrop $q/queue/public $q/queue/maildrop
  echo "compatibility_level=3.6
queue_directory=$q/queue
data_directory=$q/data
command_directory=/usr/sbin
daemon_directory=/usr/lib/postfix/sbin
mail_owner=postfix
setgid_group=postdrop
inet_interfaces=$ADDR4, $ADDR6
inet_protocols=all
myhostname=$NAME
mydestination=
maillog_file=$S/pf.log
maillog_file_prefixes=/run,/var
smtpd_tls_chain_files=$KEY, $CERT
smtpd_tls_security_level=may
${2:-}" > $q/etc/main.cf
  echo "$1 inet n - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
error unix - - n - - error
scache unix - - n - 1 scache" > $q/etc/master.cf
  svc_start postfix /usr/lib/postfix/sbin/master -c $q/etc -d
  wait_port $ADDR4 $1
}
# dovecot_start [LINES], slapd_start, maria_start, proftpd_start, prosody_start, pg_start: at their usual ports.
dovecot_start() {
  mkdir -p $S/dv
  echo "base_dir=$S/dv
state_dir=$S/dv/s
protocols = imap pop3
ssl=yes
ssl_cert=<$CERT
ssl_key=<$KEY
listen=$ADDR4,$ADDR6
log_path=$S/dv.log
default_login_user=dovenull
default_internal_user=dovecot
mail_location=mbox:/tmp/x
passdb {
  driver=static
  args=password=x
}
userdb {
  driver=static
  args=uid=nobody gid=nogroup home=/tmp
}
${1:-}" > $S/dv.conf
  svc_start dovecot dovecot -F -c $S/dv.conf
  wait_port $ADDR4 143; wait_port $ADDR4 110
}
slapd_start() {
  mkdir -p $S/ldap
  echo "include /etc/ldap/schema/core.schema
pidfile $S/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile $CERT
TLSCertificateKeyFile $KEY
TLSCACertificateFile $CADIR/root.pem
database mdb
suffix dc=x
directory $S/ldap" > $S/slapd.conf
  svc_start slapd slapd -d 0 -f $S/slapd.conf -h "ldap://$ADDR4:389 ldap://[$ADDR6]:389 ldaps://$ADDR4:636"
  wait_port $ADDR4 389
}
maria_start() {
  mkdir -p $S/my; chown mysql $S/my
  mariadb-install-db --no-defaults --user=mysql --datadir=$S/my --skip-test-db --auth-root-authentication-method=normal >$S/my.log 2>&1
  maria_certs
  svc_start maria mariadbd --no-defaults --user=mysql --datadir=$S/my --skip-grant-tables --skip-name-resolve --socket=$S/my/s.sock --bind-address=$ADDR4,$ADDR6 --port=3306 --ssl-cert=$S/my/c.pem --ssl-key=$S/my/k.pem --pid-file=$S/my/pid
  wait_port $ADDR4 3306
}
proftpd_start() {
  proftpd_certs
  echo "ServerName x
ServerType standalone
LoadModule mod_tls.c
DefaultAddress $ADDR4 $ADDR6
UseIPv6 on
SocketBindTight on
Port 21
User nobody
Group nogroup
DefaultServer on
PidFile $S/proftpd.pidf
ScoreboardFile $S/pscore
DelayEngine off
SystemLog $S/proftpd.log
WtmpLog off
TransferLog none
TLSEngine on
TLSLog $S/pftls.log
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile $S/pf-leaf.pem
TLSECCertificateKeyFile $KEY
TLSCertificateChainFile $S/pf-chain.pem
TLSRequired off
TLSVerifyClient off" > $S/proftpd.conf
  svc_start proftpd proftpd -n -c $S/proftpd.conf
  wait_port $ADDR4 21
}
prosody_start() {
  mkdir -p $S/pros; chown prosody $S/pros; chmod a+r $KEY $CERT; chown prosody $KEY
  echo "run_as_root = true
data_path = '$S/pros'
pidfile = '$S/pros/pid'
interfaces = { '$ADDR4', '$ADDR6' }
modules_enabled = { 'tls', 'saslauth', 'dialback' }
modules_disabled = { 's2s_auth_certs' }
c2s_ports = { 5222 }
s2s_ports = { 5269 }
authentication = 'internal_plain'
log = '$S/prosody.log'
ssl = { certificate = '$CERT', key = '$KEY' }
VirtualHost '$NAME'
 ssl = { certificate = '$CERT', key = '$KEY' }" > $S/prosody.lua
  svc_start prosody prosody -F --config $S/prosody.lua
  wait_port $ADDR4 5222
}
pg_start() {
  local b; b=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
  mkdir -p $S/pg; chown postgres $S/pg; chmod 700 $S/pg
  cp $CERT $S/pg.crt; cp $KEY $S/pg.key; chown postgres $S/pg.crt $S/pg.key; chmod 600 $S/pg.key
  (cd /; setpriv --reuid postgres --regid postgres --clear-groups $b/initdb -A trust -D $S/pg >/dev/null)
  printf "ssl=on\nssl_cert_file='%s'\nssl_key_file='%s'\nlisten_addresses='%s,%s'\nport=5432\nunix_socket_directories='%s'\nfsync=off\n" $S/pg.crt $S/pg.key $ADDR4 $ADDR6 $S/pg >> $S/pg/postgresql.conf
  (cd /; svc_start pg setpriv --reuid postgres --regid postgres --clear-groups $b/postgres -D $S/pg)
  wait_port $ADDR4 5432
}
pg_certs() { cp $CERT $S/pg.crt; cp $KEY $S/pg.key; chown postgres $S/pg.crt $S/pg.key; chmod 600 $S/pg.key; }
# star PROTOCOL PORT: what openssl sees after STARTTLS; star_ok says whether it accepts it for NAME.
star() { timeout 8 openssl s_client -connect $ADDR4:$2 -starttls $1 -servername $NAME ${3:-} ${4:-} </dev/null 2>/dev/null; }
star_ok() { timeout 8 openssl s_client -connect $ADDR4:$2 -starttls $1 -servername $NAME -CAfile $CADIR/root.pem -verify_return_error -verify_hostname $NAME ${3:-} ${4:-} </dev/null >$S/star.out 2>&1; grep -q 'BEGIN CERT' $S/star.out && grep -q 'Verification: OK' $S/star.out; }
# ocsp_start: an OCSP responder at port 8888 that answers from ocsp_db's list.
ocsp_start() {
  cat > $S/ocsp.py <<E
import http.server,subprocess,tempfile,socketserver,socket,base64,urllib.parse
class H(http.server.BaseHTTPRequestHandler):
    def answer(self,req):
        q=tempfile.NamedTemporaryFile(); q.write(req); q.flush(); r=tempfile.NamedTemporaryFile()
        subprocess.run(['openssl','ocsp','-index','$S/index.txt','-CA','$CADIR/int.pem','-rsigner','$CADIR/int.pem','-rkey','$CADIR/int.key','-reqin',q.name,'-respout',r.name,'-ndays','3'],check=True)
        b=r.read(); self.send_response(200); self.send_header('Content-Type','application/ocsp-response'); self.send_header('Content-Length',str(len(b))); self.end_headers(); self.wfile.write(b)
    def do_POST(self): self.answer(self.rfile.read(int(self.headers['Content-Length'])))
    def do_GET(self): self.answer(base64.b64decode(urllib.parse.unquote(self.path[1:])))
class T(socketserver.ThreadingMixIn,http.server.HTTPServer): pass
class T6(T): address_family=socket.AF_INET6
T6(('::',8888),H).serve_forever()
E
  svc_start ocsp python3 $S/ocsp.py; wait_port 127.0.0.1 8888
}
maria_certs() { cp $CERT $S/my/c.pem; cp $KEY $S/my/k.pem; chown mysql $S/my/c.pem $S/my/k.pem; }
# star_again: the servers that run here take the certificate anew
star_again() {
  local s port
  for s in postfix:25 dovecot:143 slapd:389 maria:3306 proftpd:21 prosody:5222 pg:5432; do
    port=${s#*:}; s=${s%:*}
    [ -e $STATE/$s.pid ] || continue
    case $s in
    maria) maria_certs ;;
    pg) pg_certs ;;
    slapd) chmod a+r $KEY ;;
    proftpd) proftpd_certs ;;
    prosody) chown prosody $KEY ;;
    postfix) port=$(awk '/smtpd$/ {print $1}' $S/pf/etc/master.cf) ;;
    esac
    svc_restart $s; wait_port $ADDR4 $port
  done
}
proftpd_certs() { openssl x509 -in $CERT -out $S/pf-leaf.pem; cp $CADIR/int.pem $S/pf-chain.pem; chmod 600 $KEY; }
