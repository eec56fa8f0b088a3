#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a host that gives less than the minimum tier scores nothing, and says why and what would
# help; one that was told to accept it stores the tier in every verdict.
. "$(dirname "$0")/lib.sh"

suite_begin small
instance small__a-1 "$PASS"
run 0 assay suite add "$SUITE"
printf '#!/bin/sh\nexec "%s/assay-box" "$@" --hide-user-namespaces\n' "$(readlink -f "$BUILD")" >"$WORK/weak"
chmod 755 "$WORK/weak"
export ASSAY_BOX_PROGRAM="$WORK/weak"
run "$([ "$(id -u)" = 0 ] && echo 0 || echo 1)" assay doctor
has out "to do better:"
has out "remedy:"
assay doctor --json >"$WORK/out" || true
tier=$(/usr/bin/python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); t=d["tiers"]
assert [x["tier"] for x in t] == ["A","B","C","D","none"] and [x["tier"] for x in t if x["here"]] == [d["tier"]]
assert all(x["what"] and x["remedy"] for x in t); print(d["tier"])' "$WORK/out")
[ "$tier" != A ] || fail "tier A without user namespaces"

refused() {
    run 1 assay "$@"
    has err "this host gives isolation tier $tier, and"
    has err "is the minimum (see assay doctor)"
}
refused eval small --gold
refused eval small --gold --min-tier B
refused grade small small__a-1 --gold
refused suite certify small --runs 1
refused box run -- true
ASSAY_MIN_TIER=B refused box run -- true
ASSAY_MIN_TIER="$tier" refused box run --min-tier A -- true # the option is the nearer word
ASSAY_MIN_TIER=Z run 2 assay box run -- true
has err ASSAY_MIN_TIER
run 0 assay report --list --json
[ "$(/usr/bin/python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))["runs"]))' "$WORK/out")" = 0 ] ||
    fail "a refused run was recorded: $(cat "$WORK/out")"
if [ "$tier" = C ]; then
    run 0 assay grade small small__a-1 --gold --min-tier C --json
    [ "$(json 'd["tier"], d["resolved"]')" = "C True" ] || fail "tier C: $(cat "$WORK/out")"
    ASSAY_MIN_TIER=C run 0 assay box run --json -- true
    has err '"tier":"C"'
    # The verdict of a weaker tier is not the answer on a stronger one.
    unset ASSAY_BOX_PROGRAM
    run 0 assay grade small small__a-1 --gold --json
    [ "$(json 'd["tier"], d["cached"]')" = "A False" ] || fail "a weaker verdict was used: $(cat "$WORK/out")"
else
    run 1 assay box run --min-tier "$tier" -- true
    has err "assay doctor"
fi
no_leftovers
