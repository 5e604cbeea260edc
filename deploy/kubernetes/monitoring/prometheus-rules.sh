#!/usr/bin/env bash
# Prints a PrometheusRule for each file of rules in deploy/prometheus/rules, or
# in the folder given, so that they have one source:
#   deploy/kubernetes/monitoring/prometheus-rules.sh | kubectl apply -f -
set -euo pipefail

rules=${1:-$(dirname "${BASH_SOURCE[0]}")/../../prometheus/rules}
shopt -s nullglob
files=("$rules"/*.yml)
if ((${#files[@]} == 0)); then
  printf 'prometheus-rules.sh: no *.yml in %s\n' "$rules" >&2
  exit 1
fi

for file in "${files[@]}"; do
  if ! grep -q '^groups:' "$file"; then
    printf 'prometheus-rules.sh: %s has no "groups:" of rules\n' "$file" >&2
    exit 1
  fi
  name=$(basename "$file" .yml)
  cat <<END
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: adv-${name//_/-}
  namespace: adv
  labels: {app.kubernetes.io/part-of: adv}
spec:
END
  # The file is the spec as it stands, two columns deeper.
  sed 's/^./  &/' "$file"
done
