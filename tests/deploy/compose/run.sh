#!/usr/bin/env bash
# `./dev compose-test`: builds the images with podman, starts deploy/compose.yaml
# with docker-compose, and sees it through a training, an evaluation, a kill, a
# stop and a new start (compose_test.py). Needs root and Debian 12.
#
# No registry is asked. The base image is a Debian made here, and Debian's own
# Prometheus, Alertmanager, HAProxy and PostgreSQL stand in for the images of
# those names.
# Grafana has no stand-in: its part is proven by tests/deploy/grafana.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

readonly FOLDER=$PWD/build/compose
export CONTAINERS_CONF=$FOLDER/containers.conf
export CONTAINERS_STORAGE_CONF=$FOLDER/storage.conf
# The prefix of all images here; `latest` would be asked for in registries.
readonly PREFIX=localhost/adv-test

say() { printf '\033[1m==> %s (%d s)\033[0m\n' "$*" "$SECONDS"; }
die() {
  printf 'dev compose-test: %s\n' "$*" >&2
  exit 1
}

((EUID == 0)) || die "needs root, for containers without a user namespace"
# Where both versions of control groups are mounted, crun refuses to start. So
# all runs in a mount namespace of its own, which has the first version alone.
if [[ -z ${ADV_COMPOSE_TEST_INSIDE:-} ]]; then
  ADV_COMPOSE_TEST_INSIDE=1 exec unshare --mount \
    tests/deploy/compose/run.sh "$@"
fi
if mountpoint --quiet /sys/fs/cgroup/unified; then
  umount /sys/fs/cgroup/unified
fi

# Where podman keeps everything of this test, and what a machine without cgroups
# and without overlay file systems needs.
configure() {
  mkdir -p "$FOLDER"
  cat >"$CONTAINERS_CONF" <<END
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=10000:10000", "nproc=30000:30000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
  cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "vfs"
graphroot = "$FOLDER/storage"
runroot = "$FOLDER/run"
END
}

have() { podman image exists "$PREFIX/$1"; }

# A Debian 12 from its packages, under a name that no registry has.
make_base() {
  have debian && return
  say "making Debian 12"
  mmdebstrap --variant=minbase --include=ca-certificates bookworm \
    "$FOLDER/debian.tar"
  podman import "$FOLDER/debian.tar" "$PREFIX/debian"
  rm "$FOLDER/debian.tar"
}

# build TARGET: an image of docker/Dockerfile. The compiler's cache outlives it.
build() {
  say "building $1"
  mkdir -p "$FOLDER/ccache"
  echo 'cache_dir = /ccache' >"$FOLDER/ccache.conf"
  podman build --quiet --format=docker --isolation=chroot --network=host \
    --pull=never --layers \
    --volume "$FOLDER/ccache:/ccache" \
    --volume "$FOLDER/ccache.conf:/etc/ccache.conf:ro" \
    --build-arg "DEBIAN=$PREFIX/debian" \
    --build-arg "ADV_VERSION=$(sed -n 's/^project(adv VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)" \
    --build-arg "ADV_COMMIT=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --file docker/Dockerfile --target "$1" --tag "$PREFIX/adv-$1" .
}

# stand_in NAME PACKAGE PROGRAM...: what the public image of that name has, from
# Debian: the programs on PATH, the first of them as the entry point.
stand_in() {
  have "$1" && return
  say "making a stand-in for $1"
  local -r package=$2
  printf '%s\n' "FROM $PREFIX/debian" \
    "RUN apt-get update -q && apt-get install -qy --no-install-recommends $package" \
    "RUN install -d -o nobody -g nogroup /prometheus /alertmanager" \
    "USER nobody" "ENTRYPOINT [\"$3\"]" |
    podman build --isolation=chroot --network=host --pull=never \
      --tag "$PREFIX/$1" -
}

# stand_in_database: as the public image, it makes the database of its variables
# at the first start.
stand_in_database() {
  have postgres && return
  say "making a stand-in for postgres"
  local -r folder=$FOLDER/postgres
  mkdir -p "$folder"
  cat >"$folder/start" <<'END'
#!/bin/bash
set -euo pipefail
PATH=$PATH:/usr/lib/postgresql/15/bin
if [[ ! -e $PGDATA/PG_VERSION ]]; then
  initdb --username="$POSTGRES_USER" --auth=scram-sha-256 \
    --pwfile=<(echo "$POSTGRES_PASSWORD")
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single postgres
fi
exec postgres -c listen_addresses='*'
END
  chmod +x "$folder/start"
  printf '%s\n' "FROM $PREFIX/debian" \
    "RUN apt-get update -q && apt-get install -qy --no-install-recommends postgresql" \
    "RUN install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data" \
    "COPY start /usr/local/bin/start" "ENTRYPOINT [\"start\"]" |
    podman build --isolation=chroot --network=host --pull=never \
      --tag "$PREFIX/postgres" --file - "$folder"
}

# The engine's interface on a socket of our own, until this script ends.
serve() {
  export DOCKER_HOST=unix://$FOLDER/podman.sock
  podman system service --time=0 "$DOCKER_HOST" &
  service=$!
  trap 'kill "$service" 2>/dev/null || true' EXIT
  local -r end=$((SECONDS + 30))
  until [[ -S $FOLDER/podman.sock ]]; do
    ((SECONDS < end)) || die "podman offers no interface"
    sleep 0.1
  done
}

configure
make_base
for target in server trainer client; do build "$target"; done
stand_in prometheus prometheus prometheus
stand_in alertmanager prometheus-alertmanager prometheus-alertmanager
stand_in haproxy haproxy /usr/bin/env
stand_in_database
serve
say "images"
podman images --format '{{.Repository}} {{.Size}}' "$PREFIX/adv-*"
export ADV_SERVER_IMAGE=$PREFIX/adv-server ADV_TRAINER_IMAGE=$PREFIX/adv-trainer
export ADV_CLIENT_IMAGE=$PREFIX/adv-client
export ADV_PROMETHEUS_IMAGE=$PREFIX/prometheus
export ADV_ALERTMANAGER_IMAGE=$PREFIX/alertmanager
export ADV_HAPROXY_IMAGE=$PREFIX/haproxy ADV_DATABASE_IMAGE=$PREFIX/postgres
/usr/bin/python3 -B -u tests/deploy/compose/compose_test.py "$@"
