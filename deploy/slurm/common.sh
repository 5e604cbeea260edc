# Shared by submit.sh and the batch scripts, which read it with `source`.
#
# A table is a text file with one task on each line: the model, then what the
# kind of table asks for. Blank lines and those that begin with # are no tasks.
# The number of a line is the number of its array task.
# shellcheck shell=bash

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# need VARIABLE WHAT: that it is set.
need() {
  [[ -n ${!1:-} ]] || die "$1 is not set; it names $2"
}

# need_folder VARIABLE WHAT: that it names a folder that is there.
need_folder() {
  need "$@"
  [[ ${!1} == /* ]] ||
    die "$1: ${!1} must begin with /; the task starts in another folder"
  [[ -d ${!1} ]] || die "$1: ${!1} is not a folder; it names $2"
}

# need_number VARIABLE DEFAULT: sets it if need be, and checks it.
need_number() {
  [[ -n ${!1:-} ]] || printf -v "$1" %s "$2"
  [[ ${!1} =~ ^[0-9]{1,4}$ ]] ||
    die "$1: ${!1} must be a whole number from 0 to 9999"
}

need_programs() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null ||
      die "$program is not on PATH; PATH is handed on to the tasks"
  done
}

# lines_of TABLE: the numbers of the lines that are tasks.
lines_of() {
  grep -nEv '^[[:space:]]*(#|$)' "$1" | cut -d: -f1
}

# row_of TABLE LINE: its words with single blanks between.
row_of() {
  local -a words
  read -ra words <<<"$(sed -n "${2}p" "$1")"
  echo "${words[*]}"
}

# name_of LINE ROW: what the files of a task are called. The digest keeps a
# report from passing for that of another row.
name_of() {
  printf '%d-%s\n' "$1" "$(printf %s "$2" | sha256sum | head -c 12)"
}

# ended PID: waits for a child, through signals; its exit status.
ended() {
  local status
  while :; do
    status=0
    wait "$1" || status=$?
    ((status > 128)) && kill -0 "$1" 2>/dev/null || return "$status"
  done
}

# again REASON: this task once more, from what it has kept. Where scontrol is
# not allowed, the exit status may do it (RequeueExit=75 in slurm.conf). The
# SLURM_JOB_ID of one of the tasks is that of the whole array.
again() {
  echo "$(date -Is) requeued: $1"
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" || true
  exit 75
}

# again_unless_often REASON: as long as the task was not restarted too often.
again_unless_often() {
  local restarts=${SLURM_RESTART_COUNT:-0}
  ((restarts < ADV_RESTARTS)) && again "$1"
  echo "$1, and restarted $restarts times already (ADV_RESTARTS)" >&2
  exit 1
}
