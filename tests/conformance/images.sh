#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Container images beside skopeo and umoci (Debian): the root that assay lays out equals the one that
# umoci unpacks, file by file (mode, link, content, user.* attributes), for drawn images of 20 layers
# and for a Debian made by debootstrap; skopeo's docker archives give the same images. Appends its rows
# to the table of tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
seeds=${ASSAY_IMAGE_SEEDS:-20}
assay=${ASSAY_BUILD_DIR:-build/release}/assay
work=$(mktemp -d "${TMPDIR:-/tmp}/assay-images.XXXXXX")
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
export ASSAY_HOME=$work/home
make="/usr/bin/python3 tests/support/image_make.py"
code=0

# row WHAT RESULT BOUND PASSED
row() {
    echo "| $1 | $2 | $3 |" >>"$table"
    [ "$4" = 0 ] || code=1
}
rootfs() { echo "$ASSAY_HOME/images/$(cat "$ASSAY_HOME/images/names/$1")/rootfs"; }
for tool in skopeo umoci; do
    command -v "$tool" >/dev/null || { row images "no $tool" "not met" 1; exit 1; }
done
[ -x "$assay" ] || { cmake --preset release >/dev/null; cmake --build --preset release --target assay -- -j2 >/dev/null; }

equal=0 same=0 paths=0
for seed in $(seq "$seeds"); do
    $make layout "$work/i" "$seed" --plain
    "$assay" image import "$work/i" --name i >/dev/null
    umoci unpack --rootless --image "$work/i:latest" "$work/u" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    said=$($make same "$work/u/rootfs" "$(rootfs i)") && equal=$((equal + 1)) || echo "seed $seed: $said" >&2
    count=${said##*$'\n'}
    paths=$((paths + ${count%% paths*}))
    skopeo copy -q "oci:$work/i:latest" "docker-archive:$work/d.tar:demo:latest"
    "$assay" image import "$work/d.tar" --name d >/dev/null
    [ "$(rootfs i)" = "$(rootfs d)" ] && same=$((same + 1))
    chmod -R u+rwX "$work/u"
    rm -rf "$work/i" "$work/u" "$work/d.tar"
done
versions="umoci $(umoci --version | awk '{ print $3 }'), skopeo $(skopeo --version | awk '{ print $3 }')"
good=$([ "$equal" = "$seeds" ] && echo 0 || echo 1)
row "images of 20 layers beside umoci ($versions)" "$equal of $seeds equal, $paths paths" "$([ "$good" = 0 ] && echo met || echo "not met")" "$good"
good=$([ "$same" = "$seeds" ] && echo 0 || echo 1)
row "the same as skopeo's docker archives" "$same of $seeds are the same image" "$([ "$good" = 0 ] && echo met || echo "not met")" "$good"

# A real root. Devices are the kernel's: an image need not have them, and one that has is refused.
if [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null &&
    debootstrap --variant=minbase bookworm "$work/debian" >"$work/log" 2>&1; then
    umoci init --layout "$work/deb" && umoci new --image "$work/deb:latest"
    umoci unpack --image "$work/deb:latest" "$work/bundle" >/dev/null 2>&1
    rm -rf "$work/debian/dev"
    cp -a "$work/debian/." "$work/bundle/rootfs/"
    umoci repack --image "$work/deb:latest" "$work/bundle" >/dev/null 2>&1
    started=$(date +%s%N)
    "$assay" image import "$work/deb" --name debian >"$work/said"
    ms=$((($(date +%s%N) - started) / 1000000))
    umoci unpack --rootless --image "$work/deb:latest" "$work/u" >/dev/null 2>&1
    if said=$($make same "$work/u/rootfs" "$(rootfs debian)"); then good=0; else good=1; echo "$said" >&2; fi
    row "Debian 12 (debootstrap minbase) beside umoci" "${said##*$'\n'}; imported in $ms ms" "$([ "$good" = 0 ] && echo met || echo "not met")" "$good"
else
    row "Debian 12 (debootstrap)" "no debootstrap, or no root, or no network" "-" 0
fi
exit "$code"
