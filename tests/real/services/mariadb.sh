#!/bin/bash
# A MariaDB server with one account that may do everything: harvester, password harvester.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

install() { packages mariadb-server mariadb-client gcc pkg-config python3-dev libmariadb-dev; }  # the last four build mysqlclient

sql() { mariadb --no-defaults --user=root --socket="$DIR/socket" "$@"; }

start() {
  local user; user=$(account mysql)
  needs mariadbd mariadb-install-db mariadb
  alive mariadb && return
  open_to "$user"
  mkdir -p "$DIR/tmp"  # a server that starts removes the temporary tables that it finds, also those of others
  is_root && chown "$user" "$DIR" "$DIR/tmp"
  [ -d "$DIR/data/mysql" ] || mariadb-install-db --no-defaults --user="$user" --datadir="$DIR/data" --tmpdir="$DIR/tmp" --skip-test-db \
    --auth-root-authentication-method=normal --innodb-log-file-size=16M >"$DIR/install.out" 2>&1 ||
    { tail -n 20 "$DIR/install.out" >&2; return 1; }
  daemon mariadb mariadbd --no-defaults --user="$user" --datadir="$DIR/data" --tmpdir="$DIR/tmp" --socket="$DIR/socket" \
    --port="$(port mariadb)" --bind-address=$LOOPBACK --skip-name-resolve --character-set-server=utf8mb4 \
    --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit="${MARIADB_FLUSH_LOG_AT_COMMIT:-2}" --skip-log-bin --max-connections=300
  until_ready mariadb sql --execute='select 1' || return 1
  sql <<SQL || return 1
create user if not exists 'harvester'@'%' identified by 'harvester';
grant all on *.* to 'harvester'@'%';
SQL
  printf 'HOST=%s\nPORT=%s\nUSER=harvester\nPASSWORD=harvester\n' $LOOPBACK "$(port mariadb)" >"$DIR/env"
}

stop() { end mariadb; }

command_line "$@"
