#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# No two rooms define one name: a static link would take either, without a word.
#
#     .ci/symbols.sh BUILD_DIR    every name that two rooms' libraries define is one line, exit 1
set -euo pipefail
twice=$(for library in "$1"/{base,tasks,sandbox,envs,rewards,kernels,policy,orchestrator}/libassay_*.a; do
    nm -g --defined-only "$library" 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-Z]/ && $2 !~ /[WV]/ {print $3}' | sort -u
done | sort | uniq -d | grep -v '^__' || true)
[ -z "$twice" ] || {
    printf 'defined by two rooms: %s\n' $twice >&2
    exit 1
}
