#!/usr/bin/env bash
# What `./dev gpu` does on a machine with a GPU and no network; README.md beside
# this tells of the machine. Every step has a time limit of its own, results lie
# in one folder from the start, and a step that fails does not hide the next.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

KIT=$(realpath -m "${ADV_GPU_KIT:-.gpu/kit}")
RESULTS=$(realpath -m "${ADV_GPU_RESULTS:-${OUT:-build/gpu-results}}")
TRAIN_SECONDS=${ADV_GPU_TRAIN_SECONDS:-300}
TRAIN_MODELS=${ADV_GPU_TRAIN_MODELS:-all}
BENCH_SECONDS=${ADV_GPU_BENCH_SECONDS:-60}
PEERS=${ADV_GPU_PEERS:-.gpu/peers}
readonly KIT RESULTS TRAIN_SECONDS TRAIN_MODELS BENCH_SECONDS PEERS
readonly SELF=$PWD/tests/gpu/run.sh
readonly DATA=/tmp/adv-cifar10 STORE=/tmp/adv-store
failed=()

usage() {
  cat <<END
usage: ./dev gpu VERB...

  build    the programs and the GPU tests, about 90 s on 16 cores
  test     every attack against the CPU's verdicts and more, about 60 s
  bench    beside torchattacks and foolbox, about 100 s and AutoAttack
  train    models in parallel for ADV_GPU_TRAIN_SECONDS ($TRAIN_SECONDS)
  profile  where the time of an attack goes, about 20 s

Reads ADV_GPU_KIT (.gpu/kit, what tests/gpu/pack.sh made), ADV_GPU_PEERS
(.gpu/peers, folder of Python libraries to compare with), ADV_GPU_TRAIN_MODELS
(all), ADV_GPU_TRAIN_FLAGS, ADV_GPU_BENCH_SECONDS; writes into
ADV_GPU_RESULTS, or \$OUT, or build/gpu-results.
END
}

say() { printf '%s %4d s  %s\n' "$(date +%T)" "$SECONDS" "$*" | tee -a "$RESULTS/steps.txt"; }

# step NAME SECONDS COMMAND...: its output goes to NAME.txt, its end to us.
step() {
  local name=$1 limit=$2 status=0
  shift 2
  say "$name: at most $limit s"
  timeout --kill-after=10 "$limit" "$@" >"$RESULTS/$name.txt" 2>&1 || status=$?
  say "$name: exit $status"
  ((status == 0)) || failed+=("$name")
  return "$status"
}

# The libraries, then LibTorch of python3's torch.
build() {
  tar -C / --skip-old-files -xf "$KIT/root.tar.xz" && ldconfig || return
  local -r binary=build/gpu
  local -r targets=(advserver advctl advtrain gpu_tests)
  cmake -G Ninja -S . -B "$binary" -DBUILD_TESTING=ON \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 \
    -DCMAKE_EXE_LINKER_FLAGS=-Wl,--allow-shlib-undefined \
    -DCMAKE_PREFIX_PATH="$TORCH/share/cmake" \
    -DCMAKE_POLICY_VERSION_MINIMUM=3.5 || return
  ninja -C "$binary" -t commands advtrain | tail -1
  ninja -C "$binary" -k 0 "${targets[@]}"
}

use_torch() {
  TORCH=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')
  export PATH=/usr/local/cuda/bin:$PATH CPATH=/usr/local/cuda/include
  export TORCH_CUDA_ARCH_LIST=${TORCH_CUDA_ARCH_LIST:-9.0}
  export OMP_WAIT_POLICY=passive
  export ADV_SOURCE_DIR=$PWD ADV_BUILD_DIR=$PWD/build/gpu
  local libraries
  libraries=$TORCH/lib:$(printf '%s:' "$TORCH"/../nvidia/*/lib)
  export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:-}
  PATH=$PWD/build/gpu/server:$PWD/build/gpu/client:$PATH
  export PATH=$PWD/build/gpu/model_store/trainer:$PATH
}

check() {
  local status=0
  python3 -B tests/layering/link_order_test.py || status=1
  build/gpu/tests/server/gpu/server_gpu_test || status=1
  build/gpu/tests/engine/gpu/gpu_test \
    --gtest_output="json:$RESULTS/gpu_test.json" || status=1
  return "$status"
}

bench() {
  python3 -B -u tests/gpu/bench.py --peers="$PEERS" --seconds="$BENCH_SECONDS" \
    --auto-attack="${ADV_GPU_BENCH_AUTO_ATTACK:-1000}"
}

profile() {
  local -r here=$(mktemp -d)
  advserver --listen=127.0.0.1:50198 --metrics-listen=127.0.0.1:9498 \
    --state=:memory: --store=model_store/zoo --device=cuda \
    >"$here/log" 2>&1 &
  local -r server=$!
  export ADV_SERVER=127.0.0.1:50198
  local ready=1
  for _ in {1..100}; do
    advctl --server="$ADV_SERVER" server info >/dev/null 2>&1 && ready=0 && break
    sleep 0.2
  done
  nvidia-smi dmon -s pucm -c 12 >"$RESULTS/dmon.txt" 2>&1 &
  local tile
  for tile in 128 512 1000; do
    advctl --server="$ADV_SERVER" evaluate --model=balanced --no-compare \
      --attack=fgsm,pgd:steps=40,apgd,square:queries=500 --epsilon=8/255 \
      --tile-size="$tile" | grep -A9 'images/s'
  done
  kill "$server"
  wait "$server"
  return "$ready"
}

unpack_data() {
  [[ -d $DATA/cifar-10-batches-bin ]] && return
  local -r here=$(mktemp -d)
  tar -C "$here" -xJf "$KIT/data.tar.xz" || return
  if [[ -x $here/data/unpack ]]; then
    "$here/data/unpack" "$DATA" >/dev/null
  else
    mv "$here"/* "$DATA"
  fi
}

# Stopped at the limit it leaves what is finished in the store, and checkpoints
# of the rest. Both come back in parts of 15 MB.
train() {
  unpack_data || return
  local status=0
  # shellcheck disable=SC2086 # flags are words
  timeout --signal=TERM --kill-after=30 "$TRAIN_SECONDS" advtrain \
    --models="$TRAIN_MODELS" --data="$DATA/cifar-10-batches-bin" \
    --dataset-name=cifar10-jpeg75 --store="$STORE" --device=cuda \
    ${ADV_GPU_TRAIN_FLAGS:-} || status=$?
  collect
  # 124: the time was up, which is no failure.
  ((status == 0 || status == 124))
}

collect() {
  find "$STORE" -name manifest.json
  tar -C "$STORE" --exclude=.training --exclude=.staging -c . |
    split -b 15M - "$RESULTS/models.tar."
}

main() {
  (($# > 0)) || { usage; exit 2; }
  local verb
  for verb in "$@"; do
    case $verb in
      build | test | bench | train | profile) ;;
      *) usage >&2; echo "unknown verb: $verb" >&2; exit 2 ;;
    esac
  done
  mkdir -p "$RESULTS"
  use_torch
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader |
    tee "$RESULTS/steps.txt"
  if [[ ! -x build/gpu/server/advserver || " $* " == *" build "* ]]; then
    step build 300 "$SELF" work build || {
      grep -E 'error|undefined' "$RESULTS/build.txt" | head -40
      exit 1
    }
  fi
  for verb in "$@"; do
    case $verb in
      build) ;;
      test) step test 240 "$SELF" work check ;;
      bench) step bench $((BENCH_SECONDS * 2 + 240)) "$SELF" work bench ;;
      train) step train $((TRAIN_SECONDS + 90)) "$SELF" work train ;;
      profile) step profile 120 "$SELF" work profile ;;
    esac
  done
  ((${#failed[@]} == 0)) || {
    say "failed: ${failed[*]}"
    exit 1
  }
}

if [[ ${1:-} == work ]]; then
  use_torch
  "$2"
else
  main "$@"
fi
