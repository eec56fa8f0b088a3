#!/bin/sh
# SPDX-License-Identifier: MIT
# real_diffs.sh REPOSITORY OUT COUNT: the diffs of its last COUNT commits, for the oracle tests of the
# patch engine: OUT/<n>/patch, and OUT/<n>/tree with the files that it is for, as they were before.
set -eu
repository=$1
out=$2
count=$3
git="git -C $repository -c safe.directory=* -c core.quotepath=true"
n=0
while [ -e "$out/$n/patch" ]; do
    n=$((n + 1))
done
for commit in $($git log --no-merges --min-parents=1 --format=%H -n "$count"); do
    mkdir -p "$out/$n/tree"
    $git diff --binary -M "$commit^" "$commit" >"$out/$n/patch"
    size=$(wc -c <"$out/$n/patch")
    # Large ones would make every case slow; a tree holds at most 256 files.
    if [ "$size" -eq 0 ] || [ "$size" -gt 60000 ] ||
        [ "$($git diff --no-renames --name-only "$commit^" "$commit" | wc -l)" -gt 60 ]; then
        rm -rf "${out:?}/$n"
        continue
    fi
    $git diff --no-renames --diff-filter=DMT --name-only -z "$commit^" "$commit" >"$out/$n/names"
    if [ -s "$out/$n/names" ]; then
        # shellcheck disable=SC2086
        xargs -0 $git archive "$commit^" -- <"$out/$n/names" | tar -x -C "$out/$n/tree"
    fi
    rm "$out/$n/names"
    n=$((n + 1))
done
