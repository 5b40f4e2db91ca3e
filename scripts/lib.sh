# Sourced by the scripts beside it: where things are, and how to speak.
set -euo pipefail
# Keys and tokens of a stack are nobody else's business.
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools
envoy=$tools/envoy/envoy/_bin/envoy
kube=${KUBEBUILDER_ASSETS:-$tools/kube}
keyhole=$root/target/debug/keyhole
wasm=$root/target/wasm32-wasip1/release/keyhole_filter.wasm

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' green='' red='' plain=''
fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
die() {
  printf '%s%s: %s%s\n' "$red" "$(basename "$0")" "$*" "$plain" >&2
  exit 1
}

# libraries PROGRAM...: their shared objects, each where the dynamic linker looks for it, as
# k8s/image/archive takes files.
libraries() { ldd "$@" | grep -o '/[^ ]*\.so[^ ]*' | sort -u | sed 's/.*/&=&/'; }

# Flags of rustc that keep the builder's folders out of what is built, so that it is the
# same everywhere. `cargo fetch` first: a folder counts that is there.
remapped() {
  local folder
  for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    printf ' --remap-path-prefix=%s=cargo' "$folder"
  done
}

# Builds programs of tests/kube, named with their versions, into a folder.
kubernetes() {
  local into=$1 version=k8s.io/component-base/version
  shift
  mkdir -p "$into"
  (cd "$root/tests/kube" && go build -trimpath -buildvcs=false -o "$into/" -ldflags "-s -w
    -X $version.gitVersion=v1.36.3 -X $version.gitMajor=1 -X $version.gitMinor=36" "${@/#/./}") ||
    die "Go could not build Kubernetes: it needs Go 1.26 and the Go module proxy"
}

# debian FOLDER PACKAGE...: unpacks Debian's packages into a folder; nothing is installed or
# started. apt checks them against Debian's signatures.
debian() {
  local into=$1
  shift
  command -v apt-get >/dev/null || die "missing: $1. Install it and run this again."
  rm -rf "${into:?}"
  mkdir -p "$into/packages"
  # As root, apt would rather download as a user who may not write here.
  download() { (cd "$into/packages" && apt-get download -qq -o APT::Sandbox::User=root "$@"); }
  # What apt knows of the packages may be too old, or nothing at all.
  download "$@" 2>/dev/null || { apt-get update -qq && download "$@"; } ||
    die "apt could not download $*: install them, or let it reach Debian's packages"
  find "$into/packages" -name '*.deb' -exec dpkg --extract {} "$into" ';'
  rm -rf "$into/packages"
}

# program FILE PACKAGE...: makes FILE the program of its name: the machine's own, or else that
# of Debian's packages, unpacked beside it with the libraries that it needs.
program() {
  local file=$1 name=${1##*/} unpacked=$1.debian own
  shift
  mkdir -p "${file%/*}"
  if own=$(command -v "$name"); then
    say "$name: $own"
    ln -sfn "$own" "$file"
    return
  fi
  say "$name: unpacking Debian's packages; nothing is installed"
  debian "$unpacked" "$@"
  printf '#!/bin/sh\nLD_LIBRARY_PATH=$(echo %q/usr/lib/*-linux-gnu*) exec %q "$@"\n' \
    "$unpacked" "$(find "$unpacked/usr" -path "*bin/$name")" >"$file"
  chmod +x "$file"
}

# The folder of a running stack: `--state DIR` if given, else $KEYHOLE_STATE, else
# target/up. Leaves the other arguments in `rest`.
state_from() {
  state=${KEYHOLE_STATE:-$root/target/up}
  rest=()
  while [ $# -gt 0 ]; do
    case $1 in
    --state)
      [ $# -ge 2 ] || die "--state needs a folder"
      state=$(realpath -m "$2")
      shift 2
      ;;
    *)
      rest+=("$1")
      shift
      ;;
    esac
  done
}
