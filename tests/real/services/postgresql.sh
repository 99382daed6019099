#!/bin/bash
# A PostgreSQL server with one account that may do everything: harvester, password harvester. It refuses to run as root.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

install() { packages postgresql postgresql-client; }

sql() { psql --no-psqlrc --host="$DIR" --port="$(port postgresql)" --username=postgres --quiet --command="$1" postgres; }

start() {
  local user; user=$(account postgres)
  needs postgres initdb psql
  alive postgresql && return
  open_to "$user"
  is_root && chown "$user" "$DIR"
  if [ ! -s "$DIR/data/PG_VERSION" ]; then
    as "$user" initdb --pgdata="$DIR/data" --username=postgres --auth-local=trust --auth-host=scram-sha-256 --no-sync --encoding=UTF8 --locale=C \
      >"$DIR/install.out" 2>&1 || { tail -n 20 "$DIR/install.out" >&2; return 1; }
  fi
  rm -f "$DIR/data/postmaster.pid"
  daemon postgresql "$(command -v setpriv)" $(is_root && echo "--reuid=$user --regid=$(id -g "$user") --init-groups") -- \
    postgres -D "$DIR/data" -p "$(port postgresql)" -k "$DIR" -c listen_addresses=$LOOPBACK -c fsync="${POSTGRESQL_FSYNC:-off}" \
    -c shared_preload_libraries= -c max_connections=300
  until_ready postgresql sql 'select 1' || return 1
  sql "do \$\$ begin create role harvester login superuser password 'harvester';
       exception when duplicate_object then null; end \$\$" || return 1
  printf 'HOST=%s\nPORT=%s\nUSER=harvester\nPASSWORD=harvester\n' $LOOPBACK "$(port postgresql)" >"$DIR/env"
}

# INT: sessions are ended, not waited for.
stop() { end postgresql INT; }

command_line "$@"
