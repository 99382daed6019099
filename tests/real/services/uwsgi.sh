#!/bin/bash
# uWSGI with Python and HTTP router. It is started by Harvester's own service files; this says whether it is there.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

install() { packages uwsgi-core uwsgi-plugin-python3 curl; }

start() { needs uwsgi curl; }

stop() { :; }

command_line "$@"
