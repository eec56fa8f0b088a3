#!/bin/sh
# SPDX-License-Identifier: MIT
# TLS of the service: who has its certificate talks to it, who has another one does not, and what is said without TLS
# gets no answer and harms nothing. A key that others can read is refused before anything listens.
. "$(dirname "$0")/lib.sh"

command -v openssl >/dev/null || {
    echo "SKIP: no openssl to make certificates with"
    exit 77
}
certificate() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost" \
        -keyout "$WORK/$1.key" -out "$WORK/$1.pem" 2>/dev/null || fail "no certificate was made"
    chmod 600 "$WORK/$1.key"
}
certificate ours
certificate other

cd "$ROOT"
chmod 644 "$WORK/ours.key"
run 1 assay serve --listen 127.0.0.1:0 --tls-cert "$WORK/ours.pem" --tls-key "$WORK/ours.key"
has err "ours.key"
chmod 600 "$WORK/ours.key"
run 1 assay serve --listen 127.0.0.1:0 --tls-cert "$WORK/ours.pem" --tls-key "$WORK/other.key"

"$ASSAY" serve --listen 127.0.0.1:0 --tls-cert "$WORK/ours.pem" --tls-key "$WORK/ours.key" >"$WORK/where" 2>"$WORK/serve.log" &
server=$! # no_leftovers has a pid of its own
trap 'status=$?; [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; (exit "$status"); cleanup' EXIT
port=
for _ in $(seq 100); do
    port=$(sed -n 's|^https://127\.0\.0\.1:||p' "$WORK/where")
    [ -z "$port" ] || break
    sleep 0.1
done
[ -n "$port" ] || fail "the service does not say where it listens"
ask() { curl -s -m 20 -o "$WORK/body" -w '%{http_code}' "$@" || true; }

[ "$(ask --cacert "$WORK/ours.pem" "https://localhost:$port/healthz")" = 200 ] || fail "its own certificate is not enough"
[ "$(ask --cacert "$WORK/other.pem" "https://localhost:$port/healthz")" = 000 ] || fail "another's certificate will do"
[ "$(ask --tls-max 1.1 --cacert "$WORK/ours.pem" "https://localhost:$port/healthz")" = 000 ] || fail "TLS 1.1 will do"
[ "$(ask "http://localhost:$port/healthz")" != 200 ] || fail "it answers without TLS"
curl -s -N -m 2 --cacert "$WORK/ours.pem" "https://localhost:$port/v1/events" >"$WORK/events" || true
grep -q '^retry:' "$WORK/events" || fail "no events over TLS"
head -c 4096 /dev/urandom | curl -s -m 2 --data-binary @- "telnet://localhost:$port" >/dev/null 2>&1 || true
[ "$(ask --cacert "$WORK/ours.pem" "https://localhost:$port/v1/version")" = 200 ] || fail "it fell over what was no TLS"
kill -TERM "$server"
wait "$server" || fail "it did not end well"
server=
no_leftovers
