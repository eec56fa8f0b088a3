# SPDX-License-Identifier: MIT
. t/tap.sh
plan 5

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

echo new >"$dir/a.log"
bin/rotate "$dir/a.log"
is "$?" 0 "works on a first log"
is "$(cat "$dir/a.log.1")" "new" "moves the log"
[ -f "$dir/a.log" ] && [ ! -s "$dir/a.log" ]
ok $? "leaves an empty log behind"
echo packed >"$dir/z.log"
bin/rotate -z "$dir/z.log"
is "$(gzip -dc "$dir/z.log.1.gz")" "packed" "packs"
bin/rotate -k none "$dir/a.log" 2>/dev/null
is "$?" 2 "wants a number to keep"
