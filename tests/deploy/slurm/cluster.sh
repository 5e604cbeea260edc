# A Slurm cluster of two nodes on this host, in one folder: munged, slurmctld
# and two slurmd. run.sh reads it with `source`. Nothing outside of the folder
# changes, and stop_cluster leaves no process.
# shellcheck shell=bash

# start_cluster FOLDER
start_cluster() {
  CLUSTER=$1
  export SLURM_CONF=$CLUSTER/slurm.conf
  mkdir -p "$CLUSTER"/{state,n1,n2}
  chmod 755 "$CLUSTER"
  head -c 1024 /dev/urandom >"$CLUSTER/munge.key"
  chmod 600 "$CLUSTER/munge.key"
  local -a ports
  mapfile -t ports < <(free_ports 3)
  write_configuration "${ports[@]}"
  # --force: it runs as root here, which it advises against.
  run_daemon munged --foreground --force --key-file="$CLUSTER/munge.key" \
    --socket="$CLUSTER/munge.socket" --pid-file="$CLUSTER/munge.pid" \
    --seed-file="$CLUSTER/munge.seed"
  until_true 30 test -S "$CLUSTER/munge.socket"
  run_daemon slurmctld -D -f "$SLURM_CONF"
  run_daemon slurmd -D -N n1 -f "$SLURM_CONF"
  run_daemon slurmd -D -N n2 -f "$SLURM_CONF"
  until_true 60 nodes_idle || {
    sinfo --Node
    tail --lines=20 "$CLUSTER"/*.log
    return 1
  } >&2
}

# free_ports COUNT: ports that were free a moment ago.
free_ports() {
  /usr/bin/python3 - "$1" <<'END'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in sockets:
    one.bind(("127.0.0.1", 0))
    print(one.getsockname()[1])
END
}

# cred_expire is also the time for which a requeued job waits: 120 s by default,
# so that a job's old credential cannot start it twice.
# write_configuration CONTROLLER-PORT NODE-PORT NODE-PORT
write_configuration() {
  cat >"$SLURM_CONF" <<END
ClusterName=adv-test
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$1
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$CLUSTER/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$CLUSTER/state
SlurmdSpoolDir=$CLUSTER/%n
SlurmctldPidFile=$CLUSTER/slurmctld.pid
SlurmdPidFile=$CLUSTER/slurmd-%n.pid
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
KillWait=30
MinJobAge=3600
ReturnToService=2
NodeName=DEFAULT CPUs=1 RealMemory=8000
NodeName=n1 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$2
NodeName=n2 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$3
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=test Nodes=n1,n2 Default=YES PriorityTier=1
PartitionName=urgent Nodes=n1,n2 PriorityTier=2
END
  echo "CgroupPlugin=cgroup/v1" >"$CLUSTER/cgroup.conf"
  # Else the packages' file is read, which includes another folder.
  : >"$CLUSTER/plugstack.conf"
}

DAEMONS=()
run_daemon() {
  "$@" >>"$CLUSTER/$1.log" 2>&1 </dev/null &
  DAEMONS+=("$!")
}

nodes_idle() {
  [[ $(sinfo --noheader --Node --partition=test --format=%t 2>&1) == \
    $'idle\nidle' ]]
}

stop_cluster() {
  [[ -n ${CLUSTER:-} ]] || return 0
  scancel --user="$(id -un)" 2>/dev/null || true
  until_true 40 no_jobs || true
  ((${#DAEMONS[@]} == 0)) || kill "${DAEMONS[@]}" 2>/dev/null || true
  wait
}

no_jobs() {
  [[ -z $(squeue --noheader --states=RUNNING,COMPLETING 2>/dev/null) ]]
}

# until_true SECONDS COMMAND...: polls until it succeeds.
until_true() {
  local deadline=$((SECONDS + $1))
  until "${@:2}"; do
    ((SECONDS < deadline)) || {
      echo "waited $1 s in vain for: ${*:2}" >&2
      return 1
    }
    sleep 0.2
  done
}
