#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: everything works as an ordinary user too: no root, no daemon, no group.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" -eq 0 ] || skip "already an ordinary user: the other tests show it"
command -v setpriv >/dev/null || skip "setpriv is missing"

# The checkout may lie below a private folder: give the user copies.
uid=48123
mkdir "$WORK/bin"
cp "$BUILD/assay" "$BUILD/assay-box" "$WORK/bin/"
cp -r "$ROOT/tasks/data/quick" "$WORK/quick"
chmod 755 "$WORK" && chmod -R a+rX "$WORK"
mkdir "$WORK/home" && chown "$uid:$uid" "$WORK/home"
as_user() {
    setpriv --reuid "$uid" --regid "$uid" --clear-groups env -i PATH=/usr/bin:/bin CI=1 \
        HOME="$WORK/home" ASSAY_HOME="$WORK/home/assay" "$WORK/bin/assay" "$@"
}
run 0 as_user doctor
run 0 as_user suite add "$WORK/quick"
set -- --instance quick__ini-reader-1 --instance quick__csv-stream-1 --instance quick__ring-buffer-1 \
    --instance quick__json-lex-1 --instance quick__shell-quote-1
run 0 as_user eval quick --gold --json "$@"
[ "$(json 'd["resolved_instances"]')" = 5 ] || fail "gold as a user: $(cat "$WORK/out")"
run 0 as_user eval quick --empty --json "$@"
[ "$(json 'd["resolved_instances"]')" = 0 ] || fail "empty as a user: $(cat "$WORK/out")"
# A box for its own sake: a tree of the user's own, copied on write, kept in a folder of the user's own.
mkdir "$WORK/home/tree" && echo old >"$WORK/home/tree/file" && chown -R "$uid:$uid" "$WORK/home/tree"
run 0 as_user box run --tree "$WORK/home/tree" --keep "$WORK/home/kept" --learn -- \
    sh -c 'id -un; echo new >file; unshare -U true; cat file'
has out box
has out new
has err "assay: refused: unshare (EPERM), 1 time, by unshare in "
[ "$(cat "$WORK/home/tree/file" "$WORK/home/kept/upper/file")" = "$(printf 'old\nnew')" ] || fail "box run as a user"
[ "$(stat -c %u "$WORK/home/kept/upper/file")" = "$uid" ] || fail "what is kept is not the user's"
