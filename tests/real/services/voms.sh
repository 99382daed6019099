#!/bin/bash
# A virtual organisation, testvo, with one member, a robot that has the role production: a VOMS server on a MariaDB of its
# own, which grants attributes for a day, the authority that all certificates are from, and the programs that make proxies.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

readonly VO=testvo ISSUER='/DC=test/DC=grid/CN=Test CA' HOST=/DC=test/DC=grid/CN=localhost ROBOT=/DC=test/DC=grid/CN=Robot
readonly LIBRARY=/usr/lib/voms/libvomsmysql.so

install() {
  bash "$HERE/mariadb.sh" install &&
    packages openssl voms-clients voms-server voms-mysql-plugin globus-proxy-utils nordugrid-arc-client
}

# certificate NAME SUBJECT EXTENSION... : NAME.pem with its key in NAME.key, for 30 days.
certificate() {
  local name=$1 subject=$2; shift 2
  openssl req -newkey rsa:2048 -nodes -sha256 -subj "$subject" -keyout "$name.key" -out "$name.request" &&
    printf '%s\n' basicConstraints=CA:false keyUsage=digitalSignature,keyEncipherment "$@" >"$name.extensions" &&
    openssl x509 -req -sha256 -in "$name.request" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
      -extfile "$name.extensions" -out "$name.pem"
}

authority() {
  local hash
  openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 60 -subj "$ISSUER" -keyout ca.key -out ca.pem \
    -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign || return 1
  hash=$(openssl x509 -noout -subject_hash -in ca.pem)
  mkdir -p certificates
  cp ca.pem "certificates/$hash.0"
  cat >"certificates/$hash.signing_policy" <<POLICY
access_id_CA X509 '$ISSUER'
pos_rights globus CA:sign
cond_subjects globus '"/DC=test/DC=grid/*"'
POLICY
}

make_certificates() {
  authority &&
    certificate host "$HOST" subjectAltName=DNS:localhost,IP:$LOOPBACK &&
    certificate robot "$ROBOT" &&
    cat robot.pem robot.key >robot
}

sql() { mariadb --no-defaults --user=root --socket="$DIR/db/socket" "$@"; }

# The tables that the server reads, as far as it reads them.
make_members() {
  sql <<SQL
create database if not exists voms;
use voms;
create or replace table version (version int);
create or replace table ca (cid int, subject_string varchar(250));
create or replace table certificate
  (usr_id int, ca_id int, subject_string varchar(250), suspended int, suspended_reason varchar(250));
create or replace table groups (gid int, dn varchar(250));
create or replace table roles (rid int, role varchar(250));
create or replace table m (userid int, gid int, rid int);
create or replace table attributes (a_id int, a_name varchar(250));
create or replace table usr_attrs (a_id int, u_id int, a_value varchar(250));
create or replace table group_attrs (a_id int, g_id int, a_value varchar(250));
create or replace table role_attrs (a_id int, g_id int, r_id int, a_value varchar(250));
insert into version values (3);
insert into ca values (1, '$ISSUER');
insert into certificate values (1, 1, '$ROBOT', 0, null);
insert into groups values (1, '/$VO');
insert into roles values (1, 'production');
insert into m values (1, 1, null), (1, 1, 1);
SQL
}

tell_clients() {
  mkdir -p "$DIR/vomsdir/$VO" "$DIR/vomses"
  printf '%s\n' "$HOST" "$ISSUER" >"$DIR/vomsdir/$VO/localhost.lsc"
  printf '"%s" "localhost" "%s" "%s" "%s"\n' $VO "$(port voms)" "$HOST" $VO >"$DIR/vomses/$VO"
  printf '%s\n' "X509_CERT_DIR=$DIR/certificates" "X509_VOMS_DIR=$DIR/vomsdir" "VOMS_USERCONF=$DIR/vomses" \
    "X509_VOMSES=$DIR/vomses" "ROBOT=$DIR/robot" >"$DIR/env"
}

listens() { (: <"/dev/tcp/$LOOPBACK/$(port voms)") 2>/dev/null; }

start() {
  needs openssl voms voms-proxy-init grid-proxy-init arcproxy mariadb
  alive voms && return
  chmod 755 "$DIR"
  [ -s "$DIR/robot" ] || (umask 077; cd "$DIR" && make_certificates) >"$DIR/make.out" 2>&1 ||
    { tail -n 20 "$DIR/make.out" >&2; return 1; }
  chmod -R a+rX "$DIR/certificates"
  bash "$HERE/mariadb.sh" start "$DIR/db" && make_members || return 1
  (umask 077; echo harvester >"$DIR/password"; chmod 640 "$DIR/password")
  X509_CERT_DIR=$DIR/certificates daemon voms voms --foreground --debug --vo=$VO --code="$(port voms)" --port="$(port voms)" \
    --uri="localhost:$(port voms)" --dbname=voms --username=harvester --passfile="$DIR/password" --sqlloc="$LIBRARY" \
    --contactstring=$LOOPBACK --mysql-port="$(cat "$DIR/db/mariadb.port")" --timeout=86400 \
    --x509_user_cert="$DIR/host.pem" --x509_user_key="$DIR/host.key" --x509_cert_dir="$DIR/certificates" \
    --logfile="$DIR/voms.log" --loglevel=4 --logtype=7
  until_ready voms listens || { tail -n 20 "$DIR/voms.log" >&2; return 1; }
  tell_clients
}

stop() {
  end voms
  bash "$HERE/mariadb.sh" stop "$DIR/db"
}

command_line "$@"
