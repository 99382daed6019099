#!/bin/bash
#
# panda_harvester-uwsgi   Harvester for PanDA in uWSGI
#
# chkconfig: 345 90 10
# description: takes jobs from a PanDA server and holds workers on computing resources; workers may talk HTTP to it
#
# Written by `harvester init`.
#
### BEGIN INIT INFO
# Provides:          panda_harvester-uwsgi
# Required-Start:    $local_fs $network $remote_fs
# Required-Stop:     $local_fs $network $remote_fs
# Should-Start:      mariadb postgresql
# Default-Start:     3 4 5
# Default-Stop:      0 1 2 6
# Short-Description: Harvester for PanDA in uWSGI
### END INIT INFO

NAME=panda_harvester-uwsgi
MARK=panda_harvester-uwsgi
. @@panda_home@@/etc/rc.d/init.d/panda_harvester-functions
configuration_of @@panda_home@@
PIDFILE=$LOCK_DIR/panda_harvester-uwsgi.pid
LOCKFILE=$LOCK_DIR/panda_harvester-uwsgi.lock

#### CONFIGURATION SECTION ####
# userName, groupName, LOG_DIR, nProcesses, nThreads, uwsgiSocket, httpRouter and httpsRouter are set in
# etc/sysconfig/panda_harvester; what is set here wins.
#nProcesses=2
#nThreads=4
#httpRouter="127.0.0.1:25080"
# another configuration of uWSGI
uwsgiConfig=$PANDA_HOME/etc/panda/panda_harvester-uwsgi.ini
#### END OF CONFIGURATION SECTION ####

# find_uwsgi : the server; that of the distribution wants its plugins named
find_uwsgi() {
    UWSGI=${UWSGI:-$VIRTUAL_ENV/bin/uwsgi}
    [ -x "$UWSGI" ] || UWSGI=$(command -v uwsgi)
    [ -x "$UWSGI" ] || { echo "$NAME: uWSGI is not installed: $VIRTUAL_ENV/bin/pip install uwsgi" >&2; exit 5; }
    PLUGINS=
    "$UWSGI" --plugin-list 2>&1 | grep -q python || PLUGINS=--plugin=http,python3
}

ready() { find_uwsgi && could_start; }

# serve [exec] : starts uWSGI with what the sysconfig file says
serve() {
    export userName groupName LOG_DIR LOCK_DIR nProcesses nThreads uwsgiSocket
    "$@" "$UWSGI" $PLUGINS --ini "$uwsgiConfig" --safe-pidfile "$PIDFILE" \
        ${httpRouter:+--http "$httpRouter"} ${httpsRouter:+--https "$httpsRouter"} $WHERE
}

launch() { ready && WHERE="--daemonize2 $LOG_DIR/panda_harvester_stdout.log" serve && until_at_work; }

launch_in_foreground() { ready && WHERE= serve exec; }

# one process after another, so that the service stays available
ask_to_reload() {
    local fifo=$LOCK_DIR/uwsgi-panda_harvester.fifo
    [ ! -L "$fifo" ] && [ -p "$fifo" ] || { echo "$NAME: $fifo is no pipe of uWSGI" >&2; return 1; }
    ready && echo c >"$fifo"
}

act "$@"
