#!/usr/bin/env bash
# Submits a sweep of trainings, or a matrix of evaluations with the merge of
# its reports behind it. README.md has the variables and the tables.
set -euo pipefail
ADV_SLURM=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export ADV_SLURM
# shellcheck source=deploy/slurm/common.sh
source "$ADV_SLURM/common.sh"

usage() {
  cat <<'END'
usage: submit.sh train TABLE [FLAG OF SBATCH...]
       submit.sh evaluate TABLE [FLAG OF SBATCH...]
       submit.sh merge [FLAG OF SBATCH...]

  train     trains a model for each line of TABLE: MODEL [FLAG OF ADVTRAIN...]
  evaluate  measures each line of TABLE:
            MODEL ATTACKS EPSILONS [FLAG OF ADVCTL EVALUATE...]
            and merges the reports, once all are there
  merge     merges once more

The same command again goes on with what is not done yet. The variables
ADV_STORE, ADV_RESULTS and, to train, ADV_DATA name folders.
END
}

# check_lines TABLE CHECK: calls CHECK with the words of each line, and tells
# all that is wrong with their numbers.
check_lines() {
  local line row fault faults=0
  local -a words
  local -A seen=()
  [[ -n $(lines_of "$1") ]] || die "$1 has no line that is a task"
  for line in $(lines_of "$1"); do
    row=$(row_of "$1" "$line")
    read -ra words <<<"$row"
    if [[ -n ${seen[$row]:-} ]]; then
      fault="is line ${seen[$row]} once more"
    else
      seen[$row]=$line
      fault=$("$2" "${words[@]}" 2>&1) && continue
    fi
    printf '%s:%d: %s\n' "$1" "$line" "$fault" >&2
    faults=$((faults + 1))
  done
  ((faults == 0)) || die "$faults wrong lines in $1; nothing was submitted"
}

# The checks run in a process of their own and say what is wrong.
refuse() {
  echo "$*"
  exit 1
}

flags_only() {
  local word
  for word in "$@"; do
    [[ $word == --?* ]] || refuse "'$word' is not a flag; write --NAME=VALUE"
  done
}

check_training() {
  local name='^(balanced|(no|only)-[a-z]+)$' # advtrain knows the classes
  [[ $1 =~ $name ]] || refuse "model '$1' must be balanced, no-CLASS or" \
    "only-CLASS"
  flags_only "${@:2}"
}

check_evaluation() {
  local name='^[a-z][a-z0-9-]*(@[0-9]+)?$' message status=0
  (($# >= 3)) || refuse "must be MODEL ATTACKS EPSILONS [FLAG...], but is $*"
  # A version is a folder in that of its model.
  [[ $1 =~ $name && -d $ADV_STORE/${1/@//} ]] ||
    refuse "model '$1' is not in $ADV_STORE, which has $(known_models)"
  flags_only "${@:4}"
  # advctl reads all flags before it looks for a server. There is none here:
  # status 3 says that the flags are right.
  message=$(advctl --server=unix:/dev/null/none --output=json evaluate \
    --model="$1" --attack="$2" --epsilon="$3" "${@:4}" 2>&1) || status=$?
  ((status == 3)) || refuse "$message"
}

# known_models: their names in the store.
known_models() {
  find "$ADV_STORE" -mindepth 3 -maxdepth 3 -name manifest.json -printf '%P\n' |
    cut -d/ -f1 | sort -u | paste -sd' '
}

# keep_table TABLE: the tasks read a copy, which does not change any more.
keep_table() {
  local copy=$ADV_RESULTS/table.txt
  mkdir -p "$ADV_RESULTS"/{logs,reports,state}
  [[ -e $copy ]] || cp "$1" "$copy"
  cmp -s "$1" "$copy" || die "ADV_RESULTS: $ADV_RESULTS is the folder of" \
    "another table, $copy; name a new folder for $1"
}

# submit SCRIPT LOG [FLAG...]: the number of the job.
submit() {
  sbatch --parsable --output="$ADV_RESULTS/logs/$2" "${@:3}" \
    "$ADV_SLURM/$1" | cut -d';' -f1
}

# submit_array SCRIPT [FLAG...]: a task for each line.
submit_array() {
  local lines
  lines=$(lines_of "$ADV_RESULTS/table.txt" | paste -sd,)
  submit "$1" '%x-%A_%a.log' "${@:2}" \
    --array="$lines${ADV_AT_ONCE:+%$ADV_AT_ONCE}"
}

need_results() {
  need ADV_RESULTS "the folder for the table, logs and reports"
  [[ $ADV_RESULTS == /* ]] || die "ADV_RESULTS: $ADV_RESULTS must begin with /"
  need_number ADV_RESTARTS 3
  [[ ${ADV_AT_ONCE:-1} =~ ^[1-9][0-9]{0,3}$ ]] ||
    die "ADV_AT_ONCE: $ADV_AT_ONCE must be a whole number from 1 to 9999"
}

train() {
  need_results
  need_folder ADV_DATA "the folder of CIFAR-10's binary files"
  [[ ${ADV_STORE:-} != /* ]] || mkdir -p "$ADV_STORE"
  need_folder ADV_STORE "the model store to publish into"
  need_programs sbatch advtrain
  check_lines "$1" check_training
  keep_table "$1"
  local array
  array=$(submit_array train.sbatch "${@:2}")
  echo "array $array"
}

evaluate() {
  need_results
  need_folder ADV_STORE "the model store to serve"
  need_programs sbatch advserver advctl
  check_lines "$1" check_evaluation
  keep_table "$1"
  local array
  array=$(submit_array evaluate.sbatch "${@:2}")
  echo "array $array"
  merge --dependency="afterok:$array" --kill-on-invalid-dep=yes
}

merge() {
  need_results
  need_folder ADV_RESULTS "the folder of a matrix"
  need_programs sbatch
  local job
  job=$(submit merge.sbatch '%x-%j.log' "$@")
  echo "merge $job"
}

case ${1:-} in
  train | evaluate)
    (($# >= 2)) || die "$1 needs a table; submit.sh --help has its form"
    [[ -f $2 && -r $2 ]] || die "$2 is not a file that can be read"
    "$@"
    ;;
  merge) "$@" ;;
  -h | --help) usage ;;
  *)
    usage >&2
    die "unknown command: ${1:-none}"
    ;;
esac
