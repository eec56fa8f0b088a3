#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-tidy over every C file of ours that the given build compiles; unchanged files are not
# checked again.
#
#     .ci/tidy.sh [BUILD_DIR]    default build/clang, which must be configured
#
# One process a file, and one command a file (some are compiled for two libraries): clang-tidy 14
# reports every va_list but the first one's as uninitialised.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:-build/clang}
mkdir -p "$build/tidy/commands"
export build
python3 - "$build" <<'EOF'
import json, sys

build = sys.argv[1]
with open(f"{build}/compile_commands.json") as file:
    first = {row["file"]: row for row in reversed(json.load(file))}
with open(f"{build}/tidy/commands/compile_commands.json", "w") as file:
    json.dump(list(first.values()), file)
EOF

check_one() {
    local file=$1 stamp key
    stamp=$build/tidy/${file//\//_}
    # What the result depends on: the settings, the file, and our headers below it.
    key=$({
        cat .clang-tidy
        clang -MM -D_GNU_SOURCE -std=c11 -I. -Itests -I"$build" "$file" 2>/dev/null |
            tr -d '\\\n' | cut -d: -f2- | xargs -r cat
    } | sha256sum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
        return 0
    fi
    if ! clang-tidy-14 -p "$build/tidy/commands" --quiet "$file" 2>"$stamp.err"; then
        grep -vE 'warnings? (and [0-9]+ errors? )?generated|^Suppressed|^Use -header' \
            "$stamp.err" || true
        return 1
    fi
    echo "$key" >"$stamp"
}
export -f check_one

git ls-files -co --exclude-standard -- '*.c' | while read -r file; do
    ! grep -qF "\"file\": \"$PWD/$file\"" "$build/compile_commands.json" || echo "$file"
done | xargs -P "${ASSAY_JOBS:-2}" -I{} bash -euo pipefail -c 'check_one "$1"' _ {}
