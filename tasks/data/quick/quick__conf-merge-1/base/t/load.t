# SPDX-License-Identifier: MIT
. t/tap.sh
plan 6

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'a = 1\nlist = x\n' >"$dir/10-one.conf"
printf '# note\na = 2 = two\n\nlist += y\n' >"$dir/20-two.conf"
printf 'nothing' >"$dir/notes.txt"
export CONF_DIR=$dir

is "$(bin/conf get a)" "2 = two" "the last value wins"
is "$(bin/conf get list)" "x y" "appends"
is "$(bin/conf list)" "a=2 = two
list=x y" "lists each key once"
is "$(bin/conf files)" "10-one.conf
20-two.conf" "reads only settings"
bin/conf get nothing >/dev/null
is "$?" 1 "says that a key is missing"
printf 'c = 3' >"$dir/100-c.conf"
is "$(bin/conf files | sed -n 2p)" "100-c.conf" "keeps the order of sort"
