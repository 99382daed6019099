#!/bin/bash
# A Slurm cluster of one machine: munge, controller, nodes, and the accounting database if asked for. Jobs are
# submitted by, and run as, the account that the tests run as: the controller's own.
#
#   SLURM_ACCOUNTING=1     slurmdbd with a MariaDB of its own, for sacct (default 0)
#   SLURM_CPUS=16          CPUs that each node pretends to have
#   SLURM_NODES=1          nodes, each a daemon of this machine
#   SLURM_MIN_JOB_AGE=300  seconds that the controller remembers an ended job
#   SLURM_MAX_JOBS=10000   the most jobs that the controller holds
. "$(dirname "$(readlink -f "$0")")/lib.sh"

install() {
  packages munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins slurmdbd mariadb-server mariadb-client
}

nodes() { seq -f n%.0f "${SLURM_NODES:-1}"; }

accounting() { [ "${SLURM_ACCOUNTING:-0}" = 1 ]; }

configuration() {
  local user host; user=$(id -un); host=$(hostname -s)
  cat <<CONF
ClusterName=test
SlurmctldHost=$host($LOOPBACK)
SlurmctldPort=$(port slurmctld)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/socket
CredType=cred/munge
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool/%n
SlurmctldPidFile=$DIR/slurmctld.pid
SlurmdPidFile=$DIR/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=200000,bf_interval=5,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=${SLURM_MIN_JOB_AGE:-300}
MaxJobCount=${SLURM_MAX_JOBS:-10000}
KillWait=2
$(for node in $(nodes); do
  echo "NodeName=$node NodeHostname=$host NodeAddr=$LOOPBACK Port=$(port "slurmd-$node") CPUs=${SLURM_CPUS:-16} RealMemory=16000"
done)
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
PartitionName=express Nodes=ALL MaxTime=60 State=UP
CONF
  if accounting; then
    cat <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$LOOPBACK
AccountingStoragePort=$(port slurmdbd)
AccountingStoragePass=$DIR/munge/socket
CONF
  fi
}

database_configuration() {
  cat <<CONF
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/socket
DbdHost=localhost
DbdAddr=$LOOPBACK
DbdPort=$(port slurmdbd)
SlurmUser=$(id -un)
PidFile=$DIR/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=$LOOPBACK
StoragePort=$(sed -n 's/^PORT=//p' "$DIR/mariadb/env")
StorageLoc=slurm
StorageUser=harvester
StoragePass=harvester
CONF
}

start_munge() {
  local user; user=$(account munge)
  alive munge && return
  open_to "$user"
  mkdir -p "$DIR/munge"
  [ -s "$DIR/munge/key" ] || (umask 077; head -c 128 /dev/urandom >"$DIR/munge/key")
  is_root && chown -R "$user" "$DIR/munge"
  rm -f "$DIR/munge/socket" "$DIR/munge/socket.lock"
  daemon munge "$(command -v setpriv)" $(is_root && echo "--reuid=$user --regid=$(id -g "$user") --init-groups") -- \
    munged --foreground --force --key-file="$DIR/munge/key" --socket="$DIR/munge/socket" \
    --pid-file="$DIR/munge/pid" --seed-file="$DIR/munge/seed" --log-file="$DIR/munge/log"
  until_ready munge munge --no-input --socket="$DIR/munge/socket"
}

start_accounting() {
  alive slurmdbd && return
  "$HERE/mariadb.sh" start "$DIR/mariadb" || return 1
  (umask 077; database_configuration >"$DIR/slurmdbd.conf")
  daemon slurmdbd slurmdbd -D
  until_ready slurmdbd sacctmgr --immediate --noheader list cluster || return 1
  sacctmgr --noheader list cluster format=cluster | grep -qw test || sacctmgr --immediate --quiet add cluster test >&2
}

started() { sed -n 's/^NodeName=\([^ ]*\).*/\1/p' "$DIR/slurm.conf"; }

node_is_up() { sinfo --noheader --nodes="$1" --format=%T | grep -qE '^(idle|mixed|allocated)$'; }

start() {
  needs munged slurmctld slurmd sbatch squeue sacct scancel python3
  ! accounting || needs slurmdbd mariadbd
  export SLURM_CONF=$DIR/slurm.conf
  [ -s "$SLURM_CONF" ] || configuration >"$SLURM_CONF"
  mkdir -p "$DIR/state" "$DIR/spool"
  start_munge || return 1
  ! grep -q slurmdbd "$SLURM_CONF" || start_accounting || return 1
  alive slurmctld || daemon slurmctld slurmctld -D -i
  until_ready slurmctld scontrol ping || return 1
  local node
  for node in $(started); do alive "slurmd-$node" || daemon "slurmd-$node" slurmd -D -N "$node"; done
  for node in $(started); do until_ready "slurmd-$node" node_is_up "$node" || return 1; done
  echo "SLURM_CONF=$SLURM_CONF" >"$DIR/env"
}

stop() {
  local node
  export SLURM_CONF=$DIR/slurm.conf
  ! alive slurmctld || timeout 10 scancel --quiet --user="$(id -un)" || true
  [ ! -s "$SLURM_CONF" ] || for node in $(started); do end "slurmd-$node"; done
  end slurmctld
  end slurmdbd
  [ ! -d "$DIR/mariadb" ] || "$HERE/mariadb.sh" stop "$DIR/mariadb"
  end munge
}

command_line "$@"
