# SPDX-License-Identifier: MIT
. t/tap.sh
. lib/quote.sh
. lib/subst.sh
plan 4

is "$(quote plain-word.txt)" "plain-word.txt" "leaves plain words"
is "$(quote 'two words')" "'two words'" "quotes blanks"
is "$(quote_all a 'b c' d)" "a 'b c' d" "joins words"
is "$(subst '{}-{}' '*')" "*-*" "takes the value literally"
