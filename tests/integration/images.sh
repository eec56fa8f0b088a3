#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: an OCI layout and a docker archive become one root, file by file what their layers
# say (whiteouts, opaque folders, hard links, modes, attributes); equal contents are kept once; a
# recipe starts from it; what is hostile or broken is refused, and nothing of it stays.
. "$(dirname "$0")/lib.sh"

make="/usr/bin/python3 $ROOT/tests/support/image_make.py"
rootfs() {
    echo "$ASSAY_HOME/images/$(cat "$ASSAY_HOME/images/names/$1")/rootfs"
}
packed=--plain
command -v zstd >/dev/null && packed=
for seed in 1 2 3; do
    $make layout "$WORK/image$seed" $seed $packed
    run 0 assay image import "$WORK/image$seed" --name "image$seed"
    $make compare "$WORK/image$seed" "$(rootfs image$seed)" >"$WORK/said" || fail "seed $seed: $(cat "$WORK/said")"
done
# The same image again, from a tar, is the same: nothing is new.
tar -C "$WORK/image1" -czf "$WORK/image1.tar.gz" oci-layout index.json blobs
run 0 assay image import "$WORK/image1.tar.gz" --name again --json
[ "$(rootfs image1)" = "$(rootfs again)" ] || fail "another image from the same layout"
# As docker save writes it: the config and the layers are the same, and so is the image.
/usr/bin/python3 - "$WORK/image1" "$WORK/docker.tar" <<'PY'
import gzip, io, json, subprocess, sys, tarfile
src, out = sys.argv[1:]
blob = lambda d: open(f"{src}/blobs/sha256/" + d.split(":")[1], "rb").read()
man = json.loads(blob(json.load(open(f"{src}/index.json"))["manifests"][0]["digest"]))
config, tar = blob(man["config"]["digest"]), tarfile.open(out, "w")
def add(name, data):
    info = tarfile.TarInfo(name); info.size = len(data); tar.addfile(info, io.BytesIO(data))
names = []
for i, layer in enumerate(man["layers"]):
    data = blob(layer["digest"])
    if data[:2] == b"\x1f\x8b": data = gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd": data = subprocess.run(["zstd", "-dqc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    names.append(f"layer{i}/layer.tar"); add(names[-1], data)
add("config.json", config)
add("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": ["demo:one"], "Layers": names},
                                 {"Config": "config.json", "RepoTags": ["demo:two"], "Layers": names}]).encode())
tar.close()
PY
run 1 assay image import "$WORK/docker.tar"
has err "2 images in it: --ref must tell which"
run 0 assay image import "$WORK/docker.tar" --name docker --ref demo:one
[ "$(rootfs image1)" = "$(rootfs docker)" ] || fail "another image from docker's archive"

# --- a recipe
$make shell "$WORK/shell"
run 0 assay image import "$WORK/shell" --name shell --json
[ "$(/usr/bin/python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["workdir"])' "$WORK/out")" = /srv ] || fail "no workdir"
RECIPES='"i": {"base": "image:shell", "setup": ["echo made >/env/made"], "env": {"X": "y"}, "workdir": "/testbed"},
    "none": {"base": "image:nosuch", "setup": [], "env": {}, "workdir": "/testbed"}'
suite_begin imaged
instance in-image 'read s <state; read m </etc/marker; read l </srv/second; read e </env/made
[ "$s" = yes ] && [ "$m" = "of the image" ] && [ "$l" = layer ] && [ "$e" = made ] && [ ! -e /usr/bin/env ]' '"recipe": "i"'
instance no-image 'true' '"recipe": "none"'
run 0 assay suite add "$SUITE"
run 3 assay eval imaged --gold --json
[ "$(json 'd["resolved_ids"]')" = "['in-image']" ] || fail "gold in an image: $(cat "$WORK/out")"
run 3 assay eval imaged --empty --json
[ "$(json 'd["resolved_instances"]')" = 0 ] || fail "empty in an image"

# --- hostile
before=$(find "$ASSAY_HOME/images" -maxdepth 1 | sort | cksum)
refuse() {
    rm -rf "$WORK/bad"
    $make hostile "$WORK/bad" "$1"
    run 1 assay image import "$WORK/bad" --name bad --max-bytes 4000000 --max-entries 1000
    has err "$2"
}
refuse dotdot "a path that leads out"
refuse dotdot-inside "a path that leads out"
refuse hard-link-out "a path that leads out"
refuse hard-link-absolute "a hard link to what is no file"
refuse device "neither file, folder nor link"
refuse fifo "neither file, folder nor link"
refuse overlay-attribute "an attribute of overlayfs"
refuse link-loop "links without end"
refuse hole "more than 4000000 bytes"
refuse bomb "more than 4000000 bytes"
refuse digest "its SHA-256 is"
refuse manifest "its SHA-256 is"
refuse diff-id "what the layer holds: its SHA-256 is"
refuse path-digest "a manifest without a sha256"
printf 'nothing of the kind' >"$WORK/text"
run 1 assay image import "$WORK/text"
[ "$before" = "$(find "$ASSAY_HOME/images" -maxdepth 1 | sort | cksum)" ] || fail "something hostile stayed"
[ ! -e "$ASSAY_HOME/images/names/bad" ] || fail "something hostile has a name"

# An image that lost its name goes when it is old enough, with what it alone held; the others stay whole.
count() { find "$ASSAY_HOME/images" -mindepth 2 -maxdepth 2 -name rootfs | wc -l; }
blobs() { find "$ASSAY_HOME/images/blobs" -type f | wc -l; }
all=$(count)
contents=$(blobs)
run 0 assay store prune --older-than 30
[ "$(count)" = "$all" ] || fail "an image with a name went"
old=$(cat "$ASSAY_HOME/images/names/image2")
run 0 assay image import "$WORK/image1" --name image2
run 0 assay store prune --older-than 30
[ -d "$ASSAY_HOME/images/$old" ] || fail "an image that is not old went"
run 0 assay store prune --older-than 0
[ ! -d "$ASSAY_HOME/images/$old" ] || fail "an image without a name stayed: $(cat "$WORK/out")"
[ "$(count)" = $((all - 1)) ] && [ "$(blobs)" -lt "$contents" ] || fail "$(count) images, $(blobs) contents"
[ -d "$ASSAY_HOME/images/$(cat "$ASSAY_HOME/images/names/image2")/rootfs" ] || fail "the named one went"
no_leftovers
