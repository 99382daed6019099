#!/bin/bash
#
# panda_harvester-apachectl   Harvester for PanDA in Apache httpd with mod_wsgi
#
# chkconfig: 345 90 10
# description: takes jobs from a PanDA server and holds workers on computing resources; workers may talk HTTP to it
#
# Written by `harvester init`.
#
### BEGIN INIT INFO
# Provides:          panda_harvester-apachectl
# Required-Start:    $local_fs $network $remote_fs
# Required-Stop:     $local_fs $network $remote_fs
# Should-Start:      mariadb postgresql
# Default-Start:     3 4 5
# Default-Stop:      0 1 2 6
# Short-Description: Harvester for PanDA in Apache httpd
### END INIT INFO

NAME=panda_harvester-apachectl
MARK=panda_harvester-httpd.conf
. @@panda_home@@/etc/rc.d/init.d/panda_harvester-functions
configuration_of @@panda_home@@
PIDFILE=$LOCK_DIR/panda_harvester_httpd.pid
LOCKFILE=$LOCK_DIR/panda_harvester_httpd.lock
CONFIG=$PANDA_HOME/etc/panda/panda_harvester-httpd.conf

# first_of FILE... : the first that is there
first_of() {
    local file
    for file in "$@"; do [ ! -e "$file" ] || { echo "$file"; return; }; done
}

# find_httpd : the server, its modules and mod_wsgi, for the configuration file
find_httpd() {
    PATH=$PATH:/usr/sbin:/sbin
    HTTPD=${HTTPD:-$(command -v httpd || command -v apache2)}
    [ -x "$HTTPD" ] || { echo "$NAME: neither httpd nor apache2 is installed" >&2; exit 5; }
    export APACHE_MODULES=${APACHE_MODULES:-$(first_of /usr/lib64/httpd/modules /usr/lib/apache2/modules /usr/lib/httpd/modules)}
    local own=$VIRTUAL_ENV/bin/mod_wsgi-express
    [ ! -x "$own" ] || WSGI_MODULE=${WSGI_MODULE:-$("$own" module-location)}
    export WSGI_MODULE=${WSGI_MODULE:-$(first_of "$APACHE_MODULES"/mod_wsgi_python3.so "$APACHE_MODULES"/mod_wsgi.so)}
    [ -e "$WSGI_MODULE" ] || { echo "$NAME: mod_wsgi is not installed: $VIRTUAL_ENV/bin/pip install mod_wsgi" >&2; exit 5; }
}

# same_python : mod_wsgi has a Python of its own, which must be of the version that the environment was made with
same_python() {
    local there here
    there=$(ldd "$WSGI_MODULE" 2>/dev/null | sed -n 's/.*libpython\([0-9.]*\)\.so.*/\1/p' | head -n 1)
    here=$("$VIRTUAL_ENV/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ -z "$there" ] || [ "${there%.}" = "$here" ] || {
        echo "$NAME: $WSGI_MODULE is for Python $there, $VIRTUAL_ENV has $here:" \
            "$VIRTUAL_ENV/bin/pip install mod_wsgi, or make the environment with Python $there" >&2
        return 1
    }
}

# fit_account : Apache refuses to run as root
fit_account() {
    [ "$userName" != root ] || {
        echo "$NAME: userName is root, as which Apache does not run: name an account in" \
            "$PANDA_HOME/etc/sysconfig/panda_harvester" >&2
        return 1
    }
}

# log_writer : what Apache pipes its logs to. Root must not open files in a directory of the account of the service.
log_writer() {
    LOG_WRITER="$(command -v dd) bs=64k oflag=append conv=notrunc status=none"
    ! has_to_step_down || LOG_WRITER="$(command -v setpriv) --reuid=$userName --regid=$groupName --init-groups $LOG_WRITER"
    export LOG_WRITER
}

# ready : everything that can be known before the start
ready() { find_httpd && fit_account && log_writer && same_python && could_start; }

launch() { ready && "$HTTPD" -f "$CONFIG" $OPTIONS -k start && until_at_work; }

launch_in_foreground() { ready && exec "$HTTPD" -f "$CONFIG" $OPTIONS -DFOREGROUND; }

ask_to_reload() { ready && kill -USR1 "$1"; }

act "$@"
