# SPDX-License-Identifier: MIT
# Proposing the next version.

# bump VERSION: the version after the subjects of the input.
bump() {
    records=$(parse_subjects)
    old_ifs=$IFS
    IFS=.
    set -- $1
    IFS=$old_ifs
    if printf '%s\n' "$records" | grep -q '^feat|'; then
        echo "$1.$(($2 + 1)).0"
    else
        echo "$1.$2.$(($3 + 1))"
    fi
}
