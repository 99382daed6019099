# What the service scripts of Harvester share, written by `harvester init`; sourced by them. LSB exit codes:
#   start, stop, reload  0 done, or nothing to do · 1 failed · 2 no such action · 5 not installed · 6 not configured ·
#                        7 not running
#   status               0 runs · 1 dead, but there is a pid file · 2 dead, but there is a lock file · 3 does not run
#
# A script sets NAME, PIDFILE, LOCKFILE and MARK, a word of the command line of its process, and defines launch (starts
# the service), launch_in_foreground and ask_to_reload.

STOP_SECONDS=${STOP_SECONDS:-40}
START_SECONDS=${START_SECONDS:-30}

# configuration_of HOME : the settings of the installation, exported for whatever is started
configuration_of() {
    if [ ! -r "$1/etc/sysconfig/panda_harvester" ]; then
        echo "$NAME: $1/etc/sysconfig/panda_harvester cannot be read; 'harvester init' writes it" >&2
        exit 6
    fi
    . "$1/etc/sysconfig/panda_harvester"
    export nProcesses=${nProcesses:-1}
    [ -x "$VIRTUAL_ENV/bin/harvester" ] || { echo "$NAME: there is no $VIRTUAL_ENV/bin/harvester" >&2; exit 5; }
}

is_root() { [ "$(id -u)" = 0 ]; }

# directories DIRECTORY... : makes those that are missing, for the account of the service
directories() {
    local each
    for each in "$@"; do
        [ -d "$each" ] || { mkdir -p "$each" && { ! is_root || chown "$userName:$groupName" "$each"; }; } || return 1
    done
}

# has_to_step_down : whether root starts it for the account of the service
has_to_step_down() { is_root && [ -n "$userName" ]; }

# as_account COMMAND... : under the account of the service
as_account() { if has_to_step_down; then runuser -u "$userName" -- "$@"; else "$@"; fi; }

# could_start : whether Harvester could; says why not
could_start() { as_account "$VIRTUAL_ENV/bin/harvester" run --check; }

# pid_of_service : the pid if the service runs; a pid that another program has by now does not count
pid_of_service() {
    local pid=
    [ -r "$PIDFILE" ] && read -r pid <"$PIDFILE"
    [ -n "$pid" ] && command_line_of "$pid" | grep -q -- "$MARK" && echo "$pid"
}

# command_line_of PID : of a process; nothing for a zombie, and if there is none
command_line_of() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null; }

# take_lock_file : makes it anew; the account of the service may write there, and could have put a link in its place
take_lock_file() { rm -f "$LOCKFILE"; (set -C; : >"$LOCKFILE"); }

# until_ended PID SECONDS : whether the process has ended by then
until_ended() {
    local tenths=$(($2 * 10))
    while [ -n "$(command_line_of "$1")" ]; do
        [ $((tenths -= 1)) -ge 0 ] || return 1
        sleep 0.1
    done
}

# processes_at_work SECONDS : the pids of those processes that a web server has started and whose agents have begun; none
# if that is not known by then
processes_at_work() {
    local pid service; service=$(pid_of_service)
    as_account timeout "$1" "$VIRTUAL_ENV/bin/harvester" status --health 2>/dev/null |
        awk '/^process /{pid = $2; found[pid]} /^ *not ready: start:/{delete found[pid]} END{for (pid in found) print pid}' |
        while read -r pid; do
            ! grep -qs "^PPid:[[:space:]]*$service$" "/proc/$pid/status" || echo "$pid"
        done
}

# until_at_work : whether a web server has written its pid after START_SECONDS, and lives. Waits as long for all of its
# processes; those that are not at work then go on trying by themselves
until_at_work() {
    local left end=$((SECONDS + START_SECONDS))
    until pid_of_service >/dev/null; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
    while left=$((end - SECONDS)); [ $left -gt 0 ]; do
        pid_of_service >/dev/null || return 1
        [ "$(processes_at_work $left | wc -l)" -lt "$nProcesses" ] || return 0
        sleep 0.5
    done
    echo "$NAME: not all processes work after $START_SECONDS s; they go on trying." \
        "'harvester status --health' and $LOG_DIR tell why" >&2
}

start() {
    pid_of_service >/dev/null && { echo "$NAME runs already"; return 0; }
    directories "$LOCK_DIR" "$LOG_DIR" || return 1
    if launch; then
        take_lock_file
        echo "$NAME started, pid $(pid_of_service)"
    else
        echo "$NAME could not be started; see $LOG_DIR" >&2
        return 1
    fi
}

stop() {
    local pid; pid=$(pid_of_service)
    if [ -n "$pid" ]; then
        kill -TERM "$pid" || return 1
        if ! until_ended "$pid" "$STOP_SECONDS"; then
            echo "$NAME did not stop within $STOP_SECONDS s and is killed; nothing is lost by that" >&2
            kill -KILL "$pid"
            until_ended "$pid" 5 || return 1
        fi
        echo "$NAME stopped"
    else
        echo "$NAME does not run"
    fi
    rm -f "$PIDFILE" "$LOCKFILE"
}

reload() {
    local pid; pid=$(pid_of_service)
    [ -n "$pid" ] || { echo "$NAME does not run" >&2; return 7; }
    ask_to_reload "$pid" && echo "$NAME reloads"
}

status() {
    local pid; pid=$(pid_of_service)
    [ -z "$pid" ] || { echo "$NAME runs, pid $pid"; return 0; }
    [ ! -s "$PIDFILE" ] || { echo "$NAME is dead, but there is $PIDFILE"; return 1; }
    [ ! -e "$LOCKFILE" ] || { echo "$NAME is dead, but there is $LOCKFILE"; return 2; }
    echo "$NAME does not run"
    return 3
}

# act ACTION : what every service script does in the end
act() {
    case ${1:-} in
        start) start ;;
        stop) stop ;;
        status) status ;;
        reload|force-reload) reload ;;
        restart) stop && start ;;
        condrestart|try-restart) pid_of_service >/dev/null || return 0; stop && start ;;
        runfg) directories "$LOCK_DIR" "$LOG_DIR" && launch_in_foreground ;;
        *) echo "usage: $0 start|stop|status|reload|restart|condrestart|runfg" >&2; return 2 ;;
    esac
}
