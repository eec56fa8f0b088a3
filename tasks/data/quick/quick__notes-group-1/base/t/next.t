# SPDX-License-Identifier: MIT
. t/tap.sh
plan 3

is "$(printf 'fix: a\nfeat: b\n' | bin/notes next 1.4.2)" "1.5.0" "a feature raises the minor number"
is "$(printf 'fix: a\n' | bin/notes next 1.4.9)" "1.4.10" "a fix raises the patch number"
bin/notes next </dev/null
is "$?" 2 "wants a version"
