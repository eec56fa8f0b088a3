#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install the packages that assay needs, on Debian 12 or Ubuntu 24.04, as root or with sudo.
#
#     .ci/install.sh build    compile the programs
#     .ci/install.sh test     ... and run the tests        (default)
#     .ci/install.sh check    ... and everything of .ci/run
#     .ci/install.sh conformance  ... and what make conformance needs
#     .ci/install.sh bench    what make bench needs: build, and the peers
#
# Quiet, and without a look at the network, when everything is there already.
set -euo pipefail

build=(gcc libc6-dev make cmake ninja-build pkg-config libcjson-dev libssl-dev libxxhash-dev libsqlite3-dev
    libgit2-dev libarchive-dev libpcre2-dev libutf8proc-dev libexpat1-dev libseccomp-dev libcurl4-openssl-dev
    libmicrohttpd-dev libwslay-dev zlib1g-dev libzstd-dev libyaml-dev libcmocka-dev)
# What the tests, and the suites that ship, run besides our own programs.
test=(git patch python3 python3-pytest util-linux perl procps findutils tar gzip libfaketime curl)
conformance=(chromium prometheus python3-pip python3-venv gcovr golang-go cargo nodejs ruby ruby-minitest skopeo umoci debootstrap)
bench=(bubblewrap git libopenblas-dev)
check=(clang libclang-rt-dev clang-format-14 clang-tidy-14 cppcheck gcovr)

case "${1:-test}" in
build) wanted=("${build[@]}") ;;
test) wanted=("${build[@]}" "${test[@]}") ;;
check) wanted=("${build[@]}" "${test[@]}" "${check[@]}") ;;
bench) wanted=("${build[@]}" "${bench[@]}") ;;
conformance) wanted=("${build[@]}" "${test[@]}" "${conformance[@]}") ;;
*)
    echo "usage: .ci/install.sh [build|test|check|conformance|bench]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "install.sh knows apt only; install what is like: ${wanted[*]}" >&2
    exit 0
fi
missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "these packages are missing, and this is neither root nor is there sudo: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null
}

echo "installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
