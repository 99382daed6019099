#!/bin/bash
#
# panda_harvester   Harvester for PanDA as a daemon, with as many processes as nProcesses says
#
# chkconfig: 345 90 10
# description: takes jobs from a PanDA server and holds workers on computing resources
#
# Written by `harvester init`.
#
### BEGIN INIT INFO
# Provides:          panda_harvester
# Required-Start:    $local_fs $network $remote_fs
# Required-Stop:     $local_fs $network $remote_fs
# Should-Start:      mariadb postgresql
# Default-Start:     3 4 5
# Default-Stop:      0 1 2 6
# Short-Description: Harvester for PanDA
### END INIT INFO

NAME=panda_harvester
MARK="harvester run"
. @@panda_home@@/etc/rc.d/init.d/panda_harvester-functions
configuration_of @@panda_home@@
PIDFILE=$LOCK_DIR/panda_harvester.pid
LOCKFILE=$LOCK_DIR/panda_harvester.lock

harvester() { "$VIRTUAL_ENV/bin/harvester" run --processes "$nProcesses" --pid-file "$PIDFILE" "$@"; }

launch() { harvester --daemon; }

launch_in_foreground() {
    exec "$VIRTUAL_ENV/bin/harvester" run --foreground --processes "$nProcesses" --pid-file "$PIDFILE"
}

ask_to_reload() { kill -HUP "$1"; }

act "$@"
