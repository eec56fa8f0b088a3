# SPDX-License-Identifier: MIT
# From subjects to records.

# parse_subjects: lines of type, scope and text, with | between them.
parse_subjects() {
    sed -n \
        -e '/^[[:space:]]*$/d' \
        -e '/^Merge /d' \
        -e 's/^\([a-z][a-z]*\)(\([^()]*\)): *\(.*\)$/\1|\2|\3/' -e t\ found \
        -e 's/^\([a-z][a-z]*\): *\(.*\)$/\1||\2/' -e t\ found \
        -e 's/^/other||/' \
        -e ': found' -e p
}
