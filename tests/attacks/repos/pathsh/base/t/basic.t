# SPDX-License-Identifier: MIT
. t/tap.sh
. lib/path.sh
plan 3
is "$(path_normal a//b/./c)" a/b/c "joins"
is "$(path_join /usr lib)" /usr/lib "adds"
is "$(path_ext a/b.txt)" txt "ends"
done_testing
