#!/bin/bash
# A virtual environment of the distribution's Python, which mod_wsgi and its uWSGI bring along, with Harvester and its
# libraries in it, for accounts that cannot enter the tests' own environment. ENVIRONMENT_PACKAGES and
# ENVIRONMENT_SOURCE say where these are, ENVIRONMENT_VERSION for which Python.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

PYTHON=/usr/bin/python3

install() { packages python3 python3-venv; }

# reachable PATH NAME : the path, or a copy of it in DIR, if the account of the services cannot read it
reachable() {
  if as "$SERVED_AS" test -r "$1/." -a -x "$1/."; then echo "$1"; else cp -R "$1" "$DIR/$2" && echo "$DIR/$2"; fi
}

start() {
  local packages source
  SERVED_AS=$(account nobody)
  needs $PYTHON
  $PYTHON -c 'import ensurepip' 2>/dev/null || { say "python3-venv is not installed; run '$HERE/$SERVICE.sh install' as root"; exit 3; }
  [ "$($PYTHON -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "${ENVIRONMENT_VERSION:?}" ] ||
    { say "the tests run under Python $ENVIRONMENT_VERSION, and $PYTHON is of another version"; exit 3; }
  open_to "$SERVED_AS"
  [ ! -e "$DIR/env" ] || return 0
  packages=$(reachable "${ENVIRONMENT_PACKAGES:?}" packages) && source=$(reachable "${ENVIRONMENT_SOURCE:?}" source) || return 1
  $PYTHON -m venv --without-pip "$DIR/venv" || return 1
  printf '%s\n' "$source" "$packages" >"$(echo "$DIR"/venv/lib/python3*/site-packages)/harvester.pth"
  printf '#!%s\nfrom harvester.cli.main import app\n\napp()\n' "$DIR/venv/bin/python" >"$DIR/venv/bin/harvester"
  chmod 755 "$DIR/venv/bin/harvester"
  "$DIR/venv/bin/harvester" --version >&2 || return 1
  printf 'VENV=%s\nSOURCE=%s\nUSER=%s\nGROUP=%s\n' \
    "$DIR/venv" "$source" "$SERVED_AS" "$(id -gn "$SERVED_AS")" >"$DIR/env"
}

stop() { :; }

command_line "$@"
