# SPDX-License-Identifier: MIT
. t/tap.sh
plan 4

is "$(printf 'feat(ui): dark mode\nfix: crash\n' | bin/notes list | head -n 7)" "## Features

- **ui:** dark mode

## Fixes

- crash" "groups by type"
is "$(printf 'docs: typo\nMerge branch x\nno type here\n' | bin/notes list | grep '^-')" "- typo
- no type here" "puts the rest under other"
is "$(printf 'fix: a | b\n' | bin/notes list | grep '^-')" "- a | b" "keeps a bar in the text"
is "$(bin/notes list </dev/null)" "0 changes" "has nothing to say"
