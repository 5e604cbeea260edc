#!/usr/bin/env bash
# Packs what a GPU machine without a network lacks: Debian 12's libraries that
# this project needs. Run it where apt-get works; takes half a minute.
#
# usage: tests/gpu/pack.sh KIT [CIFAR10_FOLDER]
#
# KIT is a new or old folder. Writes KIT/root.tar.xz, 10 MB, which run.sh unpacks
# over / there without replacing a file, and KIT/data.tar.xz if a folder of
# CIFAR-10 (or what unpacks one) is named.
set -euo pipefail
mkdir -p "$1"
kit=$(cd "$1" && pwd)
data=${2:+$(cd "$2" && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root"
cd "$work/debs"
apt-get -qq download libgrpc++-dev libgrpc-dev libgrpc++1.51 libgrpc29 \
  libprotobuf-dev libprotobuf32 libprotoc32 libprotoc-dev protobuf-compiler \
  protobuf-compiler-grpc libabsl-dev libabsl20220623 prometheus-cpp-dev \
  libprometheus-cpp-core1.0 libprometheus-cpp-pull1.0 \
  libprometheus-cpp-push1.0 libcpp-httplib-dev libcpp-httplib0.11 \
  libbrotli-dev libbrotli1 libexif-dev libexif12 libzip-dev libzip4 \
  libcli11-dev libsqlite3-dev libsqlite3-0 libssl-dev libstb-dev \
  nlohmann-json3-dev libgtest-dev libgmock-dev libre2-9 libre2-dev libc-ares2 \
  libc-ares-dev zlib1g-dev libcurl4 libcurl4-openssl-dev
for deb in *.deb; do dpkg -x "$deb" "$work/root"; done
cd "$work/root"
rm -rf usr/share/{doc,man,lintian,bash-completion,perl5} usr/src etc lib
find . -name '*.a' ! -name 'libgtest*' ! -name 'libgmock*' ! -name 'libstb*' \
  -delete
ln -sf libz.so.1 usr/lib/x86_64-linux-gnu/libz.so # Debian's is absolute
XZ_OPT='-T0 -6' tar -cJf "$kit/root.tar.xz" usr
if [[ $data ]]; then
  XZ_OPT=-0 tar -C "$(dirname "$data")" -cJf "$kit/data.tar.xz" \
    "$(basename "$data")"
fi
ls -l "$kit"
