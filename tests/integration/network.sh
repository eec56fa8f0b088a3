#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: set-up steps and instances that ask for it reach the hosts on their lists and nothing else,
# what was refused is told, and a verdict knows which network it had. A registry on this host's loopback, which
# the user's own configuration names, stands for the real one.
. "$(dirname "$0")/lib.sh"

/usr/bin/python3 -m pip --version >/dev/null 2>&1 || skip "no pip"

# --- a registry with one small package, and what nobody has listed
site=$WORK/site
mkdir -p "$site/simple/tinypkg" "$WORK/other"
echo secret >"$WORK/other/secret"
/usr/bin/python3 - "$site/simple/tinypkg" <<'PY'
import sys, zipfile
name = "tinypkg-1.0-py3-none-any.whl"
with zipfile.ZipFile(sys.argv[1] + "/" + name, "w") as wheel:
    wheel.writestr("tinypkg.py", "answer = 42\n")
    wheel.writestr("tinypkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n")
    wheel.writestr("tinypkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("tinypkg-1.0.dist-info/RECORD", "")
open(sys.argv[1] + "/index.html", "w").write('<a href="%s">%s</a>' % (name, name))
PY
serve() { # DIR: $port, $server
    : >"$1.log"
    /usr/bin/python3 -u -m http.server --bind 127.0.0.1 --directory "$1" 0 >"$1.log" 2>&1 &
    server=$!
    servers="${servers:-} $server"
    port=""
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$1.log")
        [ -z "$port" ] || return 0
        sleep 0.2
    done
    fail "no server: $(cat "$1.log")"
}
# shellcheck disable=SC2064 # as they are now
finish() {
    ended=$?
    for pid in ${servers:-}; do kill "$pid" 2>/dev/null || true; done
    (exit "$ended") || cleanup # which looks at the status before it
    cleanup
}
trap finish EXIT
serve "$site"
registry=$port
serve "$WORK/other"
other=$port

for name in $(env | sed -n 's/^\(PIP_[A-Z_]*\)=.*/\1/p; s/^\([A-Za-z_]*_[Pp][Rr][Oo][Xx][Yy]\)=.*/\1/p'); do
    unset "$name"
done
export PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL="http://127.0.0.1:$registry/simple" PIP_TIMEOUT=5 PIP_RETRIES=0

# --- set-up
install='/usr/bin/python3 -m pip install -q --no-deps --target /env/lib tinypkg'
RECIPES='"p": {"base": "host", "env": {"PYTHONPATH": "/env/lib"}, "hosts": ["named.example"], "setup": ["'$install'",
    "! /usr/bin/python3 -c \"import urllib.request as u; u.urlopen('"'http://127.0.0.1:$other/secret'"')\"",
    "! /usr/bin/python3 -c \"import urllib.request as u; u.urlopen('"'https://elsewhere.example/'"')\"",
    "! /usr/bin/python3 -c \"import socket; socket.create_connection(('"'1.1.1.1', 53"'), 2)\""]}'
suite_begin net
instance net__setup-1 "$PASS; /usr/bin/python3 -c 'import tinypkg; assert tinypkg.answer == 42'" '"recipe": "p"'

# --- tests that ask for a list: prints what each address answers
ask='import os, urllib.request as u, urllib.error
for url in os.environ["URLS"].split():
    try: print("GOT", u.urlopen(url, timeout=9).read().decode().strip())
    except urllib.error.HTTPError as e: print("STATUS", e.code)
    except OSError as e: print("NO", e)'
printf '%s\n' "$ask" >"$WORK/ask.py"
urls="http://127.0.0.1:$other/secret http://evil.example/ http://169.254.169.254/latest http://2130706433:$other/secret"
# Not the address of its own loopback: that is the box's, without the proxy.
instance net__asks-1 "export URLS='$urls' no_proxy= NO_PROXY=; /usr/bin/python3 ask.py; $PASS" \
    '"network": "allowlist", "hosts": ["listed.example"]'
cp "$WORK/ask.py" "$SUITE/net__asks-1/base/ask.py"
instance net__none-1 "export URLS='$urls'; /usr/bin/python3 ask.py; env | grep -i proxy; $PASS"
cp "$WORK/ask.py" "$SUITE/net__none-1/base/ask.py"
run 0 assay suite add "$SUITE"

run 0 assay eval net --gold --instance net__setup-1 --run-id setup
has out '1 of 1'
log=$(ls "$ASSAY_HOME"/layers/*/log)
for line in "127.0.0.1:$other, 1 time: not on this box's allow-list" \
    "elsewhere.example:443, 1 time: not on this box's allow-list"; do
    grep -F -q "$line" "$log" || fail "the layer's log lacks: $line: $(cat "$log")"
done
grep -q '"network": "allowlist"' "$ASSAY_HOME"/layers/*/meta.json || fail "the layer does not say which network it had"
! grep -q secret "$WORK/other.log" || fail "the unlisted server was reached: $(cat "$WORK/other.log")"

# Without a network the same set-up fails, and says where the log lies.
ASSAY_HOME=$WORK/home2 run 0 assay suite add "$SUITE"
ASSAY_HOME=$WORK/home2 run 3 assay eval net --gold --instance net__setup-1 --network none
has out 'set-up (log: layers/'

# --- grading
test_log() { cat "$ASSAY_HOME/runs/$1/$2/test_output.txt"; }
run 0 assay eval net --gold --instance net__asks-1 --run-id asks --json
[ "$(test_log asks net__asks-1 | grep -c 'STATUS 40[03]')" = 4 ] || fail "not all refused: $(test_log asks net__asks-1)"
run 0 assay grade net net__asks-1 --gold --json
[ "$(json 'd["cached"]')" = True ] || fail "not cached"
key=$(json 'd["key"]')
for where in "network 127.0.0.1:$other" 'network evil.example:80' 'network 169.254.169.254:80' "network 2130706433:$other"; do
    [ "$(json "'$where' in d['denied']")" = True ] || fail "not reported: $where in $(json 'd["denied"]')"
done
! grep -q secret "$WORK/other.log" || fail "the unlisted server was reached"

# The user may list an address; the verdict is another one then.
run 0 assay grade net net__asks-1 --gold --json --allow-host "127.0.0.1:$other"
[ "$(json 'd["cached"]')" = False ] || fail "a verdict of another network was taken"
[ "$(json 'd["key"]')" != "$key" ] || fail "the same key"
grep -q 'GET /secret' "$WORK/other.log" || fail "the listed address was not reached"
run 0 assay grade net net__asks-1 --gold --json --network none
[ "$(json 'd["cached"]')" = False ] && [ "$(json 'd["key"]')" != "$key" ] || fail "no network has the same key"
[ "$(json 'd["denied"]')" = '[]' ] || fail "no network, and yet: $(json 'd["denied"]')"

# Who does not ask has no network, whatever the user lists.
run 0 assay eval net --gold --instance net__none-1 --run-id none --allow-host "127.0.0.1:$other"
[ "$(test_log none net__none-1 | grep -c '^NO ')" = 4 ] || fail "it reached something: $(test_log none net__none-1)"
! test_log none net__none-1 | grep -qi proxy || fail "it was told of a proxy"

# --- a box by hand
fetch="import urllib.request as u; print(u.urlopen('http://127.0.0.1:$other/secret').read().decode())"
run 0 assay box run --network allowlist --allow-host "127.0.0.1:$other" --json -- python3 -c "$fetch"
has out secret
has err '"network":"allowlist"'
has err '"network_refused":[]'
run 1 assay box run --network allowlist --json -- env -u no_proxy -u NO_PROXY python3 -c "$fetch"
has err "assay: network: 127.0.0.1:$other, 1 time: not on this box's allow-list"
has err "\"network_refused\":[\"127.0.0.1:$other, 1 time: not on this box's allow-list\"]"
run 2 assay box run --network all -- true
run 2 assay box run --network none --allow-host a.example -- true

# --- the command line, and a proxy that is none
run 2 assay eval net --gold --network all
has err "is not allowlist, none or host"
run 2 assay eval net --gold --allow-host 127.0.0.1
has err "an address needs a port"
https_proxy=socks5://proxy.example:1 run 1 assay eval net --gold
has err "https_proxy: a proxy that is not http:// is not known here"

no_leftovers
echo "network: ok"
