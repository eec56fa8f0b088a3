# SPDX-License-Identifier: MIT
# A very small TAP producer for tests run by bash. Source it, call plan, then ok or is.
tap_count=0

# One line to stdout and, when ASSAY_REPORT_FD is a number, one record to that descriptor.
tap_line() {
    printf '%s\n' "$1"
    case ${ASSAY_REPORT_FD:-} in
    '' | *[!0-9]*) ;;
    *) printf '%s\t%s\n' "$0" "$1" >&"$ASSAY_REPORT_FD" ;;
    esac
}

plan() {
    tap_line "1..$1"
}

# ok STATUS DESCRIPTION
ok() {
    tap_count=$((tap_count + 1))
    if [ "$1" -eq 0 ]; then
        tap_line "ok $tap_count - $2"
    else
        tap_line "not ok $tap_count - $2"
    fi
}

# is GOT WANTED DESCRIPTION
is() {
    if [ "$1" = "$2" ]; then
        ok 0 "$3"
    else
        ok 1 "$3"
        printf '%s\n' "got:    $1" "wanted: $2" | sed 's/^/# /' >&2
    fi
}
