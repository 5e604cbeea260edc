#!/usr/bin/env bash
# Compiles the dashboards' JSON against the types of Grafana's own schema. npm
# brings them and the compiler into build/tools/grafana.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

readonly TOOLS=build/tools/grafana
readonly PACKAGES=(@grafana/schema@13.2.3 typescript@6.0.3)

# Once for these versions.
have_packages() {
  [[ $(cat "$TOOLS/installed" 2>/dev/null) == "${PACKAGES[*]}" ]] && return
  command -v npm >/dev/null || return
  npm install --silent --no-save --no-audit --no-fund --prefix "$TOOLS" \
    "${PACKAGES[@]}" || return
  echo "${PACKAGES[*]}" >"$TOOLS/installed"
}

if ! have_packages; then
  echo "NOT CHECKED: the dashboards' schema, because npm or its packages" \
    "cannot be had here"
  exit 0
fi
rm -rf "$TOOLS/checked"
mkdir "$TOOLS/checked"
cp tests/deploy/grafana/schema.ts "$TOOLS/checked"
# An object in the source is checked for fields that the type has not; a file of
# JSON that is imported is not.
for dashboard in deploy/grafana/dashboards/*.json; do
  {
    echo "import type {Checked} from './schema'; const dashboard: Checked ="
    cat "$dashboard"
    echo "; export default dashboard;"
  } >"$TOOLS/checked/$(basename "$dashboard" .json).ts"
done
"$TOOLS/node_modules/.bin/tsc" --noEmit --strict --skipLibCheck \
  --module esnext --moduleResolution bundler --target esnext \
  "$TOOLS"/checked/*.ts
echo "the dashboards agree with ${PACKAGES[0]}"
