#!/usr/bin/env bash
# `./dev trixie`: builds this tree on Debian 13 with its g++ 14, CMake 3.31 and
# LibTorch 2.6, warnings being errors, and runs the tests that start no server.
# The system is a folder, made once; nothing of this machine changes. Needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SOURCE=$PWD
readonly FOLDER=$PWD/build/trixie
readonly SYSTEM=$FOLDER/system
# The sections of packages.txt that builds need. ONNX Runtime is a package there.
readonly SECTIONS='/^# Tests/ { exit } /^[^#]/'
readonly EXTRA=(libonnxruntime-dev)

say() { printf '\033[1m==> %s (%d s)\033[0m\n' "$*" "$SECONDS"; }
die() {
  printf 'dev trixie: %s\n' "$*" >&2
  exit 1
}

((EUID == 0)) || die "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null ||
  die "no debootstrap; install Debian's package of that name"

# The system has all packages: it is whole, or it is made again.
make_system() {
  [[ ! -e $FOLDER/made || packages.txt -nt $FOLDER/made ]] || return 0
  say "making a Debian 13 in $SYSTEM, about 2 GB"
  rm -rf "$SYSTEM"
  mkdir -p "$SYSTEM"
  debootstrap --variant=minbase trixie "$SYSTEM"
  local -a packages
  mapfile -t packages < <(awk "$SECTIONS" packages.txt)
  chroot "$SYSTEM" apt-get update -q
  DEBIAN_FRONTEND=noninteractive chroot "$SYSTEM" apt-get install -qy \
    --no-install-recommends "${packages[@]}" "${EXTRA[@]}"
  touch "$FOLDER/made"
}

# inside COMMAND...: in the system, where this tree is /source, read-only, and
# what is built lies in /build. The mounts end with the command.
inside() {
  mkdir -p "$SYSTEM/source" "$SYSTEM/build" "$SYSTEM/proc" "$FOLDER/ccache"
  # shellcheck disable=SC2016 # for the inner shell
  unshare --mount bash -ec '
    mount --bind -o ro "$1" "$2/source"
    mount -t proc proc "$2/proc"
    mount --rbind /dev "$2/dev"
    mount --rbind /sys "$2/sys"
    system=$2
    shift 2
    exec chroot "$system" "$@"' - "$SOURCE" "$SYSTEM" \
    env HOME=/root OMP_WAIT_POLICY=passive CCACHE_BASEDIR=/source \
    CCACHE_DIR=/build/ccache "$@"
}

make_system
say "versions"
inside bash -c 'g++ --version | head -1; cmake --version | head -1
  dpkg-query --show libtorch-dev libgrpc++-dev libprotobuf-dev libcpp-httplib-dev'
say "building"
inside cmake --preset dev -S /source -B /build
inside cmake --build /build --parallel "$(nproc)" -- -k 0
say "testing"
inside ctest --test-dir /build --output-on-failure --parallel "$(nproc)" \
  --label-exclude 'e2e|integration|checks|zoo|deploy|gpu' "$@"
say "done"
