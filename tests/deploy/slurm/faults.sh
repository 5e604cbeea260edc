# Bad input to deploy/slurm, on the folder of a finished matrix. run.sh reads
# it with `source`.
# shellcheck shell=bash

# refuses TEXT COMMAND...: that it fails and says TEXT.
refuses() {
  local said status=0
  said=$("${@:2}" 2>&1) || status=$?
  ((status != 0)) || die "was not refused: ${*:2}"
  grep --fixed-strings -- "$1" <<<"$said" || die "does not say '$1': $said"
  FAULTS=$((FAULTS + 1))
}

test_faults() {
  FAULTS=0
  test_variables
  test_tables
  test_reports
  PROOF+=("$FAULTS faults are refused, each by its name")
}

test_variables() {
  local -r run=("$SUBMIT" evaluate "$WORK/matrix.txt")
  refuses "ADV_STORE is not set" env -u ADV_STORE "${run[@]}"
  refuses "ADV_STORE: /nowhere is not a folder" \
    env ADV_STORE=/nowhere "${run[@]}"
  refuses "ADV_RESULTS is not set" env -u ADV_RESULTS "${run[@]}"
  refuses "ADV_RESULTS: results must begin with /" \
    env ADV_RESULTS=results "${run[@]}"
  refuses "ADV_RESTARTS: many must be a whole number" \
    env ADV_RESTARTS=many "${run[@]}"
  refuses "ADV_AT_ONCE: 0 must be a whole number" env ADV_AT_ONCE=0 "${run[@]}"
  refuses "ADV_DATA is not set" \
    env -u ADV_DATA "$SUBMIT" train "$WORK/sweep.txt"
  refuses "ADV_STORE: store must begin with /" \
    env ADV_STORE=store "$SUBMIT" train "$WORK/sweep.txt"
  refuses "advserver is not on PATH" env PATH=/usr/bin:/bin "${run[@]}"
  refuses "ADV_SLURM: is not set" env -u ADV_SLURM bash deploy/slurm/evaluate.sbatch
}

test_tables() {
  local -r table=$WORK/wrong.txt
  cat >"$table" <<'END'
no-cat fgsm 2/255
nobody fgsm 2/255
# a comment

no-cat nothing 2/255
no-cat fgsm
no-cat fgsm 2/255 --samples=-1
no-cat fgsm 2/255 samples=1
no-cat fgsm  2/255
END
  local -r run=(env ADV_RESULTS="$WORK/wrong" "$SUBMIT")
  refuses "$table:2: model 'nobody' is not in $ZOO" \
    "${run[@]}" evaluate "$table"
  refuses "$table:5: advctl: --attack: 'nothing' is not an attack" \
    "${run[@]}" evaluate "$table"
  refuses "$table:6: must be MODEL ATTACKS EPSILONS" \
    "${run[@]}" evaluate "$table"
  refuses "$table:7: advctl: --samples" "${run[@]}" evaluate "$table"
  refuses "$table:8: 'samples=1' is not a flag" "${run[@]}" evaluate "$table"
  refuses "$table:9: is line 1 once more" "${run[@]}" evaluate "$table"
  refuses "$table:2: model 'nobody' must be balanced" "${run[@]}" train "$table"
  refuses "is not a file" "${run[@]}" evaluate "$WORK/none.txt"
  echo "# nothing" >"$table"
  refuses "no line that is a task" "${run[@]}" evaluate "$table"
  [[ ! -e $WORK/wrong ]] || die "a wrong table left a folder"
  echo "no-cat fgsm 2/255" >"$table"
  refuses "is the folder of another table" "$SUBMIT" evaluate "$table"
}

test_reports() {
  local -r merge=(/usr/bin/python3 -B deploy/slurm/merge.py "$ADV_RESULTS")
  local -r reports=$ADV_RESULTS/reports
  local -r second=$(echo "$reports"/2-*.json) fourth=$(echo "$reports"/4-*.json)
  cp -r "$reports" "$WORK/reports"
  rm "$ADV_RESULTS"/merged.*
  mv "$second" "$reports/9-000000000000.json"
  refuses "line 2 (no-cat pgd:steps=20 2/255" "${merge[@]}"
  refuses "9-000000000000.json belongs to no row" "${merge[@]}"
  mv "$reports/9-000000000000.json" "$second"
  cp "$fourth" "$second"
  refuses "is not its report: it measures balanced@2" "${merge[@]}"
  cp "$reports"/6-*.json "$second"
  refuses "has other evaluations than the JSON beside it" "${merge[@]}"
  cp "$reports"/6-*.csv "${second%.json}.csv"
  refuses "has the evaluation of" "${merge[@]}"
  head -c 1000 "$WORK/reports/${second##*/}" >"$second"
  refuses "is not its report: " "${merge[@]}"
  [[ ! -e $ADV_RESULTS/merged.json ]] || die "merged in spite of that"
  cp "$WORK/reports/"* "$reports"
  "${merge[@]}"
}
