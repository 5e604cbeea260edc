#!/usr/bin/env bash
# `./dev slurm-test`: runs the scripts of deploy/slurm on a real Slurm of two
# nodes on this host, stops and kills tasks in their middle, and compares what
# they give in the end with runs that nothing disturbed. Takes advserver, advctl
# and advtrain from PATH. Needs root, as slurmd does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
source tests/deploy/slurm/cluster.sh
source tests/deploy/slurm/faults.sh

readonly SOURCE=$PWD
readonly SUBMIT=$SOURCE/deploy/slurm/submit.sh
readonly ZOO=$SOURCE/model_store/zoo
readonly PACKAGES=(munge slurm-client slurmctld slurmd)
readonly SAMPLES=300
readonly TASK_SECONDS=300 # on a busy machine

say() { printf '\033[1m==> %s (%d s)\033[0m\n' "$*" "$SECONDS"; }
die() {
  printf 'slurm-test: %s\n' "$*" >&2
  exit 1
}

install_packages() {
  local package
  local -a missing=()
  for package in "${PACKAGES[@]}"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" \
      2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
    "${missing[@]}"
  # This test starts its own; the packages' services are not wanted.
  [[ -d /run/systemd/system ]] || return 0
  for package in "${missing[@]}"; do
    [[ $package == slurm-client ]] || systemctl disable --now "$package"
  done
}

# state JOB: of one task, in Slurm's words.
state() { squeue --noheader --states=all --format=%T --jobs="$1"; }
is() { [[ $(state "$1") == "$2" ]]; }

# completed JOB: fails at once if it has ended in another way.
completed() {
  case $(state "$1") in
    COMPLETED) ;;
    FAILED | CANCELLED | TIMEOUT | NODE_FAIL | OUT_OF_MEMORY)
      cat "$ADV_RESULTS"/logs/*.log >&2
      die "job $1 is $(state "$1")"
      ;;
    *) return 1 ;;
  esac
}

# submit ARGUMENT...: sets ARRAY and MERGE.
submit() {
  local text
  text=$("$SUBMIT" "$@" --cpus-per-task=1 --time=20 --mem=2000)
  echo "submitted: ${text//$'\n'/, }"
  ARRAY=$(awk '/^array/ { print $2 }' <<<"$text")
  MERGE=$(awk '/^merge/ { print $2 }' <<<"$text")
}

# out_of_time JOB: what #SBATCH --signal sends before the time is up.
out_of_time() { scancel --batch --signal=USR1 "$1"; }

# pre_empt JOB: by one that has a right to its node.
pre_empt() {
  sbatch --quiet --partition=urgent --output=/dev/null --wrap=true \
    --nodelist="$(squeue --noheader --format=%N --jobs="$1")"
}

log_of() { echo "$ADV_RESULTS/logs/$1-${ARRAY}_$2.log"; }

weights() { sha256sum <"$1/$2/1/weights.safetensors" | cut -c1-64; }

# same WHAT EXPECTED FOUND: remembers it for the end.
same() {
  [[ $2 == "$3" ]] || die "$1: $3, without Slurm $2"
  PROOF+=("$1: ${2:0:12}, as without Slurm")
}

test_training() {
  say "training without Slurm, for comparison"
  local -r data=$WORK/data tiny=(--device=cpu --train-images=1150 --epochs=1
    --batch-size=32 --checkpoint-seconds=0)
  mkdir "$data"
  # Enough airplanes to remove some.
  PYTHONPATH=tests/model_store/trainer /usr/bin/python3 -B -c '
import sys, advtrain
advtrain.write_cifar10(sys.argv[1],
                       lambda i: i % 10 if i % 1150 >= 1000 else 0)' "$data"
  advtrain --models=balanced,no-airplane --data="$data" --threads=1 \
    --store="$WORK/undisturbed" "${tiny[@]}" >"$WORK/undisturbed.log" 2>&1

  say "training as an array; 2 runs out of time, 3 is pre-empted"
  printf '%s\n' "# two models" "balanced ${tiny[*]}" \
    "no-airplane ${tiny[*]}" >"$WORK/sweep.txt"
  export ADV_DATA=$data ADV_STORE=$WORK/store ADV_RESULTS=$WORK/sweep
  submit train "$WORK/sweep.txt"
  until_true $TASK_SECONDS test -s "$ADV_STORE/.training/balanced.checkpoint"
  out_of_time "${ARRAY}_2"
  until_true $TASK_SECONDS test -s \
    "$ADV_STORE/.training/no-airplane.checkpoint"
  pre_empt "${ARRAY}_3"
  local task model
  for task in 2 3; do
    until_true $TASK_SECONDS completed "${ARRAY}_$task"
    grep -E '^20|stopped|continues|published' "$(log_of adv-train $task)"
    grep -q 'continues after step' "$(log_of adv-train $task)" ||
      die "the training of line $task began anew"
  done
  for model in balanced no-airplane; do
    same "weights of $model" "$(weights "$WORK/undisturbed" $model)" \
      "$(weights "$ADV_STORE" $model)"
  done
}

# records REPORT: the digests of its evaluations' records, which decide all that
# a report says of robustness.
records() {
  /usr/bin/python3 -c '
import json, sys
for one in json.load(open(sys.argv[1]))["evaluations"]:
    print(one["report"]["records_sha256"])' "$1"
}

# server_of LINE: the process of the private server of a row.
server_of() {
  pgrep --full --exact --newest \
    "advserver .*--state=$ADV_RESULTS/state/$1-[0-9a-f]+ .*"
}

# images_kept LINE: how many its server says are done; fails without one.
images_kept() {
  local server socket
  server=$(server_of "$1") || return 1
  socket=$(tr '\0' '\n' <"/proc/$server/cmdline" | sed -n 's/^--listen=//p')
  advctl --server="$socket" --output=json evaluations list 2>/dev/null |
    /usr/bin/python3 -c '
import json, sys
[one] = json.load(sys.stdin)["evaluations"]
print(one["samples_done"])' 2>/dev/null
}

# under_way LINE LEAST: whether its server has kept so many images; sets SERVER
# and KEPT.
under_way() {
  SERVER=$(server_of "$1") && KEPT=$(images_kept "$1") && ((KEPT >= $2))
}

# begun_again LINE OLD: whether another server than OLD knows the evaluation.
begun_again() { under_way "$1" 0 && [[ $SERVER != "$2" ]]; }

# disturb LINE COMMAND...: stops its task in the middle, in this way.
disturb() {
  until_true $TASK_SECONDS under_way "$1" 1
  "${@:2}"
  echo "line $1: '${*:2}' after $KEPT of $SAMPLES images"
}

kill_server() { kill -KILL "$SERVER"; }

# goes_on LINE: its new server starts with all that the one before it kept.
goes_on() {
  local -r before=$KEPT
  until_true $TASK_SECONDS begun_again "$1" "$SERVER"
  ((KEPT >= before)) || die "line $1 began anew: $KEPT images"
  echo "line $1: goes on with $KEPT images"
}

test_evaluation() {
  local -r flags="--samples=$SAMPLES --tile-size=10"
  cat >"$WORK/matrix.txt" <<END
# MODEL  ATTACKS  EPSILONS  FLAGS
no-cat     pgd:steps=20  2/255  $flags

balanced   pgd:steps=20  2/255  $flags
no-dog@1   pgd:steps=20  2/255  $flags
no-cat     fgsm,bim      0.01,2/255 --samples=100
# no gradients
balanced@2 square:queries=50  4/255  --samples=50 --seed=3
END
  say "evaluations without Slurm, for comparison"
  local line
  local -a row
  for line in 2 4 5 6 8; do
    read -ra row <<<"$(sed -n ${line}p "$WORK/matrix.txt")"
    advctl --local --store="$ZOO" --output=json evaluate --model="${row[0]}" \
      --attack="${row[1]}" --epsilon="${row[2]}" "${row[@]:3}" \
      >"$WORK/undisturbed-$line.json" 2>"$WORK/undisturbed.log"
  done

  say "a matrix of 5 rows; 2 and 4 are disturbed, 5 is killed for good"
  export ADV_STORE=$ZOO ADV_RESULTS=$WORK/matrix
  submit evaluate "$WORK/matrix.txt" --hold
  scontrol release "${ARRAY}_2" "${ARRAY}_6" "${ARRAY}_8"
  disturb 2 kill_server
  goes_on 2
  scontrol release "${ARRAY}_4"
  disturb 4 out_of_time "${ARRAY}_4"
  goes_on 4
  scontrol release "${ARRAY}_5"
  disturb 5 scancel --batch --signal=KILL "${ARRAY}_5"
  for line in 2 4 6 8; do
    until_true $TASK_SECONDS completed "${ARRAY}_$line"
  done
  until_true 60 is "${ARRAY}_5" FAILED
  until_true 60 is "$MERGE" CANCELLED
  [[ ! -e $ADV_RESULTS/merged.json ]] || die "merged without line 5"
  grep requeued "$ADV_RESULTS"/logs/*.log

  say "the same command once more"
  submit evaluate "$WORK/matrix.txt"
  goes_on 5
  until_true $TASK_SECONDS completed "$MERGE"
  cat "$ADV_RESULTS/logs/adv-merge-$MERGE.log"
  for line in 2 4 5 6 8; do
    same "records of line $line" "$(records "$WORK/undisturbed-$line.json")" \
      "$(records "$ADV_RESULTS"/reports/$line-*.json)"
  done
  same "records of merged.json, in the order of the lines" \
    "$(for line in 2 4 5 6 8; do records "$WORK/undisturbed-$line.json"; done)" \
    "$(records "$ADV_RESULTS/merged.json")"
  # For each of the 8 pairs of attack and epsilon: all classes, and each of 10.
  local -r rows=$(wc -l <"$ADV_RESULTS/merged.csv")
  ((rows == 1 + 8 * 11)) || die "merged.csv has $rows lines"
}

((EUID == 0)) || die "needs root, for slurmd"
for program in advserver advctl advtrain; do
  command -v $program >/dev/null || die "$program is not on PATH"
done
install_packages
PROOF=()
WORK=$(mktemp -d "${TMPDIR:-/tmp}/adv-slurm-test-XXXXXX")
trap 'stop_cluster; rm -rf "$WORK"' EXIT
say "a cluster of two nodes"
start_cluster "$WORK/cluster"
sinfo --Node
test_training
test_evaluation
say "bad input"
test_faults
say "done"
printf '%s\n' "${PROOF[@]}"
