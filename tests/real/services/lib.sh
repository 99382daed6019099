# What the service scripts of the tests share. Source it; do not run it.
#
#   NAME.sh install      installs the Debian packages; needs root
#   NAME.sh start DIR    starts the service in DIR and waits until it can be used
#   NAME.sh stop DIR     stops it; DIR stays and can be started again
#
# DIR/env then holds KEY=VALUE lines for clients. Everything listens on the loopback address, on free ports that DIR
# remembers. Starting what runs and stopping what is stopped succeed and do nothing. Exit code 3: not installed.

set -u
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
for programs in /usr/lib/postgresql/*/bin; do PATH=$PATH:$programs; done
readonly LOOPBACK=127.0.0.1
SERVICE=$(basename "$0" .sh)
HERE=$(dirname "$(readlink -f "$0")")

say() { echo "$SERVICE: $*" >&2; }
fail() { say "$*"; exit 1; }

# needs PROGRAM... : ends the script with 3 if one is missing.
needs() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || { say "$program is not installed; run '$HERE/$SERVICE.sh install' as root"; exit 3; }
  done
}

# packages PACKAGE... : installs what is missing; no package may start a daemon of its own.
packages() {
  local policy=/usr/sbin/policy-rc.d made='' status
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; made=yes; fi
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >&2
  status=$?
  [ -z "$made" ] || rm -f $policy
  return $status
}

# ---- accounts ----

is_root() { [ "$(id -u)" = 0 ]; }

# account NAME : the account a daemon runs as: NAME if we are root and may choose, else our own.
account() { if is_root; then echo "$1"; else id -un; fi; }

# as ACCOUNT COMMAND... : runs a command under an account; without being root only our own is possible.
as() {
  local account=$1; shift
  if [ "$(id -un)" = "$account" ]; then "$@"; else
    setpriv --reuid="$account" --regid="$(id -g "$account")" --init-groups -- "$@"
  fi
}

# open_to ACCOUNT : the account must be able to enter DIR.
open_to() {
  chmod 755 "$DIR"
  as "$1" test -x "$DIR" || fail "$1 cannot enter $DIR; choose a place whose parents all have mode 755"
}

# ---- processes ----

born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1,20; }

# alive NAME : whether the daemon lives; a pid counts only with the birth time that was noted with it.
alive() {
  local pid birth state now
  read -r pid birth 2>/dev/null <"$DIR/$1.process" || return 1
  read -r state now <<<"$(born "$pid")"
  [ "${now:-}" = "$birth" ] && [ "$state" != Z ]
}

# daemon NAME COMMAND... : starts a daemon that stays in the foreground, in a session of its own.
daemon() {
  local name=$1 state birth; shift
  setsid "$@" </dev/null >>"$DIR/$name.out" 2>&1 &
  read -r state birth <<<"$(born $!)"
  echo "$! $birth" >"$DIR/$name.process"
}

# until_ready NAME COMMAND... : waits until the command succeeds; gives up after 90 s or when the daemon has died.
until_ready() {
  local name=$1 tries=1800; shift
  until "$@" >/dev/null 2>&1; do
    if ! alive "$name" || [ $((tries -= 1)) = 0 ]; then
      say "$name did not start:"; tail -n 20 "$DIR/$name.out" >&2
      return 1
    fi
    sleep 0.05
  done
}

# end NAME [SIGNAL] : asks the daemon to end, kills it after 20 s.
end() {
  local pid tries=400
  if alive "$1"; then
    read -r pid _ <"$DIR/$1.process"
    kill -s "${2:-TERM}" "$pid"
    while alive "$1" && [ $((tries -= 1)) != 0 ]; do sleep 0.05; done
    ! alive "$1" || kill -s KILL "$pid"
  fi
  rm -f "$DIR/$1.process"
}

# port NAME : the port that DIR remembers for NAME, a free one at first, which no client is given while the service is
# away.
port() {
  local file=$DIR/$1.port
  [ -s "$file" ] || python3 -c '
import random, socket
for port in random.sample(range(10_000, 32_768), 100):
    with socket.socket() as free:
        if free.connect_ex(("127.0.0.1", port)):
            print(port)
            break' >"$file"
  cat "$file"
}

# command_line ARGUMENT... : every script ends with this; it defines install, start and stop.
command_line() {
  case $#:${1:-} in
    1:install) install ;;
    2:start) mkdir -p "$2" && DIR=$(cd "$2" && pwd) && { start || { stop; exit 1; }; } ;;
    2:stop) [ ! -d "$2" ] || { DIR=$(cd "$2" && pwd) && stop; } ;;
    *) echo "usage: $SERVICE.sh install | start DIR | stop DIR" >&2; exit 2 ;;
  esac
}
