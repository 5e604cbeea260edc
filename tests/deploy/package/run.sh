#!/usr/bin/env bash
# `./dev package-test`: makes Debian packages of a build folder (its argument,
# or build/release), installs them in a clean Debian 12, boots that with systemd
# as its first process, and looks at the services: readiness, an evaluation,
# sandbox, a crash, training, bad usage, stop, removal and purge. The system is
# a folder with a network of its own. Needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

readonly BUILD=$PWD/${1:-build/release}
readonly FOLDER=$PWD/build/package
readonly BASE=$FOLDER/base # a clean system, kept for further runs
readonly SYSTEM=$FOLDER/system
readonly START_SECONDS=180 # for what a busy machine does slowly
readonly MOST_EXPOSURE=2.0 # of systemd-analyze security
NSPAWN=""

say() { printf '\033[1m==> %s (%d s)\033[0m\n' "$*" "$SECONDS"; }
die() {
  printf 'dev package-test: %s\n' "$*" >&2
  [[ -z $NSPAWN ]] || inside journalctl --no-pager -n 30 >&2 || true
  exit 1
}

# expect WHAT WANTED FOUND
expect() {
  [[ $3 == "$2" ]] || die "$1 is '$3', not '$2'"
  echo "$1: $3"
}

# until_true COMMAND...: looks again until the time is up.
until_true() {
  local deadline=$((SECONDS + START_SECONDS))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "still false after $START_SECONDS s: $*"
    sleep 0.2
  done
}

make_base() {
  [[ ! -e $FOLDER/made ]] || return 0
  say "making a Debian 12 in $BASE, about 220 MB"
  rm -rf "$BASE"
  # What a machine has before: systemd with its bus, and /etc/hosts.
  mmdebstrap --quiet --variant=minbase --include=systemd,dbus,netbase \
    bookworm "$BASE"
  echo '127.0.0.1 localhost' >"$BASE/etc/hosts"
  touch "$FOLDER/made"
}

# offline COMMAND...: in the system while it is not running. Packages are
# downloaded once.
offline() {
  mkdir -p "$FOLDER/archives"
  # shellcheck disable=SC2016 # for the inner shell
  unshare --mount bash -ec '
    mount --bind "$1/archives" "$2/var/cache/apt/archives"
    mount -t proc proc "$2/proc"
    system=$2
    shift 2
    exec chroot "$system" "$@"' - "$FOLDER" "$SYSTEM" \
    env -i PATH="$PATH" DEBIAN_FRONTEND=noninteractive "$@"
}

# inside COMMAND...: in the system while it runs.
inside() {
  nsenter --target "$(pgrep -P "$NSPAWN")" --all \
    env -i PATH="$PATH" DEBIAN_FRONTEND=noninteractive "$@"
}

# shown UNIT PROPERTY
shown() { inside systemctl show --value --property="$2" "$1"; }
is_shown() { [[ $(shown "$1" "$2") == "$3" ]]; }

boot() {
  # Without the capability nspawn refuses to lock memory, which libgcrypt (of
  # LibTorch's FFmpeg) reports.
  systemd-nspawn --quiet --register=no --keep-unit --private-network \
    --capability=CAP_IPC_LOCK --machine=adv-package \
    --directory="$SYSTEM" --boot </dev/null >"$FOLDER/boot.log" 2>&1 &
  NSPAWN=$!
  trap 'kill "$NSPAWN" 2>/dev/null; wait' EXIT
  until_true inside systemctl is-system-running --wait
}

make_packages() {
  cpack --config "$BUILD/CPackConfig.cmake" -G DEB >"$FOLDER/cpack.log" ||
    die "cpack failed: $(tail -5 "$FOLDER/cpack.log")"
  (cd "$BUILD/packages" && du -h --apparent-size -- *.deb)
  lintian --allow-root --fail-on error "$BUILD"/packages/*.deb
}

# ours: paths that name the project.
ours() {
  find "$SYSTEM" -xdev -path "$SYSTEM/opt" -prune -o \
    -iregex '.*/[_.]?adv\(ctl\|server\|train\|-\|$\|[.@]\).*' -print
}

install_packages() {
  rm -rf "$SYSTEM"
  cp -a "$BASE" "$SYSTEM"
  cp "$BUILD"/packages/*.deb "$SYSTEM/opt"
  offline apt-get update -q >"$FOLDER/apt.log"
  echo "adv-client alone: $(offline sh -c 'apt-get install -qs \
    --no-install-recommends /opt/adv-client_*.deb' | grep -c ^Inst) packages"
  # Whose files need not survive a power cut.
  offline sh -c 'apt-get install -qy --no-install-recommends \
    -o Dpkg::Options::=--force-unsafe-io /opt/*.deb' \
    >>"$FOLDER/apt.log" 2>&1 || die "apt-get: $(tail -5 "$FOLDER/apt.log")"
  echo "all four: $(grep 'newly installed' "$FOLDER/apt.log")"
  grep 'additional disk space' "$FOLDER/apt.log"
  echo "paths that name the project: $(ours | grep -c .)"
}

# status_of FIELD: what the kernel says of the server's process.
status_of() {
  inside cat "/proc/$(shown advserver MainPID)/status" |
    awk -v field="$1:" '$1 == field { print $2 }'
}

check_sandbox() {
  local unit exposure
  inside systemd-analyze verify advserver.service advtrain@no-cat.service
  for unit in advserver.service advtrain@no-cat.service; do
    exposure=$(inside systemd-analyze security --no-pager "$unit" |
      grep -o 'level for .*' | grep -oE '[0-9]+\.[0-9]+')
    awk -v is="$exposure" -v most="$MOST_EXPOSURE" \
      'BEGIN { exit !(is < most) }' || die "exposure of $unit is $exposure"
    echo "exposure of $unit: $exposure"
  done
  expect "user" "$(inside id -u adv)" "$(status_of Uid)"
  expect "capabilities" 0000000000000000 "$(status_of CapBnd)"
  expect "no new privileges" 1 "$(status_of NoNewPrivs)"
  expect "seccomp (2: a filter)" 2 "$(status_of Seccomp)"
}

evaluations() { inside advctl evaluations list --output csv | tail -n +2; }

check_crash() {
  local known before
  known=$(evaluations)
  before=$(shown advserver MainPID)
  inside kill -KILL "$before"
  until_true is_shown advserver NRestarts 1
  until_true inside advctl server info
  expect "evaluations after kill -9" "$known" "$(evaluations)"
}

# make_data FOLDER: the files of CIFAR-10, of the 1,000 images that ship.
make_data() {
  local sample=model_store/zoo/cifar10-sample.bin i
  mkdir -p "$1"
  for i in {1..10}; do cat "$sample"; done >"$1/test_batch.bin"
  for i in {1..5}; do ln -f "$1/test_batch.bin" "$1/data_batch_$i.bin"; done
}

check_training() {
  make_data "$SYSTEM/srv/cifar-10"
  cat >"$SYSTEM/etc/default/advtrain@balanced" <<END
ADVTRAIN_DATA=/srv/cifar-10
ADVTRAIN_ARGS="--quick --epochs=1 --train-images=128 --name-suffix=tiny"
END
  inside systemctl start advtrain@balanced
  until_true is_shown advtrain@balanced ActiveState inactive
  echo "advtrain@balanced has ended and did not fail"
  inside systemctl reload advserver
  until_true inside advctl models show balanced-tiny
  echo "the server serves balanced-tiny, without a restart"
}

# A run that is stopped writes a checkpoint, and the next start goes on from it.
check_stopped_training() {
  local unit=advtrain@sweep
  local log="journalctl -o cat -u $unit"
  local checkpoint=/var/lib/adv/models/.training/balanced-sweep.checkpoint
  cat >"$SYSTEM/etc/default/$unit" <<END
ADVTRAIN_MODELS=balanced
ADVTRAIN_DATA=/srv/cifar-10
ADVTRAIN_ARGS="--train-images=1000 --checkpoint-seconds=0 --name-suffix=sweep"
END
  inside systemctl start "$unit"
  until_true inside test -s "$checkpoint"
  inside systemctl stop "$unit"
  # Status 143, which would be a failure elsewhere.
  expect "the stopped run is" inactive "$(shown "$unit" ActiveState)"
  inside systemctl start "$unit"
  until_true inside sh -c "$log | grep 'continues after step'"
  inside sh -c "$log | grep 'continues after step'"
  inside systemctl stop "$unit"
}

# refused UNIT: what is wrong is told once, and is no loop.
refused() {
  until_true is_shown "$1" ActiveState failed
  expect "exit status of $1" 2 "$(shown "$1" ExecMainStatus)"
  expect "its restarts" 0 "$(shown "$1" NRestarts)"
  inside journalctl --no-pager -o cat -n 5 -u "$1" | grep -v "$1"
}

check_bad_usage() {
  inside systemctl start advtrain@no-unicorn
  refused advtrain@no-unicorn.service
  inside systemctl stop advserver
  echo 'ADVSERVER_ARGS=--workers=none' >"$SYSTEM/etc/default/advserver"
  inside systemctl start advserver
  refused advserver.service
  echo 'ADVSERVER_ARGS=--workers=1' >"$SYSTEM/etc/default/advserver"
  inside systemctl start advserver
  until_true inside advctl server info
}

# What an upgrade does: the files anew, and the new program runs.
check_upgrade() {
  local before
  before=$(shown advserver MainPID)
  inside sh -c 'apt-get install -qy --reinstall /opt/adv-server_*.deb' \
    >>"$FOLDER/apt.log" 2>&1
  [[ $(shown advserver MainPID) != "$before" ]] || die "the old program runs on"
  until_true inside advctl server info
  expect "settings after an upgrade" 'ADVSERVER_ARGS=--workers=1' \
    "$(<"$SYSTEM/etc/default/advserver")"
}

check_stop() {
  inside systemctl stop advserver
  expect "result after SIGTERM" success "$(shown advserver Result)"
  expect "exited (1), not killed" 1 "$(shown advserver ExecMainCode)"
  expect "exit status" 0 "$(shown advserver ExecMainStatus)"
  inside systemctl start advserver
}

check_removal() {
  inside apt-get remove -qy adv-server adv-trainer adv-client adv-models \
    >>"$FOLDER/apt.log" 2>&1
  expect "after removal the unit is" not-found "$(shown advserver LoadState)"
  [[ -s $SYSTEM/var/lib/adv/evaluations/evaluations.sqlite ]] ||
    die "the removal took the evaluations"
  inside apt-get purge -qy adv-server adv-trainer adv-client adv-models \
    >>"$FOLDER/apt.log" 2>&1
}

mkdir -p "$FOLDER"
make_base
say "packages"
make_packages
say "installing them"
install_packages
say "booting"
boot
until_true inside advctl server info
inside systemctl status --no-pager --lines=0 advserver
say "first evaluation"
inside advctl evaluate --model no-cat --samples 50 >"$FOLDER/evaluation.txt"
head -5 "$FOLDER/evaluation.txt"
say "sandbox"
check_sandbox
say "crash"
check_crash
say "training"
check_training
say "a training that is stopped"
check_stopped_training
say "bad usage"
check_bad_usage
say "upgrade"
check_upgrade
say "stop"
check_stop
say "removal and purge"
check_removal
expect "paths left" "" "$(ours)"
inside systemctl poweroff
wait "$NSPAWN" || die "the system did not end well"
trap - EXIT
say "done"
