#!/bin/bash
# Apache httpd with mod_wsgi. It is started by Harvester's own service files; this says whether it is there.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

install() { packages apache2 libapache2-mod-wsgi-py3 curl; }

start() {
  needs apache2 curl
  [ -e /usr/lib/apache2/modules/mod_wsgi.so ] || { say "mod_wsgi is not installed; run '$HERE/$SERVICE.sh install' as root"; exit 3; }
}

stop() { :; }

command_line "$@"
