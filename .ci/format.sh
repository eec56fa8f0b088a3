#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-format 14 over every C and CUDA file of ours, and an SPDX line in every file.
#
#     .ci/format.sh check    fail and list what differs
#     .ci/format.sh fix      rewrite
set -euo pipefail
cd "$(dirname "$0")/.."

ours() {
    git ls-files -co --exclude-standard -- "$@" ':!tests/**/fixtures/**' ':!tests/fuzz/corpus/**' \
        ':!tasks/data/**' ':!tests/attacks/repos/**' |
        while read -r file; do [ ! -f "$file" ] || echo "$file"; done
}

if [ "${1:-check}" = fix ]; then
    ours '*.c' '*.h' '*.cu' '*.cuh' | xargs -r clang-format-14 -i
    exit 0
fi
rc=0
ours '*.c' '*.h' '*.cu' '*.cuh' | xargs -r clang-format-14 --dry-run --Werror || rc=1
while read -r file; do
    if ! head -n 5 "$file" | grep -q 'SPDX-License-Identifier: MIT'; then
        echo "$file: no SPDX line" >&2
        rc=1
    fi
done < <(ours '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.py' '*.cmake' '*CMakeLists.txt' '*.sql' '*.js' \
    '*.css' Makefile .ci/run)
exit "$rc"
