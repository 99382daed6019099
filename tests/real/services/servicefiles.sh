#!/bin/bash
# Programs that read the service files: systemd-analyze and logrotate. This says whether they are there.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

install() { packages systemd logrotate; }

start() { needs systemd-analyze logrotate; }

stop() { :; }

command_line "$@"
