# SPDX-License-Identifier: MIT
. t/tap.sh
plan 5

is "$(printf 'a\nb\n' | bin/each echo 'x{}y')" "xay
xby" "replaces the braces"
is "$(printf 'a\n\nb\n' | bin/each -n rm {})" "rm a
rm b" "prints commands and passes over empty lines"
is "$(printf 'a\n' | bin/each echo '{}.o' '{}.c')" "a.o a.c" "replaces more than once"
printf '1\n0\n' | bin/each false {}
is "$?" 1 "says that a command failed"
bin/each </dev/null 2>/dev/null
is "$?" 2 "wants a command"
