#!/bin/bash
# SPDX-License-Identifier: MIT
# Run the sandbox's tests of causes and of death on the host shapes that this machine can be made to
# look like, by unmounting and masking in mount namespaces of their own. A row a shape.
#
#     bash tests/conformance/shapes.sh TABLE
#
# Needs root, a hybrid host (v1 controllers beside a v2 tree) and build/dev. What a host of v2 with
# controllers does is shown by bench/on_host.sh there.
set -u
cd "$(dirname "$0")/../.."
table=$1
build=$PWD/build/dev
code=0
group=assay-shapes-$$
uid=61234 # of tests/sandbox/as_user.c

controllers() { awk '$3 == "cgroup" {print $2}' /proc/mounts; }

# NAME PREPARE PREFIX: the tests pass after `sh -c PREPARE` in a mount namespace of their own.
row() {
    local log=build/conformance/shape.log what="" result=passed name
    : >"$log"
    for name in causes death layers; do
        ASSAY_BUILD_DIR=$build ASSAY_TEST_TIER=${tier:-} timeout 300 \
            unshare -m sh -c "$2; exec $3 $build/tests/sandbox_${name}_test" >>"$log" 2>&1 || result=failed
        grep -qa '^SKIP' "$log" && result=skipped
    done
    what=$(grep -a -m1 '^uid' "$log" || grep -a -m1 '^SKIP' "$log")
    [ "$result" = passed ] || { code=1 && tail -n 40 "$log" >&2; }
    echo "| sandbox on another shape: $1 | $what: causes, death, layers $result | $([ "$result" = passed ] && echo met || echo MISSED) |" >>"$table"
}

# A group of its own in each tree, given to the user, with us in it.
delegate() {
    local tree
    for tree in $(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts); do
        mkdir "$tree/$group" 2>/dev/null && chown -R "$uid:$uid" "$tree/$group" 2>/dev/null
        [ "${tree##*/}" = cpuset ] && cat "$tree/cpuset.cpus" >"$tree/$group/cpuset.cpus" &&
            cat "$tree/cpuset.mems" >"$tree/$group/cpuset.mems"
    done
    echo "for tree in $(awk '$3 ~ /^cgroup2?$/ {printf "%s ", $2}' /proc/mounts); do echo \$\$ >\$tree/$group/cgroup.procs; done"
}

undo() {
    local tree
    for tree in $(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts); do
        rmdir "$tree/$group"/* "$tree/$group" 2>/dev/null
    done
}

mkdir -p build/conformance
unified=$(awk '$3 == "cgroup2" {print $2}' /proc/mounts)
if [ "$(id -u)" != 0 ] || [ -z "$unified" ] || [ -z "$(controllers)" ]; then
    echo "| sandbox on other shapes | not root on a hybrid host | not run |" >>"$table"
    exit 0
fi
trap undo EXIT
row "v1" "umount $unified" ""
row "v2 without controllers" "umount $(controllers | tr '\n' ' ')" ""
row "hybrid, delegated to a user" "$(delegate)" "$build/tests/as_user"
row "v1, delegated to a user" "$(delegate); umount $unified" "$build/tests/as_user"
tier=B
mask="mount -t tmpfs none /proc/irq; mount --bind /dev/null /proc/timer_list; mount -o bind,ro /proc/sys /proc/sys"
row "/proc masked as in a container" "$mask" ""
exit "$code"
